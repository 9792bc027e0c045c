"""The transitions of several games as one, for an agent that learns all of them."""

from collections.abc import Sequence

import numpy as np

from ..builder.format.actions import FULL_ACTIONS
from ..replay_reader.preprocessing import Batch
from ..replay_reader.replay_dataset import ReplayDataset


class JoinedGames:
    """Transitions by index, game after game, with actions numbered among ALE's 18.

    Args:
        games: each game's transitions, with `Preprocessing(full_action_space=True)`.
    """

    action_names: tuple[str, ...] = tuple(FULL_ACTIONS)

    def __init__(self, games: Sequence[ReplayDataset]) -> None:
        self._games = games
        self._ends = np.cumsum([len(game) for game in games])
        columns = [game.gather(np.array([0])) for game in games]
        self._names = [name for name in columns[0] if all(name in each for each in columns)]

    def __len__(self) -> int:
        """Returns the number of transitions of all games."""
        return int(self._ends[-1])

    def gather(self, indices: np.ndarray) -> Batch:
        """Returns a batch of the transitions with these indices, (B,), in their order, as `ReplayDataset`.

        It has the columns that all games have, whichever games are in it.
        """
        number = np.searchsorted(self._ends, indices, "right")
        order = np.argsort(number, kind="stable")
        parts = [
            game.gather(indices[number == at] - (self._ends[at] - len(game)))
            for at, game in enumerate(self._games)
            if (number == at).any()
        ]
        back = np.argsort(order)
        return {name: np.concatenate([part[name] for part in parts])[back] for name in self._names}
