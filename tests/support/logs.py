"""Writes replay logs with chosen contents, using the project's own ring buffer and real frames."""

import atexit
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from atari_dqn_replay.builder.collecting.environment import AtariEnvironment
from atari_dqn_replay.builder.collecting.ring_buffer import RingBuffer
from atari_dqn_replay.builder.format.games import Game, find_game
from numpy.typing import NDArray


@dataclass(frozen=True)
class Played:
    """The contents of a log: one entry per transition, in order, without padding."""

    root: Path
    """The path to give as the source."""
    game: Game
    run: int
    capacity: int
    observation: NDArray[np.uint8]
    """(n, 84, 84)"""
    action: NDArray[np.int32]
    reward: NDArray[np.float32]
    """As logged: clipped to [-1, 1]."""
    terminal: NDArray[np.bool_]
    stored: tuple[tuple[int, ...], ...]
    """For each transition, the numbers of the files that hold it; empty if it was lost."""
    files: tuple[int, ...]
    """The numbers of the files that are present."""

    def __len__(self) -> int:
        return len(self.action)

    @property
    def folder(self) -> Path:
        """The folder of the log's files."""
        return log_folder(self.root, self.game, self.run)

    @property
    def recoverable(self) -> NDArray[np.bool_]:
        """(n,), whether a transition is in any file."""
        return np.array([bool(numbers) for numbers in self.stored], bool)


def log_folder(root: Path, game: Game, run: int) -> Path:
    """Returns a run's folder in the bucket's layout: `<root>/Pong/1/replay_logs`."""
    return root / game.name / str(run) / "replay_logs"


def write_log(
    root: Path,
    lengths: Sequence[int],
    *,
    capacity: int,
    game: str = "Pong",
    run: int = 1,
    seed: int = 0,
    black: int = 0,
    in_mid_episode: bool = False,
    finish: bool = True,
    delete: Sequence[int] = (),
) -> Played:
    """Write a log of episodes of the given lengths; frames, actions and rewards follow from `seed`.

    Args:
        root: the source's root folder.
        lengths: transitions in each episode.
        capacity: the number of rows in the ring, at least 5.
        game: the game whose frames to use.
        run: 1 to 5.
        seed: chooses frames, actions and rewards.
        black: the number of transitions at every episode's start that are zero in every array, as padding is.
        in_mid_episode: whether the log ends before the last episode does.
        finish: whether to write the last, partial file; if not, the agent was killed.
        delete: the numbers of the files that are deleted afterwards.
    """
    count = sum(lengths)
    random = np.random.default_rng(seed)
    observation = real_frames(game, count, seed).copy()
    action = random.integers(len(find_game(game).actions), size=count, dtype=np.int32)
    reward = random.choice(np.array([-1, 0, 0, 1], np.float32), size=count)
    terminal = np.zeros(count, bool)
    ends = np.cumsum(lengths)
    terminal[ends - 1] = True
    if in_mid_episode:
        terminal[-1] = False
    for end, length in zip(ends, lengths, strict=True):
        first = slice(end - length, end - length + min(black, length))
        observation[first], action[first], reward[first] = 0, 0, 0
    return log_transitions(
        root,
        observation,
        action,
        reward,
        terminal,
        capacity=capacity,
        game=game,
        run=run,
        finish=finish,
        delete=delete,
    )


def log_transitions(
    root: Path,
    observation: NDArray[np.uint8],
    action: NDArray[np.int32],
    reward: NDArray[np.float32],
    terminal: NDArray[np.bool_],
    *,
    capacity: int,
    game: str = "Pong",
    run: int = 1,
    finish: bool = True,
    delete: Sequence[int] = (),
    prob: NDArray[np.float32] | None = None,
) -> Played:
    """Put exactly these transitions through the ring buffer; other arguments are those of `write_log`."""
    folder = log_folder(root, find_game(game), run)
    ring = RingBuffer(folder, capacity, compression=1, probabilities=prob is not None)
    holds = np.full(capacity, -1)  # the transition in each row
    stored: list[list[int]] = [[] for _ in action]

    def note_dump() -> None:
        for index in holds[holds >= 0]:
            stored[index].append(ring.dumps - 1)

    for index in range(len(action)):
        before, dumps = ring.add_count, ring.dumps
        ring.add(
            observation[index],
            int(action[index]),
            float(reward[index]),
            bool(terminal[index]),
            1.0 if prob is None else float(prob[index]),
        )
        holds[np.arange(before, ring.add_count) % capacity] = -1
        holds[(ring.add_count - 1) % capacity] = index
        if ring.dumps > dumps:
            note_dump()
    ring.flush()
    if finish:
        ring.finish()
        note_dump()
    for number in delete:
        for path in folder.glob(f"*_ckpt.{number}.gz"):
            path.unlink()
    return Played(
        root=root,
        game=find_game(game),
        run=run,
        capacity=capacity,
        observation=observation,
        action=action,
        reward=np.clip(reward, -1, 1),
        terminal=terminal,
        stored=tuple(tuple(number for number in numbers if number not in delete) for numbers in stored),
        files=tuple(number for number in range(ring.dumps) if number not in delete),
    )


def real_frames(game: str, count: int, seed: int = 0) -> NDArray[np.uint8]:
    """Returns frames that a random player of `game` saw, (count, 84, 84) uint8, in order; read-only."""
    return _player(game, seed).first_frames(count)


@functools.lru_cache(maxsize=64)
def _player(game: str, seed: int) -> "_Player":
    return _Player(game, seed)


atexit.register(_player.cache_clear)  # else ALE reports games that are still there at the end


class _Player:
    """Plays on when more frames are wanted than before."""

    def __init__(self, game: str, seed: int) -> None:
        self._environment = AtariEnvironment(find_game(game), seed=seed)
        self._random = np.random.default_rng(seed)
        self._frames = self._environment.reset()[None]
        self._frames.setflags(write=False)

    def first_frames(self, count: int) -> NDArray[np.uint8]:
        if count > len(self._frames):
            wanted = -(-count // 128) * 128
            more = [self._next_frame() for _ in range(wanted - len(self._frames))]
            self._frames = np.concatenate([self._frames, more])
            self._frames.setflags(write=False)
        return self._frames[:count]

    def _next_frame(self) -> NDArray[np.uint8]:
        action = int(self._random.integers(len(self._environment.actions)))
        frame, _, terminated, truncated = self._environment.step(action)
        return self._environment.reset() if terminated or truncated else frame
