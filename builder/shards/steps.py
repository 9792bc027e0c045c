"""Episodes as columns of steps: arrays first, then Arrow tables of an even number of rows."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash

from ..format.checkpoint_id import CheckpointId
from ..format.frames import IMAGE_TYPE, encode_frames
from ..sources.run import Episode
from .arrow_columns import column_of_array, column_of_list

Columns = dict[str, np.ndarray]
"""Some consecutive steps: for each column an array of shape (n, …)."""

TABLE_ROWS = 2048
"""Steps in a table and in a row group: 14 MB of frames."""


def episode_columns(episode: Episode) -> Iterator[Columns]:
    """An episode's steps, block by block."""
    return_to_go = episode.return_to_go
    start = 0
    for frames in episode.frames:
        stop = start + len(frames)
        ends = np.zeros(len(frames), bool)
        ends[-1] = stop == len(episode)
        unclipped = episode.unclipped_reward
        yield {
            "observation": frames,
            "action": episode.action[start:stop].astype(np.int64),
            "reward": episode.reward[start:stop],
            **({} if unclipped is None else {"unclipped_reward": unclipped[start:stop]}),
            "terminated": ends & episode.terminated,
            "truncated": ends & episode.truncated,
            "return_to_go": return_to_go[start:stop],
            "checkpoint": np.full(len(frames), episode.checkpoint, np.int16),
            "episode": np.full(len(frames), episode.number, np.int32),
            "step": np.arange(start, stop, dtype=np.int32),
        }
        start = stop


def steps_tables(blocks: Iterable[Columns], schema: pa.Schema) -> Iterator[pa.Table]:
    """Steps as Arrow tables of TABLE_ROWS rows, but for the last."""
    for held in even_blocks(blocks):
        yield table_of(held, encode_frames(*frames_of(held)), schema)


def steps_table(columns: Columns, schema: pa.Schema) -> pa.Table:
    """Steps as an Arrow table: the frames as stored PNGs, the rest as they are."""
    return table_of([columns], encode_frames(columns["observation"]), schema)


def even_blocks(blocks: Iterable[Columns]) -> Iterator[list[Columns]]:
    """Steps in lists of TABLE_ROWS rows, but for the last; who takes a list clears it to let memory go."""
    held: list[Columns] = []
    count = 0
    for block in blocks:
        start = 0
        while start < len(block["step"]):
            piece = {name: column[start : start + TABLE_ROWS - count] for name, column in block.items()}
            held.append(piece)
            start += len(piece["step"])
            count += len(piece["step"])
            if count == TABLE_ROWS:
                yield held
                held, count = [], 0
    if held:
        yield held


def frames_of(held: list[Columns]) -> list[np.ndarray]:
    """The frames of consecutive steps, block by block."""
    return [columns["observation"] for columns in held]


def table_of(held: list[Columns], observations: pa.StructArray, schema: pa.Schema) -> pa.Table:
    """Consecutive steps as an Arrow table, with this column in the place of their frames; clears `held`."""
    arrays = [
        observations
        if field.name == "observation"
        else column_of_array(np.concatenate([columns[field.name] for columns in held]), field.type)
        for field in schema
    ]
    held.clear()
    return pa.Table.from_arrays(arrays, schema=schema)


class Digests:
    """One xxh3-128 for each column, over the raw values in order: the same however they are cut in blocks."""

    def __init__(self, columns: Iterable[str]) -> None:
        self._hashes = {name: xxhash.xxh3_128() for name in columns}

    def update(self, columns: Columns) -> None:
        """Take in the next steps."""
        for name, digest in self._hashes.items():
            digest.update(np.ascontiguousarray(columns[name]).data)

    def hexdigests(self) -> dict[str, str]:
        """The digest of each column, in hexadecimal."""
        return {name: digest.hexdigest() for name, digest in self._hashes.items()}


class EpisodeRows:
    """The rows of an episodes table: where each episode's steps lie is known when all are there.

    Each checkpoint's last episode mostly goes on into later dumps; it has a shard of its own, so that it can
    be made apart from the others.
    """

    def __init__(self, checkpoint: CheckpointId, *, first_shard: int = 0) -> None:
        self._checkpoint = checkpoint
        self._first_shard = first_shard
        self._rows: list[dict[str, Any]] = []
        self._shards: list[int] = []
        self._first_row = 0

    @property
    def shards(self) -> int:
        """How many step shards there are; at least one, which may be empty."""
        return self._shards[-1] + 1 if self._shards else self._first_shard + 1

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, episode: Episode) -> int:
        """The next episode; tells the number of the shard that its steps go to."""
        shard = self._shards[-1] if self._shards else self._first_shard
        if episode.joined and self._shards:
            shard += 1
            self._first_row = 0
        self._rows.append({**_episode_row(self._checkpoint, episode), "first_row": self._first_row})
        self._shards.append(shard)
        self._first_row += len(episode)
        return shard

    def table(self, schema: pa.Schema, *, shards: int | None = None) -> pa.Table:
        """All episodes, once the last is added.

        Args:
            schema: of the table.
            shards: how many there will be, where it is not these episodes alone that say so.
        """
        rows = [
            {**row, "file": self._checkpoint.shard(shard, shards or self.shards)}
            for row, shard in zip(self._rows, self._shards, strict=True)
        ]
        columns = [column_of_list([row[field.name] for row in rows], field.type) for field in schema]
        return pa.Table.from_arrays(columns, schema=schema)


def _episode_row(checkpoint: CheckpointId, episode: Episode) -> dict[str, Any]:
    return {
        "game": checkpoint.game.name,
        "run": checkpoint.run,
        "checkpoint": checkpoint.number,
        "episode": episode.number,
        "length": len(episode),
        "return": float(episode.reward.sum(dtype=np.float64)),
        "terminated": episode.terminated,
        "truncated": episode.truncated,
        "complete": episode.complete,
        "final_observation": _image(episode.final_observation),
    }


def _image(frame: np.ndarray | None) -> pa.StructArray:
    return pa.nulls(1, IMAGE_TYPE) if frame is None else encode_frames(frame[None])
