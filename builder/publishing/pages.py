"""The card, the pages of games and their pictures at a destination: what is there, and what to change."""

from collections.abc import Collection, Sequence

from ..card.card import Pictures, game_pages
from ..card.front_matter import check_readme
from ..card.pictures.names import PICTURES, picture_path
from ..format.games import Game
from ..format.layout import CARD, page_path
from ..format.manifest import Manifest
from ..repos.destination import Snapshot
from ..repos.outgoing_file import OutgoingFile


def find_pictures(snapshot: Snapshot, games: Collection[Game]) -> Pictures:
    """Returns the names of the games' pictures that are there."""
    return {game: [name for name in PICTURES if picture_path(game, name) in snapshot.paths] for game in games}


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
    """Returns the pages and pictures that are there of these games; people's own files are not among them."""
    paths = [path for game in games for path in (page_path(game.slug), *_picture_paths(game))]
    return tuple(path for path in paths if path in snapshot.paths)


def _picture_paths(game: Game) -> list[str]:
    return [picture_path(game, name) for name in PICTURES]


def card_file(card: bytes, where: str) -> OutgoingFile:
    """Returns the card as a file to write, after checking that `datasets` can read it.

    Raises:
        OutputError: it cannot, because of what people have written there.
    """
    check_readme(card.decode(), where)
    return OutgoingFile.of_bytes(CARD, card)
