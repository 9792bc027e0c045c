"""Changes to a published dataset that add no data: removing games, or rendering its card again."""

import functools
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from ..card.card import games_on_card, render_card
from ..card.front_matter import decode_readme
from ..card.licenses import check_license
from ..errors import OutputError
from ..format.checkpoint_id import CheckpointId
from ..format.games import Game
from ..format.layout import CARD, DATA_FOLDERS, split_name
from ..repos.destination import Change, CheckpointChange, Destination, Snapshot
from ..repos.place import Place
from ..repos.repo_folder import manifests_first
from .beside_data import NO_PREVIEWS, update_beside_data
from .carry_out import Publication, carry_out
from .pages import card_file, changed_pages, files_beside_data, find_pictures, find_previews
from .published_manifests import published_manifests

REMOVALS = 1000
"""Number of files that one commit deletes."""


def remove_games(
    games: Collection[Game],
    destination: Destination,
    *,
    runs: Collection[int] | None = None,
    dry_run: bool = False,
) -> Publication:
    """Remove games from a published dataset.

    The card stops mentioning them before their files are deleted. After an interruption, run it again to
    finish. What people have put into the games' folders stays, and so does the Hub's history of the repo.

    Args:
        games: the games to remove.
        destination: the folder or repo to change.
        runs: remove only these runs; None removes the games altogether.
        dry_run: only report what would be done.

    Raises:
        OutputError: the destination or its card cannot be read or changed.
    """
    _require_dataset(destination)
    return _remove(games, destination, runs, dry_run=dry_run)


def render_cards(
    destination: Destination,
    *,
    license: str | None = None,
    redraw: bool = True,
    previews: Mapping[Game, int] = NO_PREVIEWS,
    dry_run: bool = False,
) -> Publication:
    """Render the card, the games' pages, pictures and previews again from the data, which is not touched.

    What people have written on the card stays. A game without data is removed from the card.

    Args:
        destination: the folder or repo to change.
        license: the license for the card to name, as the Hub spells it; None keeps what the card names.
        redraw: draw also the pictures of data that has not changed since.
        previews: the number of episodes of a game in the config `preview`; others keep what they have.
        dry_run: only report what would be done, without the pictures.

    Raises:
        UnknownNameError: the Hub knows no such license.
        OutputError: the destination, a manifest or the card cannot be read or changed.
    """
    if license is not None:
        check_license(license)
    games = _find_games(destination)
    if not games:
        raise _no_dataset(destination.address)
    return _render_card(games, destination, license, redraw=redraw, previews=previews, dry_run=dry_run)


@dataclass(frozen=True)
class Editing:
    """What was done at one place or several; its text is what the command line prints."""

    publications: Sequence[Publication]

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.publications))


def remove_at(
    place: Place, games: Collection[Game], *, runs: Collection[int] | None = None, dry_run: bool = False
) -> Editing:
    """Remove games from the dataset at a place, or each from its own, as `remove_games` does.

    Nothing is removed unless all the places exist.

    Args:
        place: where the datasets are.
        games: the games to remove.
        runs: remove only these runs; None removes the games altogether.
        dry_run: only report what would be done.

    Raises:
        OutputError: a place holds no dataset, or it or its card cannot be read or changed.
    """
    destinations = place.destinations(games)
    places = list(dict.fromkeys(destinations.values()))
    for destination in places:
        _require_dataset(destination)
    return Editing(
        [
            _remove(
                [game for game in destinations if destinations[game] is destination],
                destination,
                runs,
                dry_run=dry_run,
            )
            for destination in places
        ]
    )


def render_at(place: Place, *, license: str | None = None, dry_run: bool = False) -> Editing:
    """Render the card of the dataset at a place again, or the cards of all games that have their own place.

    Args:
        place: where the datasets are.
        license: the license for the cards to name, as the Hub spells it; None keeps what each names.
        dry_run: only report what would be done.

    Raises:
        UnknownNameError: the Hub knows no such license.
        OutputError: there is no dataset, or one, a manifest or a card cannot be read or changed.
    """
    if not place.for_each_game:
        return Editing([render_cards(place.single(), license=license, dry_run=dry_run)])
    if license is not None:
        check_license(license)
    there = {each: _find_games(each) for each in place.destinations(place.find_games()).values()}
    if not any(there.values()):
        raise _no_dataset(str(place))
    return Editing(
        [
            _render_card(games, destination, license, redraw=True, dry_run=dry_run)
            for destination, games in there.items()
            if games
        ]
    )


def _require_dataset(destination: Destination) -> None:
    """Raise an error if there is no dataset; one whose games were all removed is enough."""
    if not destination.games() and destination.snapshot(()).read(CARD) is None:
        raise _no_dataset(destination.address)


def _no_dataset(where: str) -> OutputError:
    return OutputError(f"{where}: holds no dataset that this tool wrote; is the name right?")


def _find_games(destination: Destination) -> list[Game]:
    """Returns the games that are there, and those that the card mentions."""
    card = destination.snapshot(()).read(CARD)
    told = [] if card is None else games_on_card(decode_readme(card, destination.address))
    return list(dict.fromkeys([*destination.games(), *told]))


def _remove(
    games: Collection[Game], destination: Destination, runs: Collection[int] | None, *, dry_run: bool
) -> Publication:
    plan = functools.partial(_plan_removal, games, runs, destination, None if dry_run else REMOVALS)
    done = last = carry_out(plan, destination, games, dry_run=dry_run)
    while len(last.deleted) >= REMOVALS and not dry_run:
        last = carry_out(plan, destination, games)
        done = done.followed_by(last)
    if dry_run or runs is None:
        return done
    beside = update_beside_data(destination, games, snapshot=last.snapshot)
    return done.followed_by(beside) if beside else done


def _render_card(
    games: Collection[Game],
    destination: Destination,
    license: str | None,
    *,
    redraw: bool,
    previews: Mapping[Game, int] = NO_PREVIEWS,
    dry_run: bool,
) -> Publication:
    plan = functools.partial(_render, games, license, destination)
    done = carry_out(plan, destination, games, dry_run=dry_run)
    if dry_run:
        return done
    beside = update_beside_data(destination, games, anew=redraw, previews=previews, snapshot=done.snapshot)
    return done.followed_by(beside) if beside else done


def _plan_removal(
    games: Collection[Game],
    runs: Collection[int] | None,
    destination: Destination,
    most: int | None,
    snapshot: Snapshot,
) -> Change:
    some_games = "|".join(re.escape(game.slug) for game in games)
    some_runs = r"run_\d+" if runs is None else "|".join(map(split_name, runs))
    # Including leftovers of an interrupted publication.
    place = re.compile(rf"({'|'.join(DATA_FOLDERS)})/({some_games})/({some_runs})/checkpoint_\d\d([./].*)?")
    gone = manifests_first(filter(place.fullmatch, snapshot.paths))
    removed = set(filter(None, map(CheckpointId.of_manifest, gone)))
    rendered = _render(games, None, destination, snapshot, without=removed)
    of_runs = "" if runs is None else f", runs {', '.join(map(str, sorted(runs)))}"
    return replace(
        rendered,
        summary=f"Remove {', '.join(game.slug for game in games)}{of_runs}",
        checkpoints=(CheckpointChange((), tuple(gone[:most]), None),) if gone else (),
        interim_card=rendered.card,
    )


def _render(
    games: Collection[Game],
    license: str | None,
    destination: Destination,
    snapshot: Snapshot,
    *,
    without: Collection[CheckpointId] = (),
) -> Change:
    """Returns the change of the card and the games' pages, without the checkpoints `without`."""
    present = snapshot.read(CARD)
    manifests = published_manifests(snapshot, destination, without=without)
    there = {manifest.find_game() for manifest in manifests}
    gone = files_beside_data(snapshot, [game for game in games if game not in there])
    if present is None and not manifests:
        return Change("Render the card", (), None, None, page_deletions=gone)
    text = None if present is None else decode_readme(present, destination.address)
    name, pictures = destination.name_on_hub, find_pictures(snapshot, there)
    previews = find_previews(snapshot, there)
    card = render_card(
        text, games, manifests, pictures=pictures, previews=previews, license=license, repo_id=name
    ).encode()
    return Change(
        summary="Render the card",
        checkpoints=(),
        card=None if card == present else card_file(card, destination.address),
        interim_card=None,
        pages=changed_pages(snapshot, manifests, pictures),
        page_deletions=gone,
    )
