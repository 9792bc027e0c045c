"""Finds at a destination what the pictures of a game show, and draws them."""

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from ..card.metadata import find_views
from ..card.pictures.contact_sheet import COLUMNS, ROWS, Moments
from ..card.pictures.coverage import Coverage
from ..card.pictures.draw import LEAST_BYTES, MOST_FRAMES, SHARE, Material, draw
from ..card.pictures.learning import Learning
from ..errors import OutputError
from ..format.arrow_columns import array_of_column, column_of_array
from ..format.frames import decode_frames
from ..format.games import Game
from ..format.manifest import Manifest
from ..format.numbers import spread
from ..repos.destination import Snapshot

MOST_CHECKPOINTS = 25
"""Checkpoints whose actions are counted, evenly spaced."""
VISITED_ROW_GROUPS = 256
"""Row groups of a world's shard whose visits are counted, evenly spaced."""
MOST_PATHS = 8
"""Episodes whose paths are drawn on one map."""
ROW_GROUPS = 4
"""Row groups of each whose actions are counted, evenly spaced: 8,192 steps."""


def draw_pictures(game: Game, manifests: Sequence[Manifest], snapshot: Snapshot) -> dict[str, bytes]:
    """Returns a game's pictures by name; none if its share of bytes has no room for any.

    Args:
        game: the game.
        manifests: those of all its checkpoints, by run and checkpoint.
        snapshot: where their files are; only the row groups that are shown are read.

    Raises:
        OutputError: a file is damaged, or cannot be read.
    """
    most_bytes = int(SHARE * sum(file.size for manifest in manifests for file in manifest.files()))
    if most_bytes < LEAST_BYTES:
        return {}
    try:
        return draw(find_material(game, manifests, snapshot), most_bytes)
    except (pa.ArrowException, Image.DecompressionBombError, OSError, ValueError, LookupError) as error:
        raise OutputError(
            f"{game}: its pictures cannot be drawn, since its files cannot be read ({error}); verify the "
            f"dataset, then render its card"
        ) from error


def find_material(game: Game, manifests: Sequence[Manifest], snapshot: Snapshot) -> Material:
    """Returns what a game's pictures show.

    Args:
        game: the game.
        manifests: those of all its checkpoints, by run and checkpoint.
        snapshot: where their files are.
    """
    returns: dict[int, dict[int, float]] = {}
    for each in manifests:
        if each.returns.mean is not None and not each.partial:
            returns.setdefault(each.run, {})[each.checkpoint] = each.returns.mean
    of_first_run = [
        each
        for each in manifests
        if each.run == manifests[0].run and not each.partial and each.step_counts.steps
    ]
    counted = [of_first_run[place] for place in spread(len(of_first_run), MOST_CHECKPOINTS)]
    shown = [counted[place].checkpoint for place in spread(len(counted), COLUMNS)]
    actions, moments = {}, []
    for manifest in counted:
        with _Shard(snapshot, manifest.shards[0].path) as shard:
            actions[manifest.checkpoint] = shard.count_actions(len(game.actions))
            if manifest.checkpoint in shown:
                moments.append(Moments(manifest.checkpoint, shard.find_moments()))
    best = _find_best_episode(game, manifests, snapshot)
    frames = [] if best is None else _read_frames(best, snapshot)
    coverage = _find_coverage(game, manifests, snapshot)
    return Material(Learning(returns, actions, game.actions), moments, frames, coverage)


class _Shard:
    """A published shard of which a few row groups are read."""

    def __init__(self, snapshot: Snapshot, path: str) -> None:
        self._file = pq.ParquetFile(pa.PythonFile(PublishedFile(snapshot, path)), pre_buffer=True)

    def __enter__(self) -> "_Shard":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def count_actions(self, count: int) -> NDArray[np.int64]:
        """Returns how often each of `count` actions was taken, in some row groups of the shard."""
        places = spread(self._file.num_row_groups, ROW_GROUPS)
        taken = self._file.read_row_groups(places, columns=["action"])["action"]
        return np.bincount(array_of_column(taken), minlength=count)

    def find_moments(self) -> list[NDArray[np.uint8]]:
        """Returns frames of the shard, evenly spaced."""
        rows = self._file.metadata.num_rows
        # Neither the first nor the last, where the screen may be blank.
        return [self.frames(row, 1, 1)[0] for row in spread(rows, ROWS + 2)[1:-1] or [rows // 2]]

    def frames(self, first: int, length: int, stride: int) -> list[NDArray[np.uint8]]:
        """Returns every `stride`-th frame of a range of rows."""
        found, start = [], 0
        for group in range(self._file.num_row_groups):
            end = start + self._file.metadata.row_group(group).num_rows
            wanted = np.arange(first, first + length, stride)
            wanted = wanted[(wanted >= start) & (wanted < end)] - start
            if len(wanted):
                column = self._file.read_row_group(group, columns=["observation"])["observation"]
                found += [*decode_frames(column.take(column_of_array(wanted, pa.int64())))]
            start = end
        return found

    def places(self, first: int, length: int, fields: tuple[int, int]) -> NDArray[np.int64]:
        """Returns where the player is in a range of rows, (length, 2)."""
        found, start = [], 0
        for group in range(self._file.num_row_groups):
            end = start + self._file.metadata.row_group(group).num_rows
            if start < first + length and first < end:
                table = self._file.read_row_group(group, columns=["player_x", "player_y"])
                place = _places_in(table, fields)
                found.append(place[max(0, first - start) : first + length - start])
            start = end
        return np.concatenate(found)

    def count_visits(self, fields: tuple[int, int]) -> NDArray[np.int64]:
        """Returns how often each field was visited, (rows, columns), in some row groups of the shard."""
        groups = spread(self._file.num_row_groups, VISITED_ROW_GROUPS)
        table = self._file.read_row_groups(groups, columns=["player_x", "player_y"])
        visits = np.zeros(fields[::-1], np.int64)
        np.add.at(visits, tuple(_places_in(table, fields).T[::-1]), 1)
        return visits


def _places_in(table: pa.Table, fields: tuple[int, int]) -> NDArray[np.int64]:
    """Returns the places of a player, (length, 2), after checking that they are on the map."""
    columns = [array_of_column(table[name]).astype(np.int64) for name in ("player_x", "player_y")]
    places = np.stack(columns, axis=1)
    if ((places < 0) | (places >= fields)).any():
        raise ValueError(f"a player is outside the map of {fields[0]}×{fields[1]} fields")
    return places


@dataclass(frozen=True)
class _Episode:
    """Where an episode's steps are."""

    file: str
    first_row: int
    length: int


def _find_best_episode(game: Game, manifests: Sequence[Manifest], snapshot: Snapshot) -> _Episode | None:
    """Returns the complete episode of the expert checkpoints with the highest return, the first of equals."""
    experts = [view for view in find_views(game, manifests) if view.config.view == "expert"]
    best: dict[str, Any] | None = None
    for view in experts:
        for of_run in view.runs.values():
            for manifest in of_run:
                path = manifest.episodes_table.path
                columns = ["return", "complete", "file", "first_row", "length"]
                with pq.ParquetFile(pa.PythonFile(PublishedFile(snapshot, path))) as file:
                    rows = file.read(columns=columns).to_pylist()
                for row in rows:
                    if row["complete"] and (best is None or row["return"] > best["return"]):
                        best = row
    return None if best is None else _Episode(best["file"], best["first_row"], best["length"])


def _read_frames(episode: _Episode, snapshot: Snapshot) -> list[NDArray[np.uint8]]:
    stride = -(-episode.length // MOST_FRAMES)
    with _Shard(snapshot, episode.file) as shard:
        return shard.frames(episode.first_row, episode.length, stride)


def _find_coverage(game: Game, manifests: Sequence[Manifest], snapshot: Snapshot) -> Coverage | None:
    """Returns where players went: the paths of episodes that share a map, and the visits of all."""
    mapped = [
        each
        for each in manifests
        if "player_x" in each.columns and "map" in each.episode_columns and each.step_counts.steps
    ]
    if not mapped or game.world is None:
        return None
    manifest = mapped[0]
    with pq.ParquetFile(pa.PythonFile(PublishedFile(snapshot, manifest.episodes_table.path))) as file:
        names = ["world_seed", "world_episode", "file", "first_row", "length"]
        rows = file.read(columns=names).to_pylist()
        places = _find_one_world(rows, manifest.shards[0].path)[:MOST_PATHS]
        ends = np.cumsum([file.metadata.row_group(each).num_rows for each in range(file.num_row_groups)])
        group = int(np.searchsorted(ends, places[0], "right"))
        first = int(ends[group]) - file.metadata.row_group(group).num_rows
        png = file.read_row_group(group, columns=["map"])["map"][places[0] - first].as_py()["bytes"]
    with _Shard(snapshot, manifest.shards[0].path) as shard:
        fields = game.world.fields
        paths = [shard.places(rows[place]["first_row"], rows[place]["length"], fields) for place in places]
        visits = shard.count_visits(fields)
    return Coverage(np.asarray(Image.open(io.BytesIO(png))), paths, visits, game.world.sight)


def _find_one_world(rows: Sequence[Mapping[str, Any]], file: str) -> list[int]:
    """Returns which rows are of the world that has the most episodes in a file."""
    worlds = {
        place: (row["world_seed"], row["world_episode"])
        for place, row in enumerate(rows)
        if row["file"] == file
    }
    ((most, _),) = Counter(worlds.values()).most_common(1)
    return [place for place, world in worlds.items() if world == most]


class PublishedFile(io.RawIOBase):
    """A file at a destination, of which only what is asked for is read."""

    def __init__(self, snapshot: Snapshot, path: str) -> None:
        size = snapshot.size(path)
        if size is None:
            raise OutputError(f"{path}: missing, though a manifest names it; publish this checkpoint again")
        self._snapshot, self._path, self._size, self._position = snapshot, path, size, 0

    def readable(self) -> bool:
        """Returns True."""
        return True

    def seekable(self) -> bool:
        """Returns True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position, and return it."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        """Returns the position."""
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Returns the next bytes."""
        end = self._size if size < 0 else min(self._position + size, self._size)
        if end <= self._position:
            return b""
        content = self._snapshot.read_range(self._path, self._position, end)
        self._position = end
        return content
