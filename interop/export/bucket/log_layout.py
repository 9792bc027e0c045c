"""What the rows of the replay buffer's dumps hold: blank rows, and steps of episodes."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ....builder.format.protocol import PADDING_ROWS


class MisfitError(Exception):
    """The counts contradict the rules by which the ring was filled."""


@dataclass(frozen=True)
class Blank:
    """Rows that are zero in every array."""

    rows: int
    unknown: bool = False
    """What the file held there is not in the dataset."""

    def __len__(self) -> int:
        return self.rows

    def cut(self, start: int, stop: int) -> "Blank":
        """Returns rows start … stop - 1 of these."""
        return replace(self, rows=stop - start)


@dataclass(frozen=True)
class Steps:
    """Steps start … stop - 1 of one episode."""

    checkpoint: int
    """The one in which the episode began."""
    episode: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def cut(self, start: int, stop: int) -> "Steps":
        """Returns rows start … stop - 1 of these."""
        return replace(self, start=self.start + start, stop=self.start + stop)


Piece = Blank | Steps

EpisodeId = tuple[int, int]
"""The checkpoint in which an episode began, and its number there."""


def cut(pieces: Sequence[Piece], start: int, stop: int) -> list[Piece]:
    """Returns rows start … stop - 1 of consecutive pieces."""
    found: list[Piece] = []
    for piece in pieces:
        first, last = max(start, 0), min(stop, len(piece))
        if first < last:
            found.append(piece.cut(first, last))
        start, stop = start - len(piece), stop - len(piece)
    return found


@dataclass(frozen=True)
class FileLayout:
    """What the rows of one dump hold."""

    number: int
    capacity: int
    add_count: int
    rows: tuple[Piece, ...]
    """All but the last row, from row 0 on."""
    last_row: Piece
    remarks: tuple[str, ...] = ()
    """What could not be known, and how it was filled."""
    padding: int = PADDING_ROWS
    """Blank rows before each episode."""
    ended: tuple[EpisodeId, ...] = field(default=(), repr=False)
    """The episodes that end in what the file adds to the log, in order of play."""
    has_final_observations: bool = False
    """Whether it is known what was seen after each of them, and belongs to the log."""
    is_counted: bool = True
    """False where add_count rests on laps that are not there, taken to be as few as possible."""

    @property
    def invalid_range(self) -> range:
        """Rows around the cursor that Dopamine does not sample, before they are taken modulo the capacity."""
        cursor = self.add_count % self.capacity
        return range(cursor - 1, cursor + self.padding + 1)

    def __post_init__(self) -> None:
        found = sum(map(len, self.rows)) + len(self.last_row)
        if found != self.capacity:
            raise MisfitError(f"its {found:,} rows do not fill a ring of {self.capacity:,} rows")


@dataclass(frozen=True)
class LogLayout:
    """The dumps of one run."""

    files: dict[int, FileLayout] = field(default_factory=dict)
    left_out: dict[int, str] = field(default_factory=dict)
    """Checkpoints whose file cannot be written again, and why."""
