"""What a source holds, without reading its frames."""

from collections.abc import Iterator
from dataclasses import dataclass

from .errors import AtariReplayError
from .progress import progress_bar
from .replay_log import Link, ReplayLog, describe_numbers
from .sources import LOG_ARRAYS, Source
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
            yield _inspect_run(ReplayLog(source, game, run))
        except AtariReplayError as error:
            yield RunReport(game.name, run, "-", None, None, "-", (str(error),))


def _inspect_run(log: ReplayLog) -> RunReport:
    paths = [path for files in log.files.checkpoints.values() for path in files.values()]
    sizes = [log.source.size(path) for path in paths]
    known = [size for size in sizes if size is not None]
    capacity, remarks = None, []
    for number in log.numbers:
        remarks += _missing_files(log, number)
    if not remarks:
        capacity = log.capacity
        remarks = list(_holes(log))
    return RunReport(
        log.game.name,
        log.run,
        describe_numbers(log.numbers),
        capacity,
        sum(known) / 1e6 if len(known) == len(sizes) else None,
        log.provenance.origin,
        tuple(remarks),
    )


def _missing_files(log: ReplayLog, number: int) -> list[str]:
    missing = [array for array in LOG_ARRAYS if array not in log.files.checkpoints[number]]
    return [f"checkpoint {number} lacks {', '.join(missing)}"] if missing else []


def _holes(log: ReplayLog) -> Iterator[str]:
    missing = sorted(set(range(log.numbers[-1])) - set(log.numbers))
    if missing:
        yield f"no checkpoint {describe_numbers(missing)}"
    for number in log.complete_numbers():
        if log.dump(number).link is Link.SKIPPED:
            yield f"a lap before checkpoint {number} was never dumped"
    for number in log.partial_numbers():
        yield f"checkpoint {number} is the final, partial dump"


def inspection_table(reports: list[RunReport]) -> str:
    """The reports as a table."""
    return text_table(HEADINGS, [report.row for report in reports])
