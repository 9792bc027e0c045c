"""The Parquet files of one checkpoint, written as its episodes are read."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa

from .features import episodes_features, steps_features
from .files import replacing, sha256_of
from .layout import MANIFEST, checkpoint_folder, episodes_table, steps_shard
from .manifest import Manifest, ParquetRecord, ReturnSummary, ShardRecord
from .parquet_writer import write_shard
from .run import Checkpoint, Episode
from .steps import Columns, Digests, EpisodeRows, episode_columns, even_blocks, steps_table


def write_checkpoint(
    checkpoint: Checkpoint,
    out: Path,
    progress: Callable[[int], object] = lambda steps: None,
) -> Manifest:
    """Write a checkpoint's steps, its episodes and its manifest into a dataset repo's folder.

    The manifest appears together with the shards, and last: where it is, the checkpoint is whole.

    Args:
        checkpoint: read to its end.
        out: the repo's root.
        progress: called with the number of steps done since the last call.

    Raises:
        SourceError: a file of the source is damaged; nothing is left behind.
    """
    run, number = checkpoint.run, checkpoint.number
    place = (run.game, run.number, number)
    folder = out / checkpoint_folder(*place)
    with replacing(folder, hidden=True) as temporary:
        temporary.mkdir(parents=True)
        schema = steps_features(run.game, unclipped_reward=run.has_unclipped_reward).arrow_schema
        rows = EpisodeRows(*place)
        unnamed = _write_shards(checkpoint.episodes(), temporary, schema, rows, progress)
        shards = []
        for shard, (path, count, digests) in enumerate(unnamed):
            name = steps_shard(*place, shard, rows.shards)
            path = path.rename(temporary / Path(name).name)
            record = ParquetRecord(name, path.stat().st_size, sha256_of(path), count)
            shards.append(ShardRecord(**asdict(record), digests=digests))
        table = _write_episodes(rows, out, episodes_table(*place))
        manifest = _manifest(checkpoint, rows, tuple(shards), table)
        (temporary / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    return manifest


def _write_shards(
    episodes: Iterator[Episode],
    folder: Path,
    schema: pa.Schema,
    rows: EpisodeRows,
    progress: Callable[[int], object],
) -> list[tuple[Path, int, dict[str, str]]]:
    """Write shards until the episodes end; gives the path, the number of rows and the digests of each."""
    written: list[tuple[Path, int, dict[str, str]]] = []
    shard, episode = 0, next(episodes, None)
    upcoming = [(rows.add(episode), episode)] if episode else []

    def blocks(digests: Digests) -> Iterator[Columns]:
        while upcoming and upcoming[0][0] == shard:
            _, episode = upcoming.pop()
            for columns in episode_columns(episode):
                digests.update(columns)
                progress(len(columns["step"]))
                yield columns
            following = next(episodes, None)
            if following is not None:
                upcoming.append((rows.add(following), following))

    while upcoming or not written:
        path = folder / f"steps-{shard}.parquet"
        digests = Digests(schema.names)
        tables = (steps_table(block, schema) for block in even_blocks(blocks(digests)))
        count = write_shard(path, tables, schema)
        written.append((path, count, digests.hexdigests()))
        shard += 1
    return written


def _write_episodes(rows: EpisodeRows, out: Path, name: str) -> ParquetRecord:
    path = out / name
    table = rows.table(episodes_features().arrow_schema)
    with replacing(path) as temporary:
        # An empty row group is more than stock `datasets` can read; no row group is not.
        write_shard(temporary, [table] if len(table) else [], table.schema)
    return ParquetRecord(name, path.stat().st_size, sha256_of(path), len(table))


def _manifest(
    checkpoint: Checkpoint,
    rows: EpisodeRows,
    shards: tuple[ShardRecord, ...],
    table: ParquetRecord,
) -> Manifest:
    run, number = checkpoint.run, checkpoint.number
    earlier, later = run.neighbours(number)
    returns = rows.complete_returns()
    summary = ReturnSummary(None, None, None)
    if returns:
        summary = ReturnSummary(sum(returns) / len(returns), min(returns), max(returns))
    return Manifest(
        game=run.game.name,
        run=run.number,
        checkpoint=number,
        partial=number in run.partial_checkpoints(),
        last_complete=run.is_last_complete(number),
        capacity=run.capacity(),
        provenance=run.provenance,
        row_counts=checkpoint.row_counts,
        step_counts=checkpoint.step_counts,
        returns=summary,
        sources=checkpoint.sources(),
        shards=shards,
        episodes_table=table,
        earlier=earlier,
        later=later,
    )
