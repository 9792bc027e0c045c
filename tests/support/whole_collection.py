"""Makes a dataset of as many files as the whole collection: 60 games, 5 runs, 50 checkpoints, synthetic."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from atari_dqn_replay.builder.format.checkpoint_id import CheckpointId
from atari_dqn_replay.builder.format.games import GAMES
from atari_dqn_replay.builder.format.manifest import Manifest
from dataset_folders import build_dataset, manifests, write_card
from msgspec.structs import replace

RUNS = range(1, 6)
CHECKPOINTS = range(50)
NUMBER = 31_337
"""The placeholder for a checkpoint's number in the tables from which episodes tables are made."""
SIZE = 987_654_321
"""The placeholder for an episodes table's size in the text from which manifests are made."""


def make_up_whole_collection(folder: Path, built: Path) -> Path:
    """Write a card, 15,000 manifests, episodes tables and shards; return the folder.

    All checkpoints are the same: their shards are one file, under many names.

    Args:
        folder: the folder to write into.
        built: a folder to work in.
    """
    build_dataset(built, checkpoints=(0,), shards=1)
    (example,) = manifests(built)
    shard = built / example.shards[0].path
    made_up = [_manifest(example, checkpoint) for checkpoint in _checkpoints()]
    for manifest in made_up:
        (folder / manifest.shards[0].path).parent.mkdir(parents=True, exist_ok=True)
        os.link(shard, folder / manifest.shards[0].path)
    write_card(folder, made_up)
    template = replace(example, episodes_table=replace(example.episodes_table, size=SIZE)).to_json()
    tables = _write_tables(folder, built / example.episodes_table.path)
    for checkpoint, size in zip(_checkpoints(), tables, strict=True):
        place = folder / checkpoint.manifest
        if checkpoint.number == 0:
            place.parent.mkdir(parents=True)
        place.write_text(
            template.replace('"game": "Pong",', f'"game": "{checkpoint.game}",', 1)
            .replace('"run": 1,', f'"run": {checkpoint.run},', 1)
            .replace('"checkpoint": 0,', f'"checkpoint": {checkpoint.number},', 1)
            .replace("pong/run_1/checkpoint_00", checkpoint.place)
            .replace(str(SIZE), str(size))
        )
    return folder


def _checkpoints() -> Iterator[CheckpointId]:
    for game in GAMES:
        for number in CHECKPOINTS:
            for run in RUNS:
                yield CheckpointId(game, run, number)


def _manifest(example: Manifest, checkpoint: CheckpointId) -> Manifest:
    return replace(
        example,
        game=checkpoint.game.name,
        run=checkpoint.run,
        checkpoint=checkpoint.number,
        last_complete=checkpoint.number == CHECKPOINTS[-1],
        shards=(replace(example.shards[0], path=checkpoint.shard(0, 1)),),
        episodes_table=replace(example.episodes_table, path=checkpoint.episodes_table),
    )


def _write_tables(folder: Path, example: Path) -> Iterator[int]:
    """Write the episodes tables, and return their sizes; a game's differ in two places only."""
    (row,) = pq.read_table(example).to_pylist()
    schema = pq.read_schema(example)
    place, number = b"/run_1/checkpoint_00/", NUMBER.to_bytes(4, "little")
    for game in GAMES:
        file = io.BytesIO()
        told = {
            **row,
            "game": game.name,
            "checkpoint": NUMBER,
            "file": CheckpointId(game, 1, 0).shard(0, 1),
        }
        options = {"compression": "none", "write_statistics": False, "use_dictionary": False}
        with pq.ParquetWriter(file, schema, **options) as table:
            table.write_table(pa.Table.from_pylist([told], schema=schema))
        content = file.getvalue()
        assert (content.count(place), content.count(number)) == (1, 1)
        for run in RUNS:
            (folder / CheckpointId(game, run, 0).episodes_table).parent.mkdir(parents=True)
        for checkpoint in CHECKPOINTS:
            of_checkpoint = content.replace(number, checkpoint.to_bytes(4, "little"))
            for run in RUNS:
                own = f"/run_{run}/checkpoint_{checkpoint:02d}/".encode()
                path = folder / CheckpointId(game, run, checkpoint).episodes_table
                path.write_bytes(of_checkpoint.replace(place, own))
                yield len(content)
