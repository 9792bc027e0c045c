"""Gives runs of a source other numbers, so that runs of several sources fit into one dataset."""

from collections.abc import Iterable, Mapping, Sequence

from ..errors import SourceError, UnknownNameError
from ..format.configs import LARGEST_NUMBER
from ..format.games import Game
from .run import Run
from .source import Source


def parse_run_numbers(text: str) -> dict[int, int]:
    """Parse `1:3,2:4`: run 1 becomes run 3, and run 2 run 4.

    Raises:
        UnknownNameError: `text` does not have this form, or names a run twice.
    """
    pairs = [part.strip().partition(":") for part in text.split(",")]
    if not all(old.isdecimal() and new.isdecimal() for old, _, new in pairs):
        raise UnknownNameError(f"cannot read runs {text!r}: expected pairs of numbers such as 1:3,2:4")
    numbers = {int(old): int(new) for old, _, new in pairs}
    if len(set(numbers.values())) < len(pairs) or len(numbers) < len(pairs):
        raise UnknownNameError(f"runs {text!r}: a run is named twice; expected pairs such as 1:3,2:4")
    if not all(1 <= number <= LARGEST_NUMBER for number in numbers.values()):
        raise UnknownNameError(f"runs {text!r}: expected new numbers from 1 to {LARGEST_NUMBER}")
    return numbers


class RenumberedSource(Source):
    """A source whose runs have other numbers.

    Args:
        source: the source.
        numbers: for each run that gets another number, the new one; the others keep theirs.
    """

    def __init__(self, source: Source, numbers: Mapping[int, int]) -> None:
        self._source, self._numbers = source, numbers

    @property
    def is_nameless(self) -> bool:
        """Whether nothing names the game of the source's files."""
        return self._source.is_nameless

    def describe(self) -> str:
        """Returns the source's location for messages."""
        return self._source.describe()

    def games(self) -> list[Game]:
        """Returns the games in the source."""
        return self._source.games()

    def runs(self, game: Game) -> list[int]:
        """Returns the new numbers of a game's runs.

        Raises:
            SourceError: the source does not hold the game, or two runs would have one number.
        """
        return sorted(self._old_numbers(game))

    def open_run(self, game: Game, run: int) -> Run:
        """Open one run by its new number."""
        found = self._old_numbers(game)
        if run not in found:
            runs = ", ".join(map(str, sorted(found))) or "none"
            raise UnknownNameError(f"{self.describe()}: no run {run} of {game}; as renumbered it has {runs}")
        opened = self._source.open_run(game, found[run])
        opened.number = run
        return opened

    def fingerprint(self, game: Game, runs: Iterable[int]) -> str:
        """Returns a string that changes when a file of these runs, or their number, does."""
        found = self._old_numbers(game)
        pairs = sorted((found.get(run, run), run) for run in runs)
        return f"{self._source.fingerprint(game, [old for old, _ in pairs])} {pairs}"

    def not_taken(self, games: Sequence[Game]) -> list[str]:
        """Returns a line for each folder of which something is not read."""
        return self._source.not_taken(games)

    def _old_numbers(self, game: Game) -> dict[int, int]:
        """Returns the source's number of each run, by the new number."""
        found: dict[int, int] = {}
        for old in self._source.runs(game):
            new = self._numbers.get(old, old)
            if new in found:
                raise SourceError(
                    f"{self.describe()}: runs {found[new]} and {old} of {game} would both be run {new}; give "
                    f"each a number of its own"
                )
            found[new] = old
        return found
