"""The stream of transitions that one agent plays into the ring buffer."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import OutputError
from ..files import replacing
from ..format.protocol import STACK_SIZE
from .agent import Agent, random_shares
from .environment import AtariEnvironment
from .log_settings import LogSettings
from .ring_buffer import RingBuffer, clip

LONGEST_ADD = STACK_SIZE
"""Rows that adding one transition can write, padding included."""


def console_seed(seed: int, run: int) -> int:
    """Returns the seed of the `AtariEnvironment` in which a run is played."""
    console, _ = _seeds(seed, run)
    return int(console.generate_state(1)[0] >> 1)


def _seeds(seed: int, run: int) -> tuple[np.random.SeedSequence, np.random.SeedSequence]:
    console, agent = np.random.SeedSequence([seed, run]).spawn(2)
    return console, agent


class Stream:
    """One agent's play, from its first step to the last one that is logged."""

    def __init__(self, settings: LogSettings) -> None:
        self._settings = settings
        _, agent = _seeds(settings.seed, settings.run)
        seed = console_seed(settings.seed, settings.run)
        self._environment = AtariEnvironment(
            settings.game, seed=seed, time_limit=settings.time_limit, frame_format=settings.frame_format
        )
        self._agent = Agent(settings.game, settings.policy, np.random.default_rng(agent))
        self._shares = random_shares(settings.policy, settings.checkpoints)
        self._observation = self._environment.reset()
        self._is_between_episodes = True
        self._began_in = 0
        self._return = 0.0
        self._record: list[tuple[NDArray[np.uint8], int, float, bool]] = []
        self.transitions = 0
        self.returns: dict[int, list[float]] = {}

    def play_into(self, ring: RingBuffer, after_step: Callable[[int], object]) -> None:
        """Play until the log is complete."""
        while not self._is_complete(ring):
            before = ring.add_count
            self._step(ring)
            after_step(ring.add_count - before)
        ring.finish()

    def save_record(self, path: Path) -> None:
        """Write what was played, in the form that `collect` describes."""
        observation, action, reward, terminal = zip(*self._record, strict=True)
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(
                file,
                observation=np.stack(observation),
                action=np.array(action, np.int32),
                reward=np.array(reward, np.float32),
                terminal=np.array(terminal, bool),
            )

    def _step(self, ring: RingBuffer) -> None:
        if self._is_between_episodes:
            self._began_in, self._return = ring.dumps, 0.0
        share = self._shares[min(ring.dumps, len(self._shares) - 1)]
        action = self._agent.act(self._environment, share)
        observation, reward, terminated, truncated = self._environment.step(action)
        terminal = terminated or truncated
        final = observation if terminal else None
        ring.add(self._observation, action, reward, terminal, self._agent.prob, final)
        if self._settings.record is not None:
            self._record.append((self._observation, action, clip(reward), terminal))
        self.transitions += 1
        self._return += clip(reward)
        if terminal:
            self.returns.setdefault(self._began_in, []).append(self._return)
        self._observation = self._environment.reset() if terminal else observation
        self._is_between_episodes = terminal

    def _is_complete(self, ring: RingBuffer) -> bool:
        wanted, size = self._settings.checkpoints, ring.capacity
        if ring.dumps < wanted and ring.add_count > (2 * wanted + 100) * size:
            raise OutputError(
                f"checkpoint size {size:,} fits the episodes of {self._settings.game} so badly that padding "
                f"skips most checkpoints: choose another size"
            )
        if ring.dumps < wanted or ring.cursor == size - 1:  # in the last row, a full dump was made just now
            return False
        ends_here = self._is_between_episodes and ring.cursor >= size // 4
        return ends_here or ring.cursor >= size - 1 - LONGEST_ADD
