"""Makes the preview of a game: a few short, complete episodes, copied out of its shards."""

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..format.actions import FULL_ACTIONS
from ..format.arrow_columns import column_of_array
from ..format.features import preview_features
from ..format.games import Game
from ..format.manifest import Manifest, ParquetRecord, name_of_data
from ..format.numbers import spread
from ..format.preview import MOST_STEPS, Preview, PreviewEpisode, preview_path
from .settings import parquet_writer
from .steps import TABLE_ROWS

EDITION = 2
"""Raised when other episodes come to be chosen from the same data."""

OpenFile = Callable[[str], AbstractContextManager[pq.ParquetFile]]
"""Opens a Parquet file of the dataset by its path in the repo."""


def make_preview(
    game: Game, manifests: Sequence[Manifest], most_episodes: int, open_file: OpenFile
) -> tuple[Preview, bytes]:
    """Returns a game's preview and the content of its file, empty if no episode is chosen.

    Args:
        game: the game.
        manifests: those of all its checkpoints.
        most_episodes: the number of episodes to choose.
        open_file: opens the game's files; only the row groups that are needed are read.

    Raises:
        ValueError: a file does not hold what its manifest says.
    """
    episodes = choose_episodes(manifests, most_episodes, open_file)
    content = b""
    if episodes:
        file = pa.BufferOutputStream()
        with parquet_writer(file, preview_features().arrow_schema) as writer:
            for table in preview_tables(game, episodes, open_file):
                writer.write_table(table)
        content = file.getvalue().to_pybytes()
    rows = sum(episode.length for episode in episodes)
    sha256 = hashlib.sha256(content).hexdigest()
    record = ParquetRecord(preview_path(game), len(content), sha256, rows) if episodes else None
    drawn_from = name_of_data(manifests, EDITION)
    return Preview(game.name, most_episodes, drawn_from, tuple(episodes), record), content


def choose_episodes(
    manifests: Sequence[Manifest], most_episodes: int, open_file: OpenFile, most_steps: int = MOST_STEPS
) -> list[PreviewEpisode]:
    """Returns the shortest complete episodes of checkpoints that are evenly spaced.

    They go from the first checkpoint to the last; those without a complete episode do not count. Each gives
    one episode, whatever its run, or several if there are fewer checkpoints than episodes to choose. Of
    episodes of one length, the first in order of run and play is taken. If these have too many steps
    together, the longest are left out.

    Args:
        manifests: those of all checkpoints of a game.
        most_episodes: the number of episodes to choose.
        open_file: opens the tables of episodes.
        most_steps: the largest number of steps of all chosen episodes together.

    Raises:
        ValueError: a table names another file than its checkpoint's shards.
    """
    with_complete = [manifest for manifest in manifests if manifest.step_counts.complete_episodes]
    numbers = sorted({manifest.checkpoint for manifest in with_complete})
    shown = [numbers[place] for place in spread(len(numbers), most_episodes)]
    chosen: list[PreviewEpisode] = []
    for place, number in enumerate(shown):
        share = most_episodes // len(shown) + (place < most_episodes % len(shown))
        complete = [
            episode
            for manifest in with_complete
            if manifest.checkpoint == number
            for episode in _complete_episodes(manifest, open_file)
        ]
        complete.sort(key=lambda each: (each.length, each.run, each.episode))
        chosen += sorted(complete[:share], key=lambda each: (each.run, each.episode))
    by_length = sorted(chosen, key=lambda each: each.length)
    totals = itertools.accumulate(each.length for each in by_length)
    kept = {each for each, total in zip(by_length, totals, strict=True) if total <= most_steps}
    return [each for each in chosen if each in kept]


def _complete_episodes(manifest: Manifest, open_file: OpenFile) -> Iterator[PreviewEpisode]:
    columns = ["episode", "length", "complete", "file", "first_row"]
    with open_file(manifest.episodes_table.path) as file:
        rows = file.read(columns).to_pylist()
    shards = [shard.path for shard in manifest.shards]
    for row in rows:
        if row["file"] not in shards:  # it would be opened, and could lie outside of the dataset
            raise ValueError(
                f"{manifest.episodes_table.path}: found the file {row['file']!r}, "
                f"expected {' or '.join(shards)}"
            )
        if row.pop("complete"):
            yield PreviewEpisode(run=manifest.run, checkpoint=manifest.checkpoint, **row)


def preview_tables(game: Game, episodes: Iterable[PreviewEpisode], open_file: OpenFile) -> Iterator[pa.Table]:
    """Yield the episodes' steps as tables of TABLE_ROWS rows, except the last.

    Args:
        game: the game.
        episodes: the episodes, in order.
        open_file: opens the shards that hold their steps.

    Raises:
        ValueError: a shard is too short for an episode, or has an action that the game has not.
    """
    held: list[pa.Table] = []
    for episode in episodes:
        for table in _steps_of(game, episode, open_file):
            held.append(table)
            joined = pa.concat_tables(held)
            while len(joined) >= TABLE_ROWS:
                yield joined.slice(0, TABLE_ROWS).combine_chunks()
                joined = joined.slice(TABLE_ROWS)
            held = [joined]
    if sum(map(len, held)):
        yield pa.concat_tables(held).combine_chunks()


def _steps_of(game: Game, episode: PreviewEpisode, open_file: OpenFile) -> Iterator[pa.Table]:
    """Yield the episode's steps, row group by row group, in the columns of previews."""
    start, stop = episode.first_row, episode.first_row + episode.length
    schema = preview_features().arrow_schema
    columns = [name for name in schema.names if name not in ("game", "run")]
    found = end = 0
    with open_file(episode.file) as shard:
        for group in range(shard.num_row_groups):
            begin, end = end, end + shard.metadata.row_group(group).num_rows
            if begin < stop and start < end:
                table = shard.read_row_group(group, columns)
                table = table.slice(max(start - begin, 0), min(stop, end) - max(start, begin))
                found += len(table)
                yield _as_preview(table, game, episode.run, schema)
    if found != episode.length:
        raise ValueError(
            f"{episode.file}: found {found} steps of episode {episode.episode}, expected {episode.length}"
        )


def _as_preview(steps: pa.Table, game: Game, run: int, schema: pa.Schema) -> pa.Table:
    numbers = column_of_array(np.array([FULL_ACTIONS.index(name) for name in game.actions]), pa.int64())
    columns = {
        **dict(zip(steps.column_names, steps.columns, strict=True)),
        "game": pa.repeat(pa.scalar(game.name, pa.string()), len(steps)),
        "run": pa.repeat(pa.scalar(run, pa.int8()), len(steps)),
        "action": numbers.take(steps["action"].combine_chunks()),
    }
    return pa.Table.from_arrays([columns[name] for name in schema.names], schema=schema)
