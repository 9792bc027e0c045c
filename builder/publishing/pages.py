"""The card, the pages of games and their pictures at a destination: what is there, and what to change."""

import contextlib
from collections.abc import Collection, Sequence

from ..card.card import Pictures, game_pages
from ..card.front_matter import check_readme
from ..card.pictures.names import PICTURES, paths_beside_data, picture_path
from ..errors import OutputError
from ..format.games import Game
from ..format.layout import CARD
from ..format.manifest import Manifest
from ..format.preview import Preview, preview_record_path
from ..repos.destination import Snapshot
from ..repos.outgoing_file import OutgoingFile


def find_pictures(snapshot: Snapshot, games: Collection[Game]) -> Pictures:
    """Returns the names of the games' pictures that are there."""
    return {game: [name for name in PICTURES if picture_path(game, name) in snapshot.paths] for game in games}


def find_previews(snapshot: Snapshot, games: Collection[Game]) -> dict[Game, Preview]:
    """Returns the records of the games' previews that are there whole; damaged ones are left out."""
    found = {}
    for game in games:
        with contextlib.suppress(OutputError):
            preview = read_preview(snapshot, game)
            if preview is not None and is_whole(preview, snapshot):
                found[game] = preview
    return found


def read_preview(snapshot: Snapshot, game: Game) -> Preview | None:
    """Returns the record of a game's preview; None if there is none.

    Raises:
        OutputError: it is damaged.
    """
    path = preview_record_path(game)
    content = snapshot.read(path) if path in snapshot.paths else None
    return None if content is None else Preview.from_json(content, game, path)


def is_whole(preview: Preview, snapshot: Snapshot) -> bool:
    """Returns whether the preview's file is there, as far as its size shows."""
    return preview.file is None or snapshot.size(preview.file.path) == preview.file.size


def changed_pages(
    snapshot: Snapshot, manifests: Sequence[Manifest], pictures: Pictures
) -> tuple[OutgoingFile, ...]:
    """Returns the pages that are missing or different.

    Args:
        snapshot: what the destination holds of the games.
        manifests: those of all checkpoints that it will hold of them.
        pictures: the names of the pictures that it will hold.
    """
    pages = [
        OutgoingFile.of_bytes(path, text.encode()) for path, text in game_pages(manifests, pictures).items()
    ]
    return tuple(page for page in pages if not snapshot.holds(page))


def files_beside_data(snapshot: Snapshot, games: Collection[Game]) -> tuple[str, ...]:
    """Returns the pages, pictures and previews that are there of these games, without people's own files."""
    paths = [path for game in games for path in paths_beside_data(game)]
    return tuple(path for path in paths if path in snapshot.paths)


def card_file(card: bytes, where: str) -> OutgoingFile:
    """Returns the card as a file to write, after checking that `datasets` can read it.

    Raises:
        OutputError: it cannot, because of what people have written there.
    """
    check_readme(card.decode(), where)
    return OutgoingFile.of_bytes(CARD, card)
