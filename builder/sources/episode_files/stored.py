"""An episode as it is stored, before its padding is removed, and how a run's episodes are reached."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np

from ...errors import SourceError
from ...format.manifest import FileRecord
from ...format.protocol import FRAME_SHAPE

MOST_ROWS = 1_000_000
"""The most rows of one episode: the original's replay buffer, in which it was, held no more."""

_AGAIN = "copy it again, or leave it out"

BLOCK_ROWS = 512
"""Frames held at a time: 3.6 MB."""


class StoredFrames:
    """The frames of a stored episode, read forwards.

    Args:
        where: the array's name, for messages.
        shape: the array's shape: (n, 84, 84), (n, 1, 84, 84), or (n, 3, 84, 84) with three equal channels.
        dtype: the array's dtype, which must be uint8.
        read: returns that many next rows of the array.

    Raises:
        SourceError: the array holds something else.
    """

    def __init__(
        self,
        where: str,
        shape: Sequence[int],
        dtype: np.dtype,
        read: Callable[[int], np.ndarray],
    ) -> None:
        rows, *frame = shape or (0,)
        channels, *size = frame if len(frame) == 3 else (1, *frame)
        if dtype != np.uint8 or tuple(size) != FRAME_SHAPE or channels not in (1, 3):
            found = f"{dtype} of shape ({', '.join(map(str, shape))})"
            raise SourceError(
                f"{where}: holds {found}, expected uint8 of shape (n, 1, 84, 84); frames that were resized "
                f"cannot be restored, so save them again at 84×84"
            )
        if not 1 <= rows <= MOST_ROWS:
            raise SourceError(
                f"{where}: holds {rows:,} frames, expected 1 to {MOST_ROWS:,} in an episode; {_AGAIN}"
            )
        self.rows = rows
        self._where = where
        self._channels = channels
        self._read = read

    def read(self, rows: int) -> np.ndarray:
        """Returns the next frames, shape (rows, 84, 84), uint8."""
        raw = self._read(rows).reshape(rows, self._channels, *FRAME_SHAPE)
        if self._channels == 3 and not (raw == raw[:, :1]).all():
            raise SourceError(
                f"{self._where}: its three channels differ, expected one grey channel repeated; {_AGAIN}"
            )
        return raw[:, 0]


@dataclass(frozen=True)
class StoredEpisode:
    """An episode in a store, padding included."""

    where: str
    """The file, and the group in it if there are several, for messages."""
    action: np.ndarray
    """int32 or int64, shape (n,)."""
    reward: np.ndarray
    """float32, shape (n,)."""
    ended: bool
    """Whether the game or the time limit ended it with the last row."""
    frames: StoredFrames

    def __post_init__(self) -> None:
        lengths = {"states": self.frames.rows, "actions": len(self.action), "rewards": len(self.reward)}
        if len(set(lengths.values())) > 1:
            found = ", ".join(f"{rows:,} {name}" for name, rows in lengths.items())
            raise SourceError(f"{self.where}: holds {found}, expected as many of each; {_AGAIN}")

    def __len__(self) -> int:
        return self.frames.rows


class EpisodeStore(ABC):
    """The stored episodes of one run, in the order of their numbers; not shared between threads."""

    @abstractmethod
    def __len__(self) -> int:
        """Returns the number of episodes."""

    @abstractmethod
    def open(self, place: int) -> AbstractContextManager[StoredEpisode]:
        """Open the episode at a place in the order, while the block lasts.

        Raises:
            SourceError: its file is missing or damaged, or holds something else.
        """

    @abstractmethod
    def sources(self) -> tuple[FileRecord, ...]:
        """Returns the files that have been read so far, in order."""

    def close(self) -> None:  # noqa: B027
        """Close what is kept open between episodes."""


def check_length(where: str, shape: Sequence[int], rows: int) -> None:
    """Check that an array has a number for each of an episode's rows, or is a single number.

    Raises:
        SourceError: it has another shape.
    """
    if tuple(shape) not in ((), (rows,)):
        found = ", ".join(map(str, shape))
        raise SourceError(f"{where}: is of shape ({found}), but the episode has {rows:,} frames; {_AGAIN}")


def exactly(values: np.ndarray, dtype: type[np.generic], where: str) -> np.ndarray:
    """Returns values in another dtype that represents each of them exactly.

    Raises:
        SourceError: one of them has no equal in that dtype.
    """
    if values.dtype.kind not in "biuf":
        raise SourceError(f"{where}: holds {values.dtype} values, expected numbers; {_AGAIN}")
    with np.errstate(over="ignore", invalid="ignore"):
        converted = values.astype(dtype)
        same = (converted == values) | ((converted != converted) & (values != values))
    if not same.all():
        found = values[~same].flat[0]
        raise SourceError(f"{where}: holds {found}, which is no {np.dtype(dtype)} value; {_AGAIN}")
    return converted
