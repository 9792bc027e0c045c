"""What an export would write, and what it wrote; their texts are what the command line prints."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...builder.terminal.sizes import size_text
from ...builder.terminal.text_table import text_table


@dataclass(frozen=True)
class ExportedPart:
    """What an export writes of one run."""

    what: str
    """Game, view and run."""
    files: int | None
    """None where that is known only when it is read."""
    episodes: int | None
    """None where a form has no such thing."""
    rows: int
    size: float
    """Bytes; an estimate where nothing was written yet."""
    written: int = 0
    """Files that this export wrote; the others were there."""
    remarks: tuple[str, ...] = ()
    """What could not be exact or whole, and what was done about it."""
    record: Path | None = None
    """Where the remarks are kept."""

    @property
    def row(self) -> tuple[object, ...]:
        """Cells under HEADINGS."""
        return self.what, self.files, self.episodes, self.rows, self.size / 1e6


HEADINGS = ("what", "files", "episodes", "rows", "MB")

MOST_REMARKS = 12
"""That are printed for a part; all are in its record."""


@dataclass(frozen=True)
class ExportReport:
    """The outcome of an export, or its plan."""

    out: Path
    parts: Sequence[ExportedPart]
    dry_run: bool

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield text_table(HEADINGS, [part.row for part in self.parts])
        for part in self.parts:
            yield from (f"{part.what}: {remark}" for remark in part.remarks[:MOST_REMARKS])
            if more := part.remarks[MOST_REMARKS:]:
                where = (
                    f"see {part.record}" if part.record and not self.dry_run else "they go into its record"
                )
                yield f"{part.what}: {len(more)} more remarks; {where}"
        counts, size = [part.files for part in self.parts], sum(part.size for part in self.parts)
        files = "an unknown number of" if None in counts else sum(count or 0 for count in counts)
        if self.dry_run:
            yield f"would write {files} files, about {size_text(size)}: {self.out}"
        else:
            written = sum(part.written for part in self.parts)
            yield f"{written} of {files} files written, {size_text(size)} in all: {self.out}"
