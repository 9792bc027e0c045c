"""The result of verifying a dataset: what was checked, and everything that differs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from ..terminal.text_table import text_table


@dataclass(frozen=True)
class Difference:
    """Something that is not as it should be."""

    path: str
    """Path of the file in the repo, or what else it concerns."""
    message: str
    """What was found, what was expected, and what to do."""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


def some(paths: Sequence[str]) -> str:
    """Returns the first paths, and how many more there are."""
    return ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")


class Checked(Protocol):
    """What was checked of one game or run: a row of the report's table."""

    HEADINGS: ClassVar[tuple[str, ...]]

    @property
    def row(self) -> tuple[object, ...]:
        """The cells under HEADINGS."""
        ...


@dataclass(frozen=True)
class CheckedGame:
    """What was checked of one game."""

    HEADINGS: ClassVar[tuple[str, ...]] = (
        "game",
        "runs",
        "checkpoints",
        "episodes",
        "steps",
        "files",
        "MB",
        "configs",
    )

    game: str
    runs: int
    checkpoints: int
    episodes: int
    steps: int
    files: int
    bytes: int
    configs: int
    """Number of configs on the card."""

    @property
    def row(self) -> tuple[object, ...]:
        """The cells under HEADINGS."""
        counts = self.runs, self.checkpoints, self.episodes, self.steps, self.files
        return (self.game, *counts, self.bytes / 1e6, self.configs)


@dataclass(frozen=True)
class Verification:
    """Whether a dataset is correct; its text is what the command line prints."""

    address: str
    """A path or a URL."""
    depth: str
    """What was compared, and how thoroughly."""
    checked: Sequence[Checked]
    differences: Sequence[Difference]
    notes: Sequence[str]
    """Remarks that are worth printing but not differences."""

    @property
    def ok(self) -> bool:
        """Whether nothing differs."""
        return not self.differences

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        if self.checked:
            yield text_table(self.checked[0].HEADINGS, [each.row for each in self.checked])
        yield from (f"note: {note}" for note in self.notes)
        yield from map(str, self.differences)
        count = len(self.differences)
        verdict = "all is right" if self.ok else f"{count} difference{'s' * (count > 1)}"
        yield f"{verdict}: {self.address} ({self.depth})"


@dataclass(frozen=True)
class PlacesVerification:
    """Whether the datasets of games with their own places are correct."""

    place: str
    """The place as its user named it, for all of the games."""
    verifications: Sequence[Verification]
    notes: Sequence[str]
    """Remarks that concern no single game."""

    @property
    def ok(self) -> bool:
        """Whether nothing differs anywhere."""
        return all(each.ok for each in self.verifications)

    def __str__(self) -> str:
        blocks = map(str, self.verifications)
        return "\n\n".join([*blocks, "\n".join(self._summary())])

    def _summary(self) -> Iterator[str]:
        yield from (f"note: {note}" for note in self.notes)
        count, wrong = len(self.verifications), sum(not each.ok for each in self.verifications)
        verdict = f"all is right at {count} place{'s' * (count > 1)}"
        yield f"{f'differences at {wrong} of {count} places' if wrong else verdict}: {self.place}"
