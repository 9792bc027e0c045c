"""Reads a replay log of which add_count files are lacking, inferring what they would say.

Download scripts often copied only the four arrays (JOWA's, SGI's), as d4rl-atari does into its cache.

Without add_count two things are unknown:

- Whether a lap was skipped between two dumps. The counts of other dumps may tell. Otherwise the dumps are
  treated as separate: no episode is joined across them, and an episode cut there is marked as cut.
- Whether the last dump is the partial one made at the end of training, and where its cursor stood. If the
  dump before it is present, a partial dump ends with rows identical to that dump's. If it is missing:
  training ended with an episode, and within a full lap padding follows every terminal row, so a terminal row
  without padding marks the start of the ring's older rows. A dump that shows neither sign is treated as a
  full lap.
"""

import contextlib

import numpy as np

from ...errors import ReplayLogError
from ...format.numbers import describe_numbers
from ...format.protocol import PADDING_ROWS
from ...stores.store import Store
from .dumps import Header, Link, Rows
from .log_files import SCALARS, LogFiles
from .replay_log import ReplayLog

ASSUMED = "episodes are not joined across checkpoints where a lap may be missing between them"
_FEWEST_REPEATED = 16
"""The fewest rows that count as a repeat; fewer may be alike by chance."""


class InferredLog(ReplayLog):
    """A replay log without some or all of its add_count files."""

    def __init__(self, store: Store, files: LogFiles) -> None:
        super().__init__(store, files)
        self._known: dict[int, int] | None = None

    def remark(self) -> str:
        """Returns what is lacking, and what is assumed in its place."""
        lacking = [number for number in self.numbers if "add_count" not in self.files.checkpoints[number]]
        which = "" if lacking == self.numbers else f" for checkpoint {describe_numbers(lacking)}"
        return f"no add_count{which}: {ASSUMED}"

    def skips_lap_before(self, number: int) -> bool:
        """Returns whether a lap before a dump is known to have never been dumped."""
        earlier = self.earlier(number)
        is_known = self._is_certain(number) and (earlier is None or self._is_certain(earlier))
        return is_known and super().skips_lap_before(number)

    def _add_count(self, number: int, rows: int) -> int:
        if "add_count" in self.files.checkpoints[number]:
            return super()._add_count(number, rows)
        if number == self.numbers[-1]:
            cursor = self._find_cursor(number, rows)
            if cursor is not None:
                return cursor
        return self._laps(number, rows)[0] * rows - 1

    def _link(self, before: Header | None, header: Header) -> Link:
        if before is None or (self._is_certain(before.number) and self._is_certain(header.number)):
            return super()._link(before, header)
        return Link.CUT

    def _is_certain(self, number: int) -> bool:
        return self._laps(number, self.header(number).capacity)[1]

    def _laps(self, number: int, rows: int) -> tuple[int, bool]:
        """Returns how many laps the ring had made when it was dumped, and whether that is certain.

        Numbers of dumps do not skip, so that each counts at least one lap more than the one before.
        """
        known = self._known_laps(rows)
        if number in known:
            return known[number], True
        # Where the log begins there is padding.
        start = {-1: 0} if number > 0 or self._is_zero(Rows(0, 0, PADDING_ROWS)) else {-1: 1}
        before = max((each for each in known if each < number), default=-1)
        least = {**start, **known}[before] + number - before
        after = min((each for each in known if each > number), default=None)
        if after is not None:
            return least, known[after] - least == after - number
        return least, number == 0

    def _known_laps(self, rows: int) -> dict[int, int]:
        """Returns the laps of the full laps' dumps that have an add_count."""
        if self._known is None:
            self._known = {}
            for number in self.numbers:
                if "add_count" in self.files.checkpoints[number]:
                    with contextlib.suppress(ReplayLogError):
                        header = Header(number, rows, super()._add_count(number, rows))
                        if not header.is_partial:
                            self._known[number] = (header.add_count + 1) // rows
        return self._known

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
