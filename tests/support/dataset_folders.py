"""Makes small dataset repos in folders, in the layout that `build` writes, with frames from real play."""

import atexit
import functools
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from atari_dqn_replay.builder.card.card import game_pages, merge_card
from atari_dqn_replay.builder.collecting.environment import AtariEnvironment
from atari_dqn_replay.builder.format.checkpoint_id import CheckpointId
from atari_dqn_replay.builder.format.features import episodes_features, steps_features
from atari_dqn_replay.builder.format.games import Game, find_game
from atari_dqn_replay.builder.format.manifest import (
    FileRecord,
    Manifest,
    ParquetRecord,
    ReturnSummary,
    RowCounts,
    ShardRecord,
    StepCounts,
)
from atari_dqn_replay.builder.format.provenance import COLLECTED, Provenance
from atari_dqn_replay.builder.shards.steps import Digests
from msgspec.structs import asdict
from numpy.typing import NDArray
from PIL import Image

from atari_dqn_replay import decode_frames

STEPS = 24
"""The number of steps in each checkpoint's one episode."""

Contents = dict[str, bytes]
"""The content of files, by path in the repo."""


def build_dataset(
    folder: Path,
    game: str = "pong",
    *,
    runs: tuple[int, ...] = (1,),
    checkpoints: tuple[int, ...] = (0, 1),
    shards: int = 2,
    seed: int = 0,
    steps: int = STEPS,
) -> Path:
    """Write checkpoints, each one episode of `steps` steps, and the card; return the folder."""
    for run in runs:
        for checkpoint in checkpoints:
            _write_checkpoint(folder, find_game(game), run, checkpoint, shards, seed, steps)
    write_card(folder, manifests(folder))
    return folder


def write_card(
    folder: Path, manifests: Sequence[Manifest], existing: str | None = None, **options: Any
) -> None:
    """Write the card of the manifests, and the games' pages."""
    for path, page in game_pages(manifests).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(page)
    (folder / "README.md").write_text(merge_card(existing, manifests, **options))


def manifests(folder: Path) -> list[Manifest]:
    """Returns all manifests in a folder."""
    paths = sorted(folder.glob("manifests/*/*/*.json"))
    return [Manifest.from_json(path.read_text(), str(path)) for path in paths]


def contents(folder: Path) -> Contents:
    """Returns the content of all files in a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@functools.cache
def play(game: Game, seed: int, steps: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Returns the frames and rewards of a random player's first steps."""
    environment, first, state = _begun(game)
    environment.restore(**state)
    actions = np.random.default_rng(seed).integers(len(environment.actions), size=steps)
    frames, rewards = [first], []
    for action in actions:
        frame, reward, _, _ = environment.step(int(action))
        frames.append(frame)
        rewards.append(reward)
    return np.stack(frames[:-1]), np.asarray(rewards, np.float32)


@functools.cache
def _begun(game: Game) -> tuple[AtariEnvironment, NDArray[np.uint8], Any]:
    """A game, its first frame, and the state to begin anew from: a game takes long to load."""
    environment = AtariEnvironment(game)
    first = environment.reset()
    return environment, first, environment.state()


atexit.register(_begun.cache_clear)  # else ALE reports games that are still there at the end


def frames_of(
    game: str, run: int, checkpoint: int, *, seed: int = 0, steps: int = STEPS
) -> NDArray[np.uint8]:
    """Returns the frames of a checkpoint."""
    return play(find_game(game), seed + 100 * run + checkpoint, steps)[0]


def _png(frame: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "PNG", compress_level=0)
    return file.getvalue()


def _write_checkpoint(
    folder: Path, game: Game, run: int, checkpoint: int, shards: int, seed: int, steps: int
) -> None:
    frames, rewards = play(game, seed + 100 * run + checkpoint, steps)
    rows = {
        "observation": [{"bytes": _png(frame), "path": None} for frame in frames],
        "action": np.arange(steps) % len(game.actions),
        "reward": rewards,
        "terminated": np.arange(steps) == steps - 1,
        "truncated": np.zeros(steps, bool),
        "return_to_go": np.cumsum(rewards[::-1])[::-1],
        "checkpoint": np.full(steps, checkpoint),
        "episode": np.zeros(steps, int),
        "step": np.arange(steps),
    }
    table = pa.table(rows, schema=steps_features(game).arrow_schema)
    bounds = [steps * shard // shards for shard in range(shards + 1)]
    records = tuple(
        _write_steps(
            folder,
            CheckpointId(game, run, checkpoint).shard(shard, shards),
            table.slice(bounds[shard], bounds[shard + 1] - bounds[shard]),
        )
        for shard in range(shards)
    )
    episode = {
        "game": game.name,
        "run": run,
        "checkpoint": checkpoint,
        "episode": 0,
        "length": steps,
        "return": float(rewards.sum()),
        "terminated": True,
        "truncated": False,
        "complete": True,
        "final_observation": None,
        "file": records[0].path,
        "first_row": 0,
    }
    episodes = pa.Table.from_pylist([episode], schema=episodes_features().arrow_schema)
    returns = float(rewards.sum())
    manifest = Manifest(
        game=game.name,
        run=run,
        checkpoint=checkpoint,
        partial=False,
        last_complete=True,
        capacity=STEPS,
        provenance=Provenance(COLLECTED, {"policy": "random"}),
        row_counts=RowCounts(steps, steps, 0, 0, 0),
        step_counts=StepCounts(steps, 0, 0, 1, 1),
        returns=ReturnSummary(returns, returns, returns),
        sources=(FileRecord("none", 0, hashlib.sha256().hexdigest()),),
        shards=records,
        episodes_table=_write(folder, CheckpointId(game, run, checkpoint).episodes_table, episodes),
        earlier=None,
        later=None,
    )
    (folder / manifest.path).parent.mkdir(parents=True, exist_ok=True)
    (folder / manifest.path).write_text(manifest.to_json())


def _write_steps(folder: Path, path: str, table: pa.Table) -> ShardRecord:
    digests = Digests(table.column_names)
    digests.update(
        {
            name: decode_frames(column) if name == "observation" else column.to_numpy()
            for name, column in zip(table.column_names, table.columns, strict=True)
        }
    )
    return ShardRecord(**asdict(_write(folder, path, table)), digests=digests.hexdigests())


def _write(folder: Path, path: str, table: pa.Table) -> ParquetRecord:
    place = folder / path
    place.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, place, compression="zstd")
    content = place.read_bytes()
    return ParquetRecord(path, len(content), hashlib.sha256(content).hexdigest(), table.num_rows)
