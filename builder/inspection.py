"""What a source holds, without reading its frames."""

from collections.abc import Iterator
from dataclasses import dataclass

from .errors import AtariReplayError
from .progress import progress_bar
from .run import Run, describe_numbers
from .source import Source
from .text_table import text_table

HEADINGS = ("game", "run", "checkpoints", "rows each", "MB", "origin", "remarks")


@dataclass(frozen=True)
class RunReport:
    """One run of a source."""

    game: str
    run: int
    checkpoints: str
    capacity: int | None
    megabytes: float | None
    origin: str
    remarks: tuple[str, ...]

    @property
    def row(self) -> tuple[object, ...]:
        """Cells under HEADINGS."""
        remarks = "; ".join(self.remarks) or "whole"
        return self.game, self.run, self.checkpoints, self.capacity, self.megabytes, self.origin, remarks


def inspect_source(source: Source) -> Iterator[RunReport]:
    """Report on each run, as it is looked at: its checkpoints, missing files, holes, and damage in headers.

    Raises:
        SourceError: the source cannot be listed.
    """
    runs = [(game, run) for game in source.games() for run in source.runs(game)]
    for game, run in progress_bar(runs, description="inspect", unit=" runs"):
        try:
            yield _inspect_run(source.open_run(game, run))
        except AtariReplayError as error:
            yield RunReport(game.name, run, "-", None, None, "-", (str(error),))


def _inspect_run(run: Run) -> RunReport:
    remarks = run.remarks()
    sizes = list(run.file_sizes().values())
    known = [size for size in sizes if size is not None]
    return RunReport(
        run.game.name,
        run.number,
        describe_numbers(run.checkpoints),
        run.capacity(),
        sum(known) / 1e6 if len(known) == len(sizes) else None,
        run.provenance.origin,
        tuple(remarks),
    )


def inspection_table(reports: list[RunReport]) -> str:
    """The reports as a table."""
    return text_table(HEADINGS, [report.row for report in reports])
