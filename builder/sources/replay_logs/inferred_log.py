"""Reads a replay log of which add_count files are lacking, inferring what they would say.

Download scripts often copied only the four arrays (JOWA's, SGI's), as d4rl-atari does into its cache.

Without add_count two things are unknown:

- Whether a lap was skipped between two dumps. The counts of other dumps may tell, or the rows where the two
  meet; see `joins`. Otherwise the dumps are treated as separate: no episode is joined across them, and an
  episode cut there is marked as cut.
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
from ...stores.store import Store
from .dumps import Header, Link, Rows
from .joins import prove_join
from .log_files import SCALARS, LogFiles
from .replay_log import ReplayLog

ASSUMED = (
    "episodes are joined across checkpoints only where counts, frames or padding prove that no lap is "
    "missing between them"
)
_BEGINNINGS = 16
"""Beginnings of episodes that are compared with the first row of a dump."""
_FEWEST_REPEATED = 16
"""The fewest rows that count as a repeat; fewer may be alike by chance."""


class InferredLog(ReplayLog):
    """A replay log without some or all of its add_count files."""

    def __init__(self, store: Store, files: LogFiles, stack_size: int | None = None, black: int = 0) -> None:
        super().__init__(store, files, stack_size, black)
        self._known: dict[int, int] | None = None
        self._proofs: dict[int, str] = {}

    def proof(self, number: int) -> str | None:
        """Returns why a dump that was described follows the one before, if its add_count does not tell."""
        return self._proofs.get(number)

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
        if before.number == header.number - 1:
            proof = self._prove_join(before.number, header)
            if proof is not None:
                self._proofs[header.number] = proof
                return Link.JOINED
        return Link.CUT

    def _prove_join(self, before: int, header: Header) -> str | None:
        number, last = header.number, header.capacity - 1
        padding = self.padding_rows(number)
        scalars = self.scalars(number)
        ends = np.flatnonzero(scalars["terminal"][: last - padding - 1])[:_BEGINNINGS]
        begins = [int(end) + 1 + padding for end in ends]
        order = [last, *range(padding + 1)]
        frames = self._frames_of(number, {*begins, *order})
        is_blank = [not frames[row].any() and bool(_is_zero(scalars[row : row + 1])[0]) for row in order]
        return prove_join(
            ends_with_terminal=self.ends_with_terminal(before),
            blank_rows=is_blank.index(False) if False in is_blank else len(is_blank),
            padding=padding,
            black=self._black,
            frame=frames[last],
            first_frames=[frames[row] for row in begins],
        )

    def _frames_of(self, number: int, rows: set[int]) -> dict[int, np.ndarray]:
        """Returns some frames of a dump, after inflating it once."""
        found, start = {}, 0
        for block in self.unchecked_frames(Rows(number, 0, max(rows) + 1)):
            for row in rows & set(range(start, start + len(block))):
                found[row] = block[row - start].copy()
            start += len(block)
        return found

    def _is_certain(self, number: int) -> bool:
        return self._laps(number, self.header(number).capacity)[1]

    def _laps(self, number: int, rows: int) -> tuple[int, bool]:
        """Returns how many laps the ring had made when it was dumped, and whether that is certain.

        Numbers of dumps do not skip, so that each counts at least one lap more than the one before.
        """
        known = self._known_laps(rows)
        if number in known:
            return known[number], True
        before = max((each for each in known if each < number), default=None)
        if before is not None:
            least = known[before] + number - before
        elif number > 0 and 0 in self.numbers:
            least = self._laps(0, rows)[0] + number
        else:
            # Where the log begins there is padding; if not, a lap was skipped.
            begins = number > 0 or self._is_zero(Rows(0, 0, self.padding_rows(0)))
            least = number + (1 if begins else 2)
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
            blank[start:stop] &= ~block.any(axis=tuple(range(1, block.ndim)))
            start = stop
        padding = self.padding_rows(number)
        ends = np.flatnonzero(scalars["terminal"][: rows - 2]) + 1
        cursors = [int(end) for end in ends if not blank[end : min(end + padding, rows - 1)].all()]
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
            places = np.flatnonzero((block != other).any(axis=tuple(range(1, block.ndim))))
            last_difference = start + int(places[-1]) if len(places) else last_difference
            start += len(block)
        return rows - 2 - last_difference


def _as_bytes(scalars: np.ndarray) -> np.ndarray:
    """Returns the rows as bytes, so that NaN rewards compare equal."""
    return scalars.view(f"V{SCALARS.itemsize}")


def _is_zero(scalars: np.ndarray) -> np.ndarray:
    return np.asarray((scalars["action"] == 0) & (scalars["reward"] == 0) & (scalars["terminal"] == 0))
