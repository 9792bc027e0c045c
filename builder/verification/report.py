"""The result of verifying a dataset: what was checked, and all that differs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..terminal.text_table import text_table

HEADINGS = ("game", "runs", "checkpoints", "episodes", "steps", "files", "MB", "configs")


@dataclass(frozen=True)
class Difference:
    """Something that is not as it should be."""

    path: str
    """Of the file in the repo, or what else it is about."""
    message: str
    """What was found, what was expected, and what to do."""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


@dataclass(frozen=True)
class CheckedGame:
    """What was checked of one game."""

    game: str
    runs: int
    checkpoints: int
    episodes: int
    steps: int
    files: int
    bytes: int
    configs: int
    """On the card."""

    @property
    def row(self) -> tuple[object, ...]:
        """Cells under HEADINGS."""
        counts = self.runs, self.checkpoints, self.episodes, self.steps, self.files
        return (self.game, *counts, self.bytes / 1e6, self.configs)


@dataclass(frozen=True)
class Verification:
    """Whether a dataset is right; its text is what the command line prints."""

    address: str
    """A path or a URL."""
    depth: str
    """What the files were compared with."""
    games: Sequence[CheckedGame]
    differences: Sequence[Difference]
    notes: Sequence[str]
    """What is worth saying and not wrong."""

    @property
    def ok(self) -> bool:
        """Nothing differs."""
        return not self.differences

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        if self.games:
            yield text_table(HEADINGS, [game.row for game in self.games])
        yield from (f"note: {note}" for note in self.notes)
        yield from map(str, self.differences)
        count = len(self.differences)
        verdict = "all is right" if self.ok else f"{count} difference{'s' * (count > 1)}"
        yield f"{verdict}: {self.address} ({self.depth})"


@dataclass(frozen=True)
class PlacesVerification:
    """Whether the datasets of games that have a place each are right."""

    place: str
    """As its user named it, for all of them."""
    verifications: Sequence[Verification]
    notes: Sequence[str]
    """What concerns no single one."""

    @property
    def ok(self) -> bool:
        """Nothing differs anywhere."""
        return all(each.ok for each in self.verifications)

    def __str__(self) -> str:
        blocks = map(str, self.verifications)
        return "\n\n".join([*blocks, "\n".join(self._summary())])

    def _summary(self) -> Iterator[str]:
        yield from (f"note: {note}" for note in self.notes)
        count, wrong = len(self.verifications), sum(not each.ok for each in self.verifications)
        verdict = f"all is right at {count} place{'s' * (count > 1)}"
        yield f"{f'differences at {wrong} of {count} places' if wrong else verdict}: {self.place}"
