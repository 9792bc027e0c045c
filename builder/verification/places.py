"""Verifies what a user names: one dataset, or one for each game."""

from collections.abc import Callable, Sequence

from ..errors import OutputError
from ..format.games import Game
from ..repos.place import Place
from ..repos.repo_reader import NoDatasetError, RepoReader
from ..sources.source import Source
from .report import Difference, PlacesVerification, Verification
from .source import unseen_games
from .verify import verify


def verify_place(
    place: Place,
    *,
    source: Source | None = None,
    games: Sequence[Game] | None = None,
    quick: bool = False,
) -> Verification | PlacesVerification:
    """Check the dataset at a place, or those at the places of the games.

    With `{game}` in the place, each game's place is checked by itself, and must hold that game and no other.
    A named game that has no dataset there is a difference; so is a dataset that cannot be read.

    Args:
        place: where the datasets are.
        source: the source of what was published there, for comparison.
        games: the games to check; None means all that the place holds, or all whose own place has a dataset.
        quick: read no tables.

    Raises:
        OutputError: there is no dataset at all, or none of a named game, or the Hub does not answer.
    """

    def check(reader: RepoReader, home: Game | None) -> Verification:
        return verify(reader, source=source, games=games if home is None else None, quick=quick, home=home)

    return check_place(place, check, source=source, games=games)


def check_place(
    place: Place,
    check: Callable[[RepoReader, Game | None], Verification],
    *,
    source: Source | None,
    games: Sequence[Game] | None,
) -> Verification | PlacesVerification:
    """Check the dataset at a place, or those at the places of the games, as `verify_place` does.

    Args:
        place: where the datasets are.
        check: what to do with each; of a game's own place, the game is the second argument.
        source: the source of what was published there.
        games: the games to check.

    Raises:
        OutputError: there is no dataset at all, or none of a named game, or the Hub does not answer.
    """
    if not place.for_each_game:
        return check(place.reader(), None)
    checked: dict[Game, Verification] = {}
    empty: list[NoDatasetError] = []
    for game in place.find_games() if games is None else dict.fromkeys(games):
        try:
            checked[game] = check(place.of(game).reader(), game)
        except NoDatasetError as error:
            if games is None:
                empty.append(error)
            else:
                checked[game] = _not_checked(place, game, error)
        except OutputError as error:
            checked[game] = _not_checked(place, game, error)
    if not checked:
        raise OutputError(f"{place}: there is no dataset of any game ({empty[0]})")
    notes = [*map(str, empty), *(unseen_games(source, checked) if source else ())]
    return PlacesVerification(str(place), list(checked.values()), notes)


def _not_checked(place: Place, game: Game, error: OutputError) -> Verification:
    difference = Difference("…", f"not checked ({error})")
    return Verification(place.of(game).reader().address, "nothing was read", [], [difference], [])
