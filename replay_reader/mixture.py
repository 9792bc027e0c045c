"""Mixes several games: batches from several readers, in weighted proportions."""

import contextlib
from collections.abc import Generator, Sequence

import numpy as np

from .batches import Batches
from .errors import DatasetError
from .preprocessing import Batch
from .reader import Reader


class Mixture(Reader):
    """Yields batches from several readers, in even proportions at all times.

    Each batch is the next one of some reader, with one key more: `reader`, of shape (B,) int64, the number of
    the reader in `readers`.

    An epoch ends when the first reader is exhausted: each sample comes at most once, and the proportions are
    exact to the batch. If a game has more than its weight requires, each epoch has a different random part of
    it. With `weights=None` everything comes once.

    Rank and world size are those of the readers. The order depends on `seed` and on the readers' own; ranks,
    workers and resumption work as with any other reader. Memory use is the sum over the readers.

    Args:
        readers: `Transitions` or `Sequences`, all of one kind. Their actions must mean the same: readers of
            different games each need `Preprocessing(full_action_space=True)`.
        weights: the relative number of batches of each; None uses every batch of each.
        seed: the seed of the order in which readers come.

    Raises:
        DatasetError: the readers are incompatible, or weights are not positive.

    Example:

    ```python
    >>> from atari_dqn_replay import Mixture, Preprocessing, Transitions
    >>> common = {"split": "run_1", "preprocessing": Preprocessing(full_action_space=True)}
    >>> games = [Transitions("me/atari-dqn-replay", f"{game}-expert", **common) for game in ("pong", "qbert")]
    >>> batch = next(iter(Mixture(games, weights=[1, 2])))
    >>> batch["reader"].shape
    (32,)
    ```
    """

    def __init__(
        self, readers: Sequence[Batches], weights: Sequence[float] | None = None, seed: int = 0
    ) -> None:
        _check_readers(readers)
        super().__init__(seed=seed, rank=readers[0].rank, world_size=readers[0].world_size)
        self.readers = list(readers)
        has = np.array([reader.items_in_epoch for reader in readers], np.int64)
        self._counts = has if weights is None else _share(has, weights)
        """The number of batches of each reader in an epoch."""

    @property
    def items_in_epoch(self) -> int:
        """Returns the number of batches, over all ranks."""
        return int(self._counts.sum())

    def identity(self) -> dict[str, int]:
        """Returns what the order depends on."""
        return {
            "seed": self.seed,
            **{
                f"{name}_{number}": value
                for number, reader in enumerate(self.readers)
                for name, value in {**reader.identity(), "batches": int(self._counts[number])}.items()
            },
        }

    def read(self, epoch: int, numbers: Sequence[int]) -> Generator[Batch]:
        """Yield the batches of an epoch with these numbers, which ascend."""
        turns = np.repeat(np.arange(len(self.readers), dtype=np.int16), self._counts)
        np.random.default_rng([self.seed, epoch]).shuffle(turns)
        wanted = np.asarray(numbers, np.int64)
        chosen = turns[wanted]
        with contextlib.ExitStack() as stack:
            sources: list[Generator[Batch]] = []
            for number, reader in enumerate(self.readers):
                before = np.cumsum(turns == number) - 1
                own = before[wanted[chosen == number]]
                sources.append(stack.enter_context(contextlib.closing(reader.read(epoch, own.tolist()))))
            for number in chosen.tolist():
                batch = next(sources[number])
                yield {**batch, "reader": np.full(len(batch["action"]), number, np.int64)}


def _check_readers(readers: Sequence[Batches]) -> None:
    if not readers:
        raise DatasetError("a mixture of no readers; expected one or more")
    for reader in readers:
        if type(reader) is not type(readers[0]):
            raise DatasetError("readers are of different kinds; expected all Transitions or all Sequences")
        if (reader.rank, reader.world_size) != (readers[0].rank, readers[0].world_size):
            raise DatasetError("readers have different ranks or world sizes; expected the same")
    meanings = {
        None if reader.preprocessing.full_action_space else reader.catalog.action_names for reader in readers
    }
    if len(meanings) > 1:
        raise DatasetError(
            "actions of the readers mean different things; "
            "give each reader preprocessing=Preprocessing(full_action_space=True)"
        )


def _share(has: np.ndarray, weights: Sequence[float]) -> np.ndarray:
    """Returns each reader's number of batches, in proportion to the weights, until one is exhausted."""
    share = np.asarray(weights, np.float64)
    if share.shape != has.shape or not (np.isfinite(share) & (share > 0)).all():
        raise DatasetError(f"weights {list(weights)}: expected {len(has)} numbers above 0")
    # Slightly more, so that rounding does not drop the last batch of the exhausted reader.
    counts = np.floor(share * (has / share).min() * (1 + 1e-12)).astype(np.int64)
    if not counts.all():
        raise DatasetError(f"weights {list(weights)}: a reader would give no batch before another is used up")
    return counts
