"""Writes files in the forms of RL Unplugged and TFDS, from real play and without the reader's code."""

import functools
import gzip
import io
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from atari_dqn_replay.builder.collecting.environment import AtariEnvironment
from atari_dqn_replay.builder.format.games import find_game
from numpy.typing import NDArray
from PIL import Image

Feature = list[bytes] | NDArray[np.float32] | NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PlayedEpisode:
    """An episode as played: n transitions, and the observation after them."""

    checkpoint: int
    index: int
    observation: NDArray[np.uint8]
    """(n, 84, 84)"""
    action: NDArray[np.int64]
    reward: NDArray[np.float32]
    """As returned by the game, not clipped."""
    final_observation: NDArray[np.uint8] | None
    """(84, 84); None if the episode was cut off."""

    def __len__(self) -> int:
        return len(self.action)

    @property
    def clipped_reward(self) -> NDArray[np.float32]:
        return np.clip(self.reward, -1, 1)


def played(game: str, checkpoints: Sequence[int], seed: int = 0) -> list[PlayedEpisode]:
    """Returns the episodes of each checkpoint, played at random; the last of all is cut off."""
    return list(_played(game, tuple(checkpoints), seed))


@functools.cache
def _played(game: str, checkpoints: tuple[int, ...], seed: int) -> tuple[PlayedEpisode, ...]:
    environment = AtariEnvironment(find_game(game), seed=seed)
    random = np.random.default_rng(seed)
    episodes = [
        _play(environment, random, checkpoint, index)
        for checkpoint, count in enumerate(checkpoints)
        for index in range(count)
    ]
    episodes[-1] = cut(episodes[-1], len(episodes[-1]) // 2)
    return tuple(episodes)


def _play(
    environment: AtariEnvironment, random: np.random.Generator, checkpoint: int, index: int
) -> PlayedEpisode:
    frames, actions, rewards = [environment.reset()], [], []
    over = False
    while not over:
        actions.append(int(random.integers(len(environment.actions))))
        frame, reward, terminated, truncated = environment.step(actions[-1])
        frames.append(frame)
        rewards.append(reward)
        over = terminated or truncated
    return PlayedEpisode(
        checkpoint=checkpoint,
        index=index,
        observation=np.stack(frames[:-1]),
        action=np.array(actions, np.int64),
        reward=np.array(rewards, np.float32),
        final_observation=frames[-1],
    )


def cut(episode: PlayedEpisode, length: int) -> PlayedEpisode:
    """Returns the first transitions of an episode, without its end."""
    return replace(
        episode,
        observation=episode.observation[:length],
        action=episode.action[:length],
        reward=episode.reward[:length],
        final_observation=None,
    )


def rl_unplugged_features(episode: PlayedEpisode) -> dict[str, Feature]:
    """Returns an episode as RL Unplugged stores it; an ended one's last action and rewards are nonsense."""
    over = episode.final_observation is not None
    discounts = np.ones(len(episode) + over, np.float32)
    frames = list(episode.observation)
    if episode.final_observation is not None:
        frames.append(episode.final_observation)
        discounts[-1] = 0
    return {
        "checkpoint_idx": np.array([episode.checkpoint]),
        "episode_idx": np.array([episode.index]),
        "episode_return": np.array([episode.reward.sum()], np.float32),
        "clipped_episode_return": np.array([episode.clipped_reward.sum()], np.float32),
        "observations": [png(frame) for frame in frames],
        "actions": np.append(episode.action, [99] * over).astype(np.int64),
        "unclipped_rewards": np.append(episode.reward, [77] * over).astype(np.float32),
        "clipped_rewards": np.append(episode.clipped_reward, [1] * over).astype(np.float32),
        "discounts": discounts,
    }


def tfds_features(episode: PlayedEpisode, *, version: str = "1.1.0") -> dict[str, Feature]:
    """Returns the same as TensorFlow Datasets stores it."""
    stored = rl_unplugged_features(episode)
    discounts = np.asarray(stored["discounts"])
    ends = np.zeros(len(discounts), np.int64)
    ends[-1] = 1
    over = discounts[-1] == 0
    features: dict[str, Feature] = {
        "checkpoint_id": stored["checkpoint_idx"],
        "episode_id": stored["episode_idx"],
        "episode_return": stored["episode_return"],
        "steps/observation": stored["observations"],
        "steps/action": stored["actions"],
        "steps/reward": stored["unclipped_rewards"],
        "steps/discount": np.append(discounts[1:], 0).astype(np.float32) if over else discounts,
        "steps/is_first": ends[::-1].copy(),
        "steps/is_last": ends,
        "steps/is_terminal": ends * over,
    }
    if version == "1.0.0":
        features["clipped_episode_return"] = stored["clipped_episode_return"]
        features["steps/clipped_reward"] = stored["clipped_rewards"]
    return features


def png(frame: NDArray[np.uint8], **options: Any) -> bytes:
    """Returns a frame as any PNG writer stores it."""
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "PNG", **options)
    return file.getvalue()


def example(features: dict[str, Feature]) -> bytes:
    """Returns a serialized `tf.train.Example`, put together by hand."""
    entries = b"".join(
        _field(1, _field(1, name.encode()) + _field(2, _feature(values))) for name, values in features.items()
    )
    return _field(1, entries)


def _feature(values: Feature) -> bytes:
    if isinstance(values, list):
        return _field(1, b"".join(_field(1, value) for value in values))
    if values.dtype == np.float32:
        return _field(2, _field(1, values.astype("<f4").tobytes()))
    return _field(3, _field(1, b"".join(_varint(int(value)) for value in values)))


def _field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*digits, value])


def tfrecord(records: Sequence[bytes]) -> bytes:
    """Returns records in the form of a TFRecord file."""
    return b"".join(_framed(data) for data in records)


@functools.lru_cache(maxsize=256)
def _framed(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked_crc(length)) + data + struct.pack("<I", masked_crc(data))


def masked_crc(data: bytes) -> int:
    """Returns a CRC-32C computed by table, rotated by 15 bits and offset by a constant."""
    crc = 0xFFFFFFFF
    table = _crc_table()
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


@functools.cache
def _crc_table() -> list[int]:
    def entry(value: int) -> int:
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        return value

    return [entry(value) for value in range(256)]


def write_gzip(path: Path, data: bytes) -> None:
    """Write a gzip file that depends only on its content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data, 1, mtime=0))


def write_ordered(root: Path, episodes: Sequence[PlayedEpisode], game: str, run: int = 1) -> Path:
    """Write a shard per checkpoint, and return the root."""
    checkpoints = sorted({episode.checkpoint for episode in episodes})
    for number in checkpoints:
        records = [_record(episode) for episode in episodes if episode.checkpoint == number]
        name = f"run_{run}-{number:05d}-of-{len(checkpoints):05d}"
        write_gzip(root / find_game(game).name / name, tfrecord(records))
    return root


def write_strewn(
    root: Path, episodes: Sequence[PlayedEpisode], game: str, run: int = 1, shards: int = 7, seed: int = 0
) -> Path:
    """Write the episodes in random order to shards, the last of which is never empty; return the root."""
    order = np.random.default_rng(seed).permutation(len(episodes))
    for shard, records in enumerate(np.array_split(order, shards)):
        name = f"run_{run}-{shard:05d}-of-{shards:05d}"
        data = tfrecord([_record(episodes[index]) for index in records])
        write_gzip(root / find_game(game).name / name, data)
    return root


def write_tfds(
    root: Path,
    episodes: Sequence[PlayedEpisode],
    game: str,
    run: int = 1,
    *,
    version: str = "1.1.0",
    files: int = 2,
) -> Path:
    """Write a folder as `tfds build rlu_atari_checkpoints_ordered` leaves it, and return the root."""
    folder = root / "rlu_atari_checkpoints_ordered" / f"{find_game(game).name}_run_{run}" / version
    folder.mkdir(parents=True)
    splits = []
    for number in sorted({episode.checkpoint for episode in episodes}):
        of_checkpoint = [episode for episode in episodes if episode.checkpoint == number]
        lengths = []
        for shard, part in enumerate(np.array_split(np.arange(len(of_checkpoint)), files)):
            records = [example(tfds_features(of_checkpoint[index], version=version)) for index in part]
            stem = f"rlu_atari_checkpoints_ordered-checkpoint_{number:02d}"
            (folder / f"{stem}.tfrecord-{shard:05d}-of-{files:05d}").write_bytes(tfrecord(records))
            lengths.append(str(len(records)))
        splits.append({"name": f"checkpoint_{number:02d}", "shardLengths": lengths})
    info = {"name": "rlu_atari_checkpoints_ordered", "version": version, "splits": splits}
    (folder / "dataset_info.json").write_text(json.dumps(info))
    return root


@functools.lru_cache(maxsize=256)
def _record(episode: PlayedEpisode) -> bytes:
    return example(rl_unplugged_features(episode))
