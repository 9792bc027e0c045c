"""A dataset of as many files as the whole collection: 60 games, 5 runs, 50 checkpoints, all made up."""

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
from atari_dqn_replay.builder.card.card import merge_card
from atari_dqn_replay.builder.format.games import GAMES, Game
from atari_dqn_replay.builder.format.layout import CARD, episodes_table, manifest_file, steps_shard
from atari_dqn_replay.builder.format.manifest import Manifest
from dataset_folders import build_dataset, manifests

RUNS = range(1, 6)
CHECKPOINTS = range(50)
SIZE = 987_654_321
"""Stands for the size of an episodes table, in the text from which manifests are made."""


def make_up_whole_collection(folder: Path, built: Path) -> Path:
    """Write a card, 15,000 manifests, episodes tables and shards; return the folder.

    Each checkpoint is the same: its shards are one file, under many names.

    Args:
        folder: to write into.
        built: a folder to work in.
    """
    build_dataset(built, checkpoints=(0,), shards=1)
    (example,) = manifests(built)
    shard = built / example.shards[0].path
    made_up = [_manifest(example, game, run, checkpoint) for game, run, checkpoint in _places()]
    for manifest in made_up:
        (folder / manifest.shards[0].path).parent.mkdir(parents=True, exist_ok=True)
        os.link(shard, folder / manifest.shards[0].path)
    (folder / CARD).write_text(merge_card(None, made_up))
    template = dataclasses.replace(
        example, episodes_table=dataclasses.replace(example.episodes_table, size=SIZE)
    ).to_json()
    tables = _write_tables(folder, built / example.episodes_table.path)
    for (game, run, checkpoint), size in zip(_places(), tables, strict=True):
        (folder / manifest_file(game, run, checkpoint)).write_text(
            template.replace('"game": "Pong",', f'"game": "{game.name}",', 1)
            .replace('"run": 1,', f'"run": {run},', 1)
            .replace('"checkpoint": 0,', f'"checkpoint": {checkpoint},', 1)
            .replace("/pong/run_1/checkpoint_00", f"/{game.slug}/run_{run}/checkpoint_{checkpoint:02d}")
            .replace(str(SIZE), str(size))
        )
    return folder


def _places() -> Iterator[tuple[Game, int, int]]:
    for game in GAMES:
        for checkpoint in CHECKPOINTS:
            for run in RUNS:
                yield game, run, checkpoint


def _manifest(example: Manifest, game: Game, run: int, checkpoint: int) -> Manifest:
    shard = dataclasses.replace(example.shards[0], path=steps_shard(game, run, checkpoint, 0, 1))
    table = dataclasses.replace(example.episodes_table, path=episodes_table(game, run, checkpoint))
    return dataclasses.replace(
        example,
        game=game.name,
        run=run,
        checkpoint=checkpoint,
        last_complete=checkpoint == CHECKPOINTS[-1],
        shards=(shard,),
        episodes_table=table,
    )


def _write_tables(folder: Path, example: Path) -> Iterator[int]:
    """Write the episodes tables, and give their sizes; those of runs differ in one digit of a file's name."""
    (row,) = pq.read_table(example).to_pylist()
    schema = pq.read_schema(example)
    for game in GAMES:
        for checkpoint in CHECKPOINTS:
            file = steps_shard(game, 1, checkpoint, 0, 1)
            told = {**row, "game": game.name, "checkpoint": checkpoint, "file": file}
            first = folder / episodes_table(game, 1, checkpoint)
            first.parent.mkdir(parents=True, exist_ok=True)
            table = pq.ParquetWriter(first, schema, compression="none", write_statistics=False)
            table.write_table(schema.empty_table().from_pylist([told], schema=schema))
            table.close()
            content = first.read_bytes()
            assert file.encode() in content
            for run in RUNS:
                path = folder / episodes_table(game, run, checkpoint)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.replace(b"/run_1/", f"/run_{run}/".encode()))
                yield len(content)
