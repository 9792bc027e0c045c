"""Keeps the preview of a published game up to date."""

import functools
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import OutputError
from ..format.games import Game
from ..format.manifest import Manifest, name_of_data
from ..format.preview import Preview, preview_path, preview_record_path
from ..repos.destination import Snapshot
from ..repos.outgoing_file import OutgoingFile
from ..shards.preview import EDITION, make_preview
from .pages import read_preview
from .picture_material import PublishedFile


def wanted_previews(games: Collection[Game], episodes: int | None) -> dict[Game, int]:
    """Returns the number of episodes that is asked for in the preview of each game.

    Worlds beyond Atari have none: their actions are not among ALE's 18, by which a preview numbers those of
    all games.

    Args:
        games: the games that are published.
        episodes: the number for each; None asks for nothing.

    Raises:
        OutputError: there is no Atari game among them.
    """
    if episodes is None:
        return {}
    wanted = {game: episodes for game in games if game.world is None}
    if games and episodes and not wanted:
        raise OutputError(
            f"{', '.join(map(str, games))}: has no preview, since its actions are not ALE's; leave --preview "
            f"out"
        )
    return wanted


@dataclass(frozen=True)
class PreviewChange:
    """What brings the preview of a game up to date."""

    preview: Preview | None
    """The record of the preview that is there then."""
    writes: tuple[OutgoingFile, ...] = ()
    deletions: tuple[str, ...] = ()


def plan_preview(
    game: Game, manifests: Sequence[Manifest], snapshot: Snapshot, wanted: int | None, *, anew: bool
) -> PreviewChange:
    """Returns what brings the preview of a game up to date with its data.

    Args:
        game: the game.
        manifests: those of all its checkpoints.
        snapshot: what the destination holds.
        wanted: the number of episodes; 0 means no preview, None as many as were asked for before.
        anew: whether to make it again although it is up to date.

    Raises:
        OutputError: the game's data, or the record of the preview that is there, cannot be read.
    """
    paths = preview_path(game), preview_record_path(game)
    there = None if wanted is not None and _is_damaged(snapshot, game) else read_preview(snapshot, game)
    most_episodes = wanted if wanted is not None or there is None else there.most_episodes
    if not most_episodes:
        return PreviewChange(None, deletions=tuple(path for path in paths if path in snapshot.paths))
    if not anew and there and _is_up_to_date(there, manifests, most_episodes, snapshot):
        return PreviewChange(there)
    try:
        preview, content = make_preview(
            game, manifests, most_episodes, functools.partial(_open_file, snapshot)
        )
    except (pa.ArrowException, OSError, ValueError, KeyError, IndexError) as error:
        raise OutputError(
            f"{game}: its preview cannot be made, since its files cannot be read ({error}); verify the "
            f"dataset, then render its card"
        ) from error
    record = OutgoingFile.of_bytes(paths[1], preview.to_json().encode())
    files = [record] if preview.file is None else [OutgoingFile.of_bytes(paths[0], content), record]
    return PreviewChange(
        preview,
        tuple(file for file in files if not snapshot.holds(file)),
        () if preview.file or paths[0] not in snapshot.paths else (paths[0],),
    )


def _is_damaged(snapshot: Snapshot, game: Game) -> bool:
    try:
        read_preview(snapshot, game)
    except OutputError:
        return True
    return False


def _is_up_to_date(
    preview: Preview, manifests: Sequence[Manifest], most_episodes: int, snapshot: Snapshot
) -> bool:
    expected = most_episodes, name_of_data(manifests, EDITION)
    if (preview.most_episodes, preview.drawn_from) != expected:
        return False
    file = preview.file
    return file is None or snapshot.holds(OutgoingFile(file.path, file.size, file.sha256, None))


def _open_file(snapshot: Snapshot, path: str) -> pq.ParquetFile:
    file = pa.PythonFile(PublishedFile(snapshot, path))
    return pq.ParquetFile(file, pre_buffer=True, page_checksum_verification=True)
