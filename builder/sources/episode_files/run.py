"""A run from a store of whole episodes: padding removed by rule, every row accounted for."""

from collections.abc import Callable, Generator, Iterator

import numpy as np

from ...errors import SourceError
from ...format.actions import FULL_ACTIONS
from ...format.games import Game
from ...format.manifest import FileRecord, RowCounts, StepCounts
from ...format.protocol import PADDING_ROWS, TIME_LIMIT
from ...format.provenance import UNRECORDED, Provenance
from ..checks import check_actions, check_rewards
from ..run import Checkpoint, Episode, Run, RunReader
from .padding import Beginning, is_padded, padding_rows
from .repeats import Repeats
from .stored import BLOCK_ROWS, EpisodeStore, StoredEpisode

CHECKPOINT = 1
"""The number of the only checkpoint. From which dump an episode was cut is not recorded; those scripts begin
with file 1, and neither `mixed` (checkpoint 0) nor `medium` would be true. The same goes for worlds, whose
episodes nobody learned from while they were played."""

_SAMPLED = 16
"""Episodes looked at to see whether the store keeps padding."""
_MOST_BLACK_FRAMES = 64
"""The most black frames that a game is assumed to begin with."""


class EpisodeFilesRun(Run):
    """A run from a store of whole episodes.

    Args:
        game: the game that was played.
        number: the run that the store's script reads.
        where: the run's file or folder, for messages.
        open_store: opens the episodes.
        sizes: the size in bytes of each file.
        rows: about how many rows the files hold.
        details: what is known of the store, for its provenance: `layout` and `assumed`.
        remarks: notes on what is missing or odd.
    """

    def __init__(
        self,
        game: Game,
        number: int,
        where: str,
        *,
        open_store: Callable[[], EpisodeStore],
        sizes: dict[str, int | None],
        rows: int,
        details: dict[str, str],
        remarks: list[str],
    ) -> None:
        self.game, self.number, self.where = game, number, where
        self.checkpoints = [CHECKPOINT]
        self.open_store = open_store
        self._sizes, self._rows, self._details, self._remarks = sizes, rows, details, remarks

    @property
    def provenance(self) -> Provenance:
        """What is known about the files' origin: the form of the store."""
        return Provenance(UNRECORDED, dict(self._details))

    def partial_checkpoints(self) -> list[int]:
        """Returns an empty list, since episodes are no longer in a ring."""
        return []

    def is_last_complete(self, checkpoint: int) -> bool:
        """Returns False: which of the episodes are the expert's is not known."""
        return False

    def rows(self, checkpoint: int) -> int:
        """Returns about how many rows the files hold."""
        return self._rows

    def capacity(self) -> None:
        """Returns None, since episodes are no longer in a ring."""
        return

    def file_sizes(self) -> dict[str, int | None]:
        """Returns the size in bytes of each file."""
        return self._sizes

    def remarks(self) -> list[str]:
        """Returns notes on what is missing, and on what such a store does not tell."""
        return [*self._remarks, self._details["assumed"]]

    def reader(self) -> "EpisodeFilesReader":
        """Returns a new reader."""
        return EpisodeFilesReader(self)


class EpisodeFilesReader(RunReader[EpisodeFilesRun]):
    """Reads the only checkpoint of a run from a store of whole episodes."""

    def __init__(self, run: EpisodeFilesRun) -> None:
        self.run = run
        self._reading: EpisodeFilesCheckpoint | None = None

    def checkpoint(self, number: int) -> "EpisodeFilesCheckpoint":
        """Returns the checkpoint."""
        self.run.require(number)
        self.close()
        self._reading = EpisodeFilesCheckpoint(self.run, number)
        return self._reading

    def close(self) -> None:
        """Close the files."""
        if self._reading is not None:
            self._reading.close()
            self._reading = None


class EpisodeFilesCheckpoint(Checkpoint[EpisodeFilesRun]):
    """All episodes of a store."""

    def __init__(self, run: EpisodeFilesRun, number: int) -> None:
        self.run, self.number = run, number
        self._store = run.open_store()
        self._transitions = self._padding = self._repeated = 0
        self._count = self._complete_episodes = 0
        self._repeats = Repeats(self._store)
        self._reading: Generator[Episode, None, None] | None = None

    def episodes(self) -> Iterator[Episode]:
        """Yield the episodes in the order of their numbers; read each one's frames before the next.

        An episode that occurs a second time, as those of the final dump do, is counted and not repeated.

        Raises:
            SourceError: a file is missing or damaged, or holds something else.
        """
        self._reading = self._episodes_in_order()
        return self._reading

    def _episodes_in_order(self) -> Generator[Episode, None, None]:
        is_padded, usual_black = self._sample()
        for place in range(len(self._store)):
            with self._store.open(place) as stored:
                head = _head(stored)
                beginning = Beginning.of(head, stored.action, stored.reward)
                padding = padding_rows(beginning, usual_black) if is_padded else 0
                began_at_reset = padding > 0 or not is_padded
                if self._repeats.has(place, stored, may_be_cut=not began_at_reset):
                    self._repeated += len(stored)
                else:
                    yield self._episode(stored, head, padding, began_at_reset)

    @property
    def row_counts(self) -> RowCounts:
        """What happened to each of the files' rows."""
        rows = self._transitions + self._padding + self._repeated
        return RowCounts(rows, self._transitions, self._padding, 0, self._repeated)

    @property
    def step_counts(self) -> StepCounts:
        """The step counts, where every transition is a step."""
        return StepCounts(self._transitions, 0, 0, self._count, self._complete_episodes)

    def sources(self) -> tuple[FileRecord, ...]:
        """Returns the files that the episodes came from."""
        return self._store.sources()

    def close(self) -> None:
        """Close the files."""
        if self._reading is not None:
            self._reading.close()
        self._store.close()

    def _sample(self) -> tuple[bool, int]:
        """Returns whether the store keeps padding, and how many black frames its episodes begin with."""
        count = len(self._store)
        # The first one often lacks its beginning.
        places = np.unique(np.linspace(min(1, count - 1), count - 1, _SAMPLED, dtype=int)) if count else ()
        beginnings = []
        for place in places:
            with self._store.open(int(place)) as stored:
                beginnings.append(Beginning.of(_head(stored), stored.action, stored.reward))
        whole = [each.black for each in beginnings if each.blank == PADDING_ROWS]
        return is_padded(beginnings), min(whole, default=PADDING_ROWS)

    def _episode(
        self, stored: StoredEpisode, head: np.ndarray, padding: int, began_at_reset: bool
    ) -> Episode:
        length = len(stored) - padding
        if length < 1:
            raise SourceError(f"{stored.where}: holds only padding, expected an episode; leave it out")
        out_of_time = stored.ended and began_at_reset and length == TIME_LIMIT
        complete = stored.ended and began_at_reset
        number = self._count
        self._transitions += length
        self._padding += padding
        self._count += 1
        self._complete_episodes += complete
        return Episode(
            checkpoint=self.number,
            number=number,
            action=_minimal_actions(stored.action, self.run.game, stored.where)[padding:],
            reward=check_rewards(stored.reward, stored.where)[padding:],
            terminated=stored.ended and not out_of_time,
            truncated=out_of_time,
            complete=complete,
            joined=False,
            frames=_blocks(head[padding:], stored, len(head)),
            began_at_reset=began_at_reset,
        )


def _head(stored: StoredEpisode) -> np.ndarray:
    return stored.frames.read(min(len(stored), _MOST_BLACK_FRAMES))


def _blocks(head: np.ndarray, stored: StoredEpisode, start: int) -> Generator[np.ndarray, None, None]:
    if len(head):
        yield head
    for first in range(start, len(stored), BLOCK_ROWS):
        yield stored.frames.read(min(BLOCK_ROWS, len(stored) - first))


def _minimal_actions(action: np.ndarray, game: Game, where: str) -> np.ndarray:
    """Returns actions as numbers of the game's own set; int64 ones are among ALE's 18, as LRAM saves them."""
    if action.dtype != np.int64 or len(game.actions) == len(FULL_ACTIONS):
        return check_actions(action, game, where)
    numbers = np.full(len(FULL_ACTIONS), -1, np.int32)
    numbers[[FULL_ACTIONS.index(name) for name in game.actions]] = np.arange(len(game.actions))
    is_known = (action >= 0) & (action < len(FULL_ACTIONS))
    minimal = np.where(is_known, numbers[np.where(is_known, action, 0)], -1)
    if (minimal < 0).any():
        raise SourceError(
            f"{where}: holds action {action[minimal < 0][0]} of ALE's full set, which {game} does not have; "
            f"is it play of another game?"
        )
    return minimal.astype(np.int32)
