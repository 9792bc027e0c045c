"""Keeps the pictures of a published game up to date."""

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass

from ..card.pictures.names import PICTURES, picture_path
from ..card.sections import Section
from ..format.games import Game
from ..format.manifest import Manifest, name_of_data
from ..repos.destination import Snapshot
from ..repos.outgoing_file import OutgoingFile
from .pages import find_pictures
from .picture_material import draw_pictures

EDITION = 1
"""Raised when pictures of the same data come to look different."""

Drawn = MutableMapping[str, Mapping[str, bytes]]
"""Pictures that were drawn before, by the data that they show."""


@dataclass(frozen=True)
class PicturesChange:
    """What brings the pictures of a game up to date."""

    names: Sequence[str]
    """The names of the pictures that are there then."""
    source: str
    """Names the data that they show; empty without pictures."""
    writes: tuple[OutgoingFile, ...] = ()
    deletions: tuple[str, ...] = ()


def plan_pictures(
    game: Game,
    manifests: Sequence[Manifest],
    snapshot: Snapshot,
    section: Section | None,
    drawn: Drawn,
    *,
    anew: bool,
) -> PicturesChange:
    """Returns what brings the pictures of a game up to date with its data.

    Args:
        game: the game.
        manifests: those of all its checkpoints.
        snapshot: what the destination holds.
        section: what the card states of the game.
        drawn: the pictures that were drawn before; new ones are added.
        anew: whether to draw them again although they are up to date.

    Raises:
        OutputError: the game's data cannot be read.
    """
    there = tuple(find_pictures(snapshot, [game])[game])
    source = name_of_data(manifests, EDITION)
    if not anew and section and (section.drawn_from, section.pictures) == (source, there):
        return PicturesChange(there, source if there else "")
    if source not in drawn:
        drawn[source] = draw_pictures(game, manifests, snapshot)
    names = tuple(name for name in PICTURES if name in drawn[source])
    files = [
        OutgoingFile.of_bytes(picture_path(game, name), content) for name, content in drawn[source].items()
    ]
    return PicturesChange(
        names,
        source if names else "",
        tuple(file for file in files if not snapshot.holds(file)),
        tuple(picture_path(game, name) for name in there if name not in names),
    )
