"""Makes small datasets with episodes of every kind, and reads their steps by plain means."""

import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from atari_dqn_replay.builder.format.checkpoint_id import CheckpointId
from atari_dqn_replay.builder.format.features import episodes_features, steps_features
from atari_dqn_replay.builder.format.frames import decode_frames
from atari_dqn_replay.builder.format.games import Game, find_game
from atari_dqn_replay.builder.shards.steps import steps_table
from paths import THREE_LAPS

from atari_dqn_replay import EpisodeFilter

PLAYED = THREE_LAPS / "played.npz"


CONFIG = ("breakout-full", "run_1")


BREAKOUT = find_game("breakout")


Batch = dict[str, np.ndarray]


class Ending(NamedTuple):
    """An episode to write: its length, and what ended it."""

    length: int
    by: str = "game"
    """`game`, `limit`, or `log` if the log breaks off."""


SHARDS: list[list[Ending]] = [
    [Ending(40), Ending(1), Ending(3, "limit"), Ending(130)],
    [Ending(1, "limit"), Ending(90), Ending(2), Ending(7, "log")],
    [Ending(1)],
    [Ending(60, "limit"), Ending(61), Ending(1, "log")],
    [Ending(200)],
    [Ending(5), Ending(5), Ending(5), Ending(5), Ending(80)],
    [Ending(33), Ending(99, "limit"), Ending(4)],
    [Ending(77, "log")],
]
"""Checkpoints of one shard each, with real frames."""


def write_dataset(
    folder: Path,
    shards: Sequence[Sequence[Ending]],
    rows_in_group: int = 50,
    games: Sequence[Game] = (BREAKOUT,),
) -> Path:
    """Write a dataset repo of some games' run 1, with Breakout's frames, as `build` lays it out."""
    configs = ""
    for game in games:
        write_game(folder, game, shards, rows_in_group)
        configs += (
            f"- config_name: {game.slug}-full\n  data_files:\n  - split: run_1\n"
            f"    path: data/{game.slug}/run_1/*/*.parquet\n"
        )
    (folder / "README.md").write_text(f"---\nconfigs:\n{configs}---\n")
    return folder


def write_game(folder: Path, game: Game, shards: Sequence[Sequence[Ending]], rows_in_group: int) -> None:
    """Write a checkpoint of one shard for each of these lists of episodes."""
    frames = np.load(PLAYED)["observation"]
    random = np.random.default_rng(0)
    for checkpoint, endings in enumerate(shards):
        file = CheckpointId(game, 1, checkpoint).shard(0, 1)
        steps, episodes, first = [], [], 0
        for number, (length, by) in enumerate(endings):
            reward = random.integers(-3, 4, length).astype(np.float32)
            last = np.arange(length) == length - 1
            begin = int(random.integers(len(frames) - length))
            steps.append(
                {
                    "observation": frames[begin : begin + length],
                    "action": random.integers(len(game.actions), size=length),
                    "reward": reward,
                    "terminated": last & (by == "game"),
                    "truncated": last & (by == "limit"),
                    "return_to_go": reward[::-1].cumsum()[::-1],
                    "checkpoint": np.full(length, checkpoint),
                    "episode": np.full(length, number),
                    "step": np.arange(length),
                }
            )
            episodes.append(
                {
                    "game": game.name,
                    "run": 1,
                    "checkpoint": checkpoint,
                    "episode": number,
                    "length": length,
                    "return": float(reward.sum()),
                    "terminated": by == "game",
                    "truncated": by == "limit",
                    "complete": by != "log",
                    "final_observation": None,
                    "file": file,
                    "first_row": first,
                }
            )
            first += length
        columns = {name: np.concatenate([part[name] for part in steps]) for name in steps[0]}
        schema = steps_features(game).arrow_schema
        for name in columns.keys() - {"observation"}:
            columns[name] = columns[name].astype(schema.field(name).type.to_pandas_dtype())
        write(folder / file, steps_table(columns, schema), rows_in_group)
        table = pa.Table.from_pylist(episodes, schema=episodes_features().arrow_schema)
        write(folder / CheckpointId(game, 1, checkpoint).episodes_table, table)


def write(path: Path, table: pa.Table, rows_in_group: int | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="zstd", row_group_size=rows_in_group)


def read_episodes(folder: Path) -> list[Batch]:
    """Returns the steps of each episode, in order of play, read by plain means."""
    table = pa.concat_tables(pq.read_table(path) for path in sorted(folder.glob("data/*/*/*/*.parquet")))
    steps = {name: table[name].to_numpy() for name in table.column_names if name != "observation"}
    steps["observation"] = decode_frames(table["observation"])
    starts = np.flatnonzero(steps["step"] == 0)
    return [
        {name: column[start:stop] for name, column in steps.items()}
        for start, stop in itertools.pairwise([*starts, len(table)])
    ]


def stack_at(frames: np.ndarray, step: int, frame_stack: int) -> np.ndarray:
    """Returns the frames up to a step, with zeros before the first or for a step that does not exist."""
    stack = np.zeros((frame_stack, 84, 84), np.uint8)
    for place, at in enumerate(range(step - frame_stack + 1, step + 1)):
        if at >= 0 and step < len(frames):
            stack[place] = frames[at]
    return stack


def collate(samples: Sequence[dict[str, Any]]) -> Batch:
    return {name: np.stack([sample[name] for sample in samples]) for name in samples[0]}


def joined(batches: Sequence[Batch]) -> Batch:
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def assert_same(found: Batch, expected: Batch) -> None:
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert found[name].shape == values.shape, name
        if values.dtype.kind == "f":
            assert np.allclose(found[name], values, rtol=1e-6, atol=1e-6), name
        else:
            assert (found[name] == values).all(), name


def count_samples(batch: Batch) -> Counter[tuple[int, ...]]:
    """Returns how often each sample occurs, identified by hashes of all its values."""
    exact = {
        name: value.astype(np.float32) if value.dtype.kind == "f" else value for name, value in batch.items()
    }
    return Counter(
        zip(*([hash(row.tobytes()) for row in exact[name]] for name in sorted(exact)), strict=True)
    )


FILTERS = {
    None: lambda episode: True,
    EpisodeFilter(min_length=5, max_length=100): lambda episode: 5 <= len(episode["action"]) <= 100,
    EpisodeFilter(checkpoints=(1, 3)): lambda episode: episode["checkpoint"][0] in (1, 3),
    EpisodeFilter(min_return=0): lambda episode: episode["reward"].sum() >= 0,
    EpisodeFilter(max_return=-1): lambda episode: episode["reward"].sum() <= -1,
}


def digests(batches: Any) -> list[bytes]:
    """Returns a short digest of each batch."""
    return [b"".join(value.tobytes() for value in batch.values())[::97] for batch in batches]
