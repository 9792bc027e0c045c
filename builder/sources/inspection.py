"""Reports what a source holds, without reading its frames."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import AtariReplayError, MissingGameError, SourceError
from ..format.games import Game
from ..format.numbers import describe_numbers
from ..network.at_once import at_once
from ..terminal.progress import progress_bar
from ..terminal.text_table import text_table
from .run import Run
from .source import Source

HEADINGS = ("game", "run", "checkpoints", "rows each", "MB", "origin", "remarks")
UNKNOWN = "-"


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
    def is_readable(self) -> bool:
        """Whether anything is known of the run's checkpoints."""
        return self.checkpoints != UNKNOWN

    @property
    def row(self) -> tuple[object, ...]:
        """The table cells for this run, in the order of HEADINGS."""
        remarks = "; ".join(self.remarks) or "whole"
        return self.game, self.run, self.checkpoints, self.capacity, self.megabytes, self.origin, remarks


RUNS_AT_ONCE = 4
"""Runs inspected concurrently: most of the time is spent waiting for a store's answers."""
LINES_NOT_TAKEN = 40
"""Lines that are shown of what was not taken."""


@dataclass(frozen=True)
class Inspection:
    """What a source holds, and what it was not taken for; its text is what the command line prints."""

    runs: Sequence[RunReport]
    not_taken: Sequence[str]
    """A line for each folder of which something is not read."""

    @property
    def ok(self) -> bool:
        """Whether any run can be read."""
        return any(report.is_readable for report in self.runs)

    def __str__(self) -> str:
        lines = [f"not taken: {line}" for line in self.not_taken[:LINES_NOT_TAKEN]]
        if len(self.not_taken) > LINES_NOT_TAKEN:
            lines.append(f"not taken: {len(self.not_taken) - LINES_NOT_TAKEN} more folders")
        return "\n".join([text_table(HEADINGS, [report.row for report in self.runs]), *lines])


def inspect_source(source: Source, games: Sequence[Game]) -> Inspection:
    """Report on each run: its checkpoints, missing files, gaps, and damaged headers.

    Args:
        source: the source to inspect.
        games: the games to include.

    Raises:
        SourceError: the source cannot be listed, does not contain a game, or holds no run.
    """
    found, not_taken = [], source.not_taken(games)
    for game in games:
        try:
            found += [(game, run) for run in source.runs(game)]
        except MissingGameError:
            raise
        except SourceError as error:
            not_taken.append(str(error))
    if not found:
        names = ", ".join(map(str, games))
        raise SourceError("; ".join([f"{source.describe()}: holds no runs of {names}", *not_taken[:5]]))
    reports = at_once(lambda place: _inspect(source, *place), found, RUNS_AT_ONCE)
    shown = progress_bar(reports, description="inspect", unit=" runs", total=len(found))
    return Inspection(tuple(shown), tuple(not_taken))


def _inspect(source: Source, game: Game, run: int) -> RunReport:
    try:
        return _report_on(source.open_run(game, run))
    except AtariReplayError as error:
        return RunReport(game.name, run, UNKNOWN, None, None, UNKNOWN, (str(error),))


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
