"""Keeps the pictures of published games up to date."""

import functools
import itertools
from collections.abc import Collection, Mapping, Sequence

import xxhash

from ..card.card import by_game, card_sections, merge_card
from ..card.front_matter import decode_readme
from ..card.pictures.names import PICTURES, picture_path
from ..errors import OutputError
from ..format.games import Game
from ..format.layout import CARD
from ..format.manifest import Manifest
from ..repos.destination import Change, Destination, Snapshot
from ..repos.outgoing_file import OutgoingFile
from .carry_out import Publication, carry_out
from .pages import card_file, changed_pages, find_pictures
from .picture_material import draw_pictures
from .published_manifests import published_manifests

COMMIT_GAMES = 20
"""Games whose pictures one commit adds, with their pages fewer than 100 files."""

EDITION = 1
"""Raised when pictures of the same data come to look different."""


def drawn_from(manifests: Sequence[Manifest]) -> str:
    """Returns a name of the data that a game's pictures show, in hexadecimal."""
    digest = xxhash.xxh3_64(str(EDITION).encode())
    for manifest in sorted(manifests, key=lambda manifest: manifest.id):
        for file in manifest.files():
            digest.update(f" {file.path} {file.sha256}".encode())
    return digest.hexdigest()


def add_pictures(
    destination: Destination, games: Collection[Game], *, anew: bool = False
) -> Publication | None:
    """Draw the pictures of games whose data has changed since they were drawn, and let the card name them.

    They follow from the published data alone, so the order of publications does not show. A game whose data
    is too small has none.

    Args:
        destination: the published dataset.
        games: the games.
        anew: draw all of them; the same library versions give the same bytes.

    Returns:
        What was done; None without games.

    Raises:
        OutputError: the data cannot be read, or the destination cannot be written.
    """
    drawn: dict[str, Mapping[str, bytes]] = {}
    failures: dict[Game, OutputError] = {}
    done: Publication | None = None
    ordered = sorted(games, key=str)
    for start in range(0, len(ordered), COMMIT_GAMES):
        batch = ordered[start : start + COMMIT_GAMES]
        later = carry_out(functools.partial(_plan, destination, drawn, failures, anew), destination, batch)
        done = done.followed_by(later) if done else later
    for error in failures.values():
        raise error
    return done


def _plan(
    destination: Destination,
    drawn: dict[str, Mapping[str, bytes]],
    failures: dict[Game, OutputError],
    anew: bool,
    snapshot: Snapshot,
) -> Change:
    """Returns the change that brings the pictures of the snapshot's games up to date.

    Args:
        destination: the published dataset.
        drawn: the pictures that were drawn before, by what they show; new ones are added.
        failures: receives the games whose data cannot be read; they keep the pictures that they have.
        anew: whether to draw also those that are up to date.
        snapshot: what the destination holds.
    """
    present = snapshot.read(CARD)
    manifests = by_game(published_manifests(snapshot, destination))
    if present is None or not manifests:
        return Change("Draw no pictures", (), None, None)
    text = decode_readme(present, destination.address)
    sections = card_sections(text)
    pictures = dict(find_pictures(snapshot, manifests))
    sources, writes, deletions = {}, [], []
    for game, of_game in manifests.items():
        source, section = drawn_from(of_game), sections.get(game)
        is_drawn = section and (section.drawn_from, section.pictures) == (source, tuple(pictures[game]))
        if anew or not is_drawn:
            if source not in drawn:
                try:
                    drawn[source] = draw_pictures(game, of_game, snapshot)
                except OutputError as error:
                    failures[game] = error
                    continue
            files = [
                OutgoingFile.of_bytes(picture_path(game, name), content)
                for name, content in drawn[source].items()
            ]
            writes += [file for file in files if not snapshot.holds(file)]
            deletions += [picture_path(game, name) for name in pictures[game] if name not in drawn[source]]
            pictures[game] = [name for name in PICTURES if name in drawn[source]]
        sources[game] = source if pictures[game] else ""
    all_manifests = [*itertools.chain(*manifests.values())]
    card = merge_card(
        text, all_manifests, pictures=pictures, drawn_from=sources, repo_id=destination.name_on_hub
    ).encode()
    return Change(
        summary=f"Draw pictures of {', '.join(game.slug for game in manifests)}",
        checkpoints=(),
        card=None if card == present else card_file(card, destination.address),
        interim_card=None,
        pages=(*writes, *changed_pages(snapshot, all_manifests, pictures)),
        page_deletions=tuple(deletions),
    )
