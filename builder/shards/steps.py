"""Turns episodes into columns of steps: first arrays, then Arrow tables with equal numbers of rows."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash

from ..format.arrow_columns import column_of_array, column_of_list
from ..format.checkpoint_id import CheckpointId
from ..format.features import PROB, UNCLIPPED_REWARD
from ..format.frame_format import MOST_GROUP_ROWS, FrameFormat
from ..format.frames import IMAGE_TYPE, encode_frames
from ..sources.run import Episode

Columns = dict[str, np.ndarray]
"""Consecutive steps: for each column an array of shape (n, …)."""

TABLE_ROWS = MOST_GROUP_ROWS
"""The most steps in a table, which becomes a row group; see `FrameFormat.rows_in_group`."""


def episode_columns(episode: Episode) -> Iterator[Columns]:
    """Yield an episode's steps, block by block."""
    return_to_go = episode.return_to_go
    start = 0
    for frames in episode.frames:
        stop = start + len(frames)
        ends = np.zeros(len(frames), bool)
        ends[-1] = stop == len(episode)
        optional = {UNCLIPPED_REWARD: episode.unclipped_reward, PROB: episode.prob}
        yield {
            "observation": frames,
            "action": episode.action[start:stop].astype(np.int64),
            "reward": episode.reward[start:stop],
            **{name: values[start:stop] for name, values in optional.items() if values is not None},
            "terminated": ends & episode.terminated,
            "truncated": ends & episode.truncated,
            "return_to_go": return_to_go[start:stop],
            "checkpoint": np.full(len(frames), episode.checkpoint, np.int16),
            "episode": np.full(len(frames), episode.number, np.int32),
            "step": np.arange(start, stop, dtype=np.int32),
            **{name: values[start:stop] for name, values in episode.state.items()},
        }
        start = stop


def steps_tables(blocks: Iterable[Columns], schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield steps as Arrow tables of `rows_in_group` rows, except the last."""
    for held in even_blocks(blocks):
        yield table_of(held, encode_frames(*frames_of(held)), schema)


def steps_table(columns: Columns, schema: pa.Schema) -> pa.Table:
    """Returns steps as an Arrow table, with the frames as stored PNGs and the rest unchanged."""
    return table_of([columns], encode_frames(columns["observation"]), schema)


def even_blocks(blocks: Iterable[Columns]) -> Iterator[list[Columns]]:
    """Yield steps in lists of `rows_in_group` rows, but the last; the caller clears a list to free memory."""
    held: list[Columns] = []
    count = 0
    for block in blocks:
        start = 0
        most = FrameFormat.of_shape(block["observation"].shape[1:]).rows_in_group
        while start < len(block["step"]):
            piece = {name: column[start : start + most - count] for name, column in block.items()}
            held.append(piece)
            start += len(piece["step"])
            count += len(piece["step"])
            if count == most:
                yield held
                held, count = [], 0
    if held:
        yield held


def frames_of(held: list[Columns]) -> list[np.ndarray]:
    """Returns the frames of consecutive steps, block by block."""
    return [columns["observation"] for columns in held]


def table_of(held: list[Columns], observations: pa.StructArray, schema: pa.Schema) -> pa.Table:
    """Returns steps as an Arrow table, with `observations` in place of their frames; clears `held`."""
    arrays = [
        observations
        if field.name == "observation"
        else column_of_array(np.concatenate([columns[field.name] for columns in held]), field.type)
        for field in schema
    ]
    held.clear()
    return pa.Table.from_arrays(arrays, schema=schema)


class Digests:
    """The xxh3-128 digest of each column, over its raw values in order, however split into blocks."""

    def __init__(self, columns: Iterable[str]) -> None:
        self._hashes = {name: xxhash.xxh3_128() for name in columns}

    def update(self, columns: Columns) -> None:
        """Add the next steps to the digests."""
        for name, digest in self._hashes.items():
            digest.update(np.ascontiguousarray(columns[name]).data)

    def hexdigests(self) -> dict[str, str]:
        """Returns the digest of each column, in hexadecimal."""
        return {name: digest.hexdigest() for name, digest in self._hashes.items()}


class EpisodeRows:
    """The rows of an episodes table; where each episode's steps lie is known once all are added.

    Each checkpoint's last episode usually continues in later dumps; it has its own shard, so that it can be
    made separately.
    """

    def __init__(self, checkpoint: CheckpointId, *, first_shard: int = 0) -> None:
        self._checkpoint = checkpoint
        self._first_shard = first_shard
        self._rows: list[dict[str, Any]] = []
        self._shards: list[int] = []
        self._first_row = 0

    @property
    def shards(self) -> int:
        """The number of step shards: at least one, which may be empty."""
        return self._shards[-1] + 1 if self._shards else self._first_shard + 1

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, episode: Episode) -> int:
        """Add the next episode and return the number of the shard for its steps."""
        shard = self._shards[-1] if self._shards else self._first_shard
        if episode.joined and self._shards:
            shard += 1
            self._first_row = 0
        self._rows.append({**_episode_row(self._checkpoint, episode), "first_row": self._first_row})
        self._shards.append(shard)
        self._first_row += len(episode)
        return shard

    def table(self, schema: pa.Schema, *, shards: int | None = None) -> pa.Table:
        """Returns the table of all episodes, once the last is added.

        Args:
            schema: the schema of the table.
            shards: the final number of shards, if other episodes add to it.
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
        **{name: _column_of(fact) for name, fact in episode.facts.items()},
    }


def _column_of(fact: int | bytes) -> int | pa.StructArray:
    """Returns a fact as a value of the table, an image as a column of one."""
    if isinstance(fact, int):
        return fact
    data = pa.py_buffer(fact)
    offsets = pa.py_buffer(np.array([0, len(fact)], np.int32))
    images = pa.Array.from_buffers(pa.binary(), 1, [None, offsets, data])
    return pa.StructArray.from_arrays([images, pa.nulls(1, pa.string())], fields=list(IMAGE_TYPE))


def _image(frame: np.ndarray | None) -> pa.StructArray:
    return pa.nulls(1, IMAGE_TYPE) if frame is None else encode_frames(frame[None])
