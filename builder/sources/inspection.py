"""Reports what a source holds, without reading its frames."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..errors import AtariReplayError
from ..format.games import Game
from ..format.numbers import describe_numbers
from ..network.at_once import at_once
from ..terminal.progress import progress_bar
from ..terminal.text_table import text_table
from .run import Run
from .source import Source

HEADINGS = ("game", "run", "checkpoints", "rows each", "MB", "origin", "remarks")


@dataclass(frozen=True)
class RunReport:
    """A report on one run of a source."""

    game: str
    run: int
    checkpoints: str
    capacity: int | None
    megabytes: float | None
    origin: str
    remarks: tuple[str, ...]

    @property
    def row(self) -> tuple[object, ...]:
        """The table cells for this run, in the order of HEADINGS."""
        remarks = "; ".join(self.remarks) or "whole"
        return self.game, self.run, self.checkpoints, self.capacity, self.megabytes, self.origin, remarks


RUNS_AT_ONCE = 4
"""Runs inspected concurrently: most of the time is spent waiting for a store's answers."""


def inspect_source(source: Source, games: Sequence[Game] | None = None) -> Iterator[RunReport]:
    """Yield a report on each run: its checkpoints, missing files, gaps, and damaged headers.

    Args:
        source: the source to inspect.
        games: the games to include; all games in the source if None.

    Raises:
        SourceError: the source cannot be listed, or does not contain a game.
    """
    found = [(game, run) for game in games or source.games() for run in source.runs(game)]
    reports = at_once(lambda place: _inspect(source, *place), found, RUNS_AT_ONCE)
    yield from progress_bar(reports, description="inspect", unit=" runs", total=len(found))


def _inspect(source: Source, game: Game, run: int) -> RunReport:
    try:
        return _report_on(source.open_run(game, run))
    except AtariReplayError as error:
        return RunReport(game.name, run, "-", None, None, "-", (str(error),))


def _report_on(run: Run) -> RunReport:
    remarks = run.remarks()
    stored = run.stored_bytes()
    return RunReport(
        run.game.name,
        run.number,
        describe_numbers(run.checkpoints),
        run.capacity(),
        None if stored is None else stored / 1e6,
        run.provenance.origin,
        tuple(remarks),
    )


def inspection_table(reports: list[RunReport]) -> str:
    """Returns the reports as a text table."""
    return text_table(HEADINGS, [report.row for report in reports])
