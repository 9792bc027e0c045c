"""What varies from one form of export to another."""

from abc import ABC, abstractmethod
from pathlib import Path

from ...builder.format.games import Game
from .report import ExportedPart
from .selection import Selection


class ExportFormat(ABC):
    """A form in which a dataset can be exported; its fields are its options."""

    def default_runs(self, game: Game) -> list[int] | None:
        """Returns the runs that are exported if none is named: all if None."""
        return None

    @abstractmethod
    def plan(self, selection: Selection, out: Path) -> ExportedPart:
        """Returns what would be written of a run, without writing anything.

        Raises:
            AtariReplayError: the run cannot be exported in this form.
        """

    @abstractmethod
    def write(self, selection: Selection, out: Path) -> ExportedPart:
        """Write what is not there yet of a run, and return what it is.

        Killed at any moment and called again, it goes on, and the result has the same bytes.

        Raises:
            AtariReplayError: the run cannot be exported in this form, or the folder holds something else.
        """
