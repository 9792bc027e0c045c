"""Reads d4rl-atari's download cache: `<Game>/<index>/<epoch>/observation.gz` and so on, without add_count.

d4rl-atari copies `<Game>/<run>/replay_logs/$store$_<array>_ckpt.<N>.gz` of the bucket to
`~/.d4rl/datasets/<Game>/<run>/<N>/<array>.gz`: its index is the run, from 1, and its epoch is the number of
the checkpoint (see its `offline_env.py`; its `-v0` is index 1).

Without add_count two things are unknown, and these assumptions are made:

- Whether a lap was skipped between two epochs. The epochs are treated as separate: no episode is joined
  across them, and an episode cut there is marked as cut.
- Whether the last epoch is the partial dump made at the end of training, and where its cursor stood. If the
  epoch before it is present, a partial dump ends with rows identical to that epoch's. If it is missing:
  training ended with an episode, and within a full lap padding follows every terminal row, so a terminal row
  without padding marks the start of the ring's older rows. A dump that shows neither sign is treated as a
  full lap.
"""

import re

import numpy as np

from ...format.games import Game
from ...format.numbers import describe_numbers
from ...format.protocol import PADDING_ROWS
from ...format.provenance import UNRECORDED, Provenance
from ...stores.store import Store
from .dumps import Header, Link, Rows
from .log_files import ARRAYS, SCALARS, LogFiles
from .logged_run import LoggedRun
from .replay_log import ReplayLog

REMARK = (
    "d4rl-atari's cache has no add_count: index is taken for the run and epoch for the checkpoint, and "
    "episodes are not joined across epochs, since a lap may be missing between them"
)
_FEWEST_REPEATED = 16
"""The fewest rows that count as a repeat; fewer may be alike by chance."""
_EPOCH = re.compile(r"0|[1-9][0-9]{0,3}")


def find_cached_files(store: Store, folder: str, names: list[str]) -> LogFiles:
    """Returns the cached arrays in a run's folder whose entries have these names."""
    files = LogFiles(folder, has_add_counts=False)
    for epoch in filter(_EPOCH.fullmatch, names):
        there = set(store.list(f"{folder}/{epoch}"))
        paths = {array: f"{folder}/{epoch}/{array}.gz" for array in ARRAYS if f"{array}.gz" in there}
        if paths:
            files.checkpoints[int(epoch)] = paths
    return files


class CachedLog(ReplayLog):
    """A replay log without add_count files."""

    arrays = tuple(ARRAYS)

    def _add_count(self, number: int, rows: int) -> int:
        if number == self.numbers[-1]:
            cursor = self._find_cursor(number, rows)
            if cursor is not None:
                return cursor
        # Where the log begins there is padding.
        laps = 2 if number == 0 and not self._is_zero(Rows(0, 0, PADDING_ROWS)) else number + 1
        return laps * rows - 1

    def _link(self, before: Header | None, header: Header) -> Link:
        return super()._link(before, header) if header.number == 0 else Link.CUT

    def _find_cursor(self, number: int, rows: int) -> int | None:
        """Returns the row before which play ends, or None if the dump does not show one."""
        repeated = self._count_repeated(number, rows) if number - 1 in self.numbers else 0
        if repeated >= _FEWEST_REPEATED:
            return rows - 1 - repeated
        scalars = self.scalars(number)[: rows - 1]
        blank = _is_zero(scalars)
        start = 0
        for block in self.frames(Rows(number, 0, rows - 1)):
            stop = start + len(block)
            blank[start:stop] &= ~block.any(axis=(1, 2))
            start = stop
        ends = np.flatnonzero(scalars["terminal"][: rows - 2]) + 1
        cursors = [int(end) for end in ends if not blank[end : min(end + PADDING_ROWS, rows - 1)].all()]
        return cursors[0] if len(cursors) == 1 else None

    def _count_repeated(self, number: int, rows: int) -> int:
        """Returns how many consecutive rows before the last one also occur in the previous dump."""
        scalars, earlier = (self.scalars(each)[: rows - 1] for each in (number, number - 1))
        differ = np.flatnonzero(_as_bytes(scalars) != _as_bytes(earlier))
        start = int(differ[-1]) + 1 if len(differ) else 0
        if rows - 1 - start < _FEWEST_REPEATED:
            return rows - 1 - start
        last_difference = start - 1
        mine, theirs = (self.frames(Rows(each, start, rows - 1)) for each in (number, number - 1))
        for block, other in zip(mine, theirs, strict=True):
            places = np.flatnonzero((block != other).any(axis=(1, 2)))
            last_difference = start + int(places[-1]) if len(places) else last_difference
            start += len(block)
        return rows - 2 - last_difference


def _as_bytes(scalars: np.ndarray) -> np.ndarray:
    """Returns the rows as bytes, so that NaN rewards compare equal."""
    return scalars.view(f"V{SCALARS.itemsize}")


def _is_zero(scalars: np.ndarray) -> np.ndarray:
    return np.asarray((scalars["action"] == 0) & (scalars["reward"] == 0) & (scalars["terminal"] == 0))


class CachedRun(LoggedRun):
    """A run in d4rl-atari's cache."""

    def __init__(self, game: Game, number: int, log: CachedLog) -> None:
        details = {"layout": "d4rl-atari's download cache", "assumed": REMARK}
        super().__init__(game, number, log, Provenance(UNRECORDED, details))

    def remarks(self) -> list[str]:
        """Returns the missing files and checkpoints, and the assumptions made."""
        lacking = [
            f"checkpoint {number} lacks {', '.join(lacks)}"
            for number, files in self.log.files.checkpoints.items()
            if (lacks := [array for array in ARRAYS if array not in files])
        ]
        if lacking:
            return [*lacking, REMARK]
        partial = [f"checkpoint {number} is the final, partial dump" for number in self.partial_checkpoints()]
        return [f"has checkpoints {describe_numbers(self.checkpoints)} only", *partial, REMARK]
