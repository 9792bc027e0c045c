"""Changes to a published dataset that bring no new data: games leave it, or its card is written anew."""

import functools
import re
from collections.abc import Collection

from .built_folder import RepoFile
from .card import games_on_card, render_card
from .destinations import Change, CheckpointChange, Destination, Snapshot
from .errors import OutputError
from .front_matter import decode_readme
from .games import Game
from .layout import CARD, split_name
from .licenses import check_license
from .publication import Publication, carry_out
from .published_manifests import published_manifests

REMOVALS = 1000
"""Files that one commit deletes."""


def remove_games(
    games: Collection[Game],
    destination: Destination,
    *,
    runs: Collection[int] | None = None,
    dry_run: bool = False,
) -> Publication:
    """Take games out of a published dataset.

    The card ceases to tell of them before their files go. Run again after an interruption, it goes on. What
    people have put into the games' folders stays, and so does what the Hub keeps in a repo's history.

    Args:
        games: which.
        destination: the folder or repo.
        runs: only these runs of them; None removes the games altogether.
        dry_run: only tell what would be done.

    Raises:
        OutputError: the destination or its card cannot be read or changed.
    """
    if not destination.games() and destination.snapshot(()).read(CARD) is None:
        raise OutputError(f"{destination.address}: holds no dataset of ours; is the name right?")
    plan = functools.partial(_plan_removal, games, runs, destination, None if dry_run else REMOVALS)
    done = last = carry_out(plan, destination, games, dry_run=dry_run)
    while len(last.deleted) == REMOVALS and not dry_run:
        last = carry_out(plan, destination, games)
        done = done.followed_by(last)
    return done


def render_cards(
    destination: Destination, *, license: str | None = None, dry_run: bool = False
) -> Publication:
    """Write the card of a published dataset anew from its manifests; the data is not touched.

    What people have written on the card stays. A game of which there is no data leaves the card.

    Args:
        destination: the folder or repo.
        license: what the card is to name, as the Hub spells it; None keeps what the card says.
        dry_run: only tell what would be done.

    Raises:
        UnknownNameError: the Hub knows no such license.
        OutputError: the destination, a manifest or the card cannot be read or changed.
    """
    if license is not None:
        check_license(license)
    card = destination.snapshot(()).read(CARD)
    told = [] if card is None else games_on_card(decode_readme(card, destination.address))
    games = list(dict.fromkeys([*destination.games(), *told]))
    if not games:
        raise OutputError(f"{destination.address}: holds no dataset of ours; is the name right?")
    plan = functools.partial(_plan_card, games, license, destination)
    return carry_out(plan, destination, games, dry_run=dry_run)


def _plan_removal(
    games: Collection[Game],
    runs: Collection[int] | None,
    destination: Destination,
    most: int | None,
    snapshot: Snapshot,
) -> Change:
    some_games = "|".join(re.escape(game.slug) for game in games)
    some_runs = r"run_\d+" if runs is None else "|".join(map(split_name, runs))
    # Leftovers of an interrupted publication, too.
    place = re.compile(rf"(data|episodes)/({some_games})/({some_runs})/checkpoint_\d\d([./].*)?")
    gone = sorted(filter(place.fullmatch, snapshot.paths))
    card = _render(games, None, destination, snapshot, without=gone)
    of_runs = "" if runs is None else f", runs {', '.join(map(str, sorted(runs)))}"
    return Change(
        summary=f"Remove {', '.join(game.slug for game in games)}{of_runs}",
        checkpoints=(CheckpointChange((), tuple(gone[:most]), None),) if gone else (),
        card=card,
        interim_card=card,
    )


def _plan_card(
    games: Collection[Game], license: str | None, destination: Destination, snapshot: Snapshot
) -> Change:
    card = _render(games, license, destination, snapshot)
    return Change(summary="Render the card", checkpoints=(), card=card, interim_card=None)


def _render(
    games: Collection[Game],
    license: str | None,
    destination: Destination,
    snapshot: Snapshot,
    *,
    without: Collection[str] = (),
) -> RepoFile | None:
    """The card that tells of the games' checkpoints but for the paths `without`; None if it is so already."""
    present = snapshot.read(CARD)
    manifests = published_manifests(snapshot, destination, without=without)
    if present is None and not manifests:
        return None
    text = None if present is None else decode_readme(present, destination.address)
    name = destination.name_on_hub
    card = render_card(text, games, manifests, license=license, repo_id=name).encode()
    return None if card == present else RepoFile.of_bytes(CARD, card)
