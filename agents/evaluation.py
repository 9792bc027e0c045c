"""Evaluation: full episodes of a game under the dataset's protocol."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..builder.collecting.environment import AtariEnvironment
from ..builder.collecting.ring_buffer import clip
from ..builder.format.games import Game
from ..builder.format.protocol import FRAME_SHAPE, STACK_SIZE, TIME_LIMIT

EPSILON = 0.001
"""The share of random actions in an evaluation (Dopamine's `epsilon_eval`)."""

Policy = Callable[[np.ndarray], np.ndarray]
"""Returns the actions, (B,), for observations of (B, 4, 84, 84) uint8."""


@dataclass(frozen=True)
class EvaluationProtocol:
    """How games are played to evaluate an agent; the defaults are batch_rl's."""

    epsilon: float = EPSILON
    time_limit: int = TIME_LIMIT
    """Agent steps after which an episode is cut off."""
    environments: int = 8
    """Games played at once; this changes the speed, not which episodes are played."""


@dataclass(frozen=True)
class EvaluatedEpisode:
    """One episode of an evaluation."""

    total_return: float
    """The sum of its rewards, not clipped."""
    clipped_return: float
    """The sum of its rewards, each clipped to [-1, 1] as in a dataset."""
    actions: np.ndarray
    """(steps,) uint8: with the episode's seed they play it again, frame by frame."""
    truncated: bool
    """Whether the time limit cut it off."""

    @property
    def length(self) -> int:
        """The number of agent steps."""
        return len(self.actions)


def evaluate(
    policy: Policy,
    game: Game,
    *,
    seed: Sequence[int],
    protocol: EvaluationProtocol,
    steps: int | None = None,
    episodes: int | None = None,
    after_step: Callable[[int], object] = lambda steps: None,
) -> list[EvaluatedEpisode]:
    """Play full episodes, and return them in the order of their numbers.

    Episode number n is seeded by (seed, n) alone, and what counts are the first episodes by number, never the
    first to end, which would be the short ones.

    Args:
        policy: chooses the greedy actions.
        game: the game to play.
        seed: the seed of all episodes.
        protocol: how they are played.
        steps: play until the episodes have at least so many agent steps, as batch_rl does.
        episodes: play so many episodes; give either this or `steps`.
        after_step: called with the number of agent steps that were just played.
    """
    queue = _Queue(game, seed, protocol, steps, episodes)
    playing = queue.fill([])
    while playing:
        actions = policy(np.stack([play.stack for play in playing]))
        for play, action in zip(playing, actions.tolist(), strict=True):
            play.step(action)
        after_step(len(playing))
        playing = queue.fill(playing)
    return queue.counted()


def replay(
    episode: EvaluatedEpisode, number: int, game: Game, seed: Sequence[int], protocol: EvaluationProtocol
) -> np.ndarray:
    """Returns the frames of an episode, (steps, 84, 84) uint8, by playing its actions again."""
    environment = _environment(game, seed, number, protocol)
    frames = np.empty((episode.length, *FRAME_SHAPE), np.uint8)
    frames[0] = environment.reset()
    for step, action in enumerate(episode.actions[:-1].tolist(), start=1):
        frames[step] = environment.step(action)[0]
    return frames


class _Play:
    """An episode that is being played."""

    def __init__(self, game: Game, seed: Sequence[int], number: int, protocol: EvaluationProtocol) -> None:
        self.number = number
        self.stack = np.zeros((STACK_SIZE, *FRAME_SHAPE), np.uint8)
        """What the agent sees: the last four frames, blank before the first."""
        self.done: EvaluatedEpisode | None = None
        self.length = 0
        self._environment = _environment(game, seed, number, protocol)
        self._random = np.random.default_rng([*seed, number, 1])
        self._epsilon = protocol.epsilon
        self._actions = bytearray()
        self._return = self._clipped_return = 0.0
        self.stack[-1] = self._environment.reset()

    def step(self, greedy: int) -> None:
        """Play the greedy action, or rarely a random one."""
        action = greedy
        if self._random.random() < self._epsilon:
            action = int(self._random.integers(len(self._environment.actions)))
        frame, reward, terminated, truncated = self._environment.step(action)
        self.stack[:-1] = self.stack[1:]
        self.stack[-1] = frame
        self._actions.append(action)
        self._return += reward
        self._clipped_return += clip(reward)
        self.length += 1
        if terminated or truncated:
            actions = np.frombuffer(bytes(self._actions), np.uint8)
            self.done = EvaluatedEpisode(self._return, self._clipped_return, actions, truncated)


class _Queue:
    """Decides which episodes are played, and which of them count."""

    def __init__(
        self,
        game: Game,
        seed: Sequence[int],
        protocol: EvaluationProtocol,
        steps: int | None,
        episodes: int | None,
    ) -> None:
        self._game, self._seed, self._protocol = game, seed, protocol
        self._steps, self._episodes = steps, episodes
        self._begun = 0
        self._done: dict[int, EvaluatedEpisode] = {}

    def fill(self, playing: list[_Play]) -> list[_Play]:
        """Returns the episodes to go on with: those that have not ended, and new ones in place of others."""
        for play in playing:
            if play.done is not None:
                self._done[play.number] = play.done
        playing = [play for play in playing if play.done is None]
        if self._is_enough(self.counted()):
            return []
        while len(playing) < self._protocol.environments and self._needs_another(playing):
            playing.append(_Play(self._game, self._seed, self._begun, self._protocol))
            self._begun += 1
        return playing

    def counted(self) -> list[EvaluatedEpisode]:
        """Returns the first episodes by number, up to the one with which they are enough."""
        counted: list[EvaluatedEpisode] = []
        while len(counted) in self._done and not self._is_enough(counted):
            counted.append(self._done[len(counted)])
        return counted

    def _is_enough(self, episodes: Sequence[EvaluatedEpisode]) -> bool:
        if self._episodes is not None:
            return len(episodes) >= self._episodes
        return sum(episode.length for episode in episodes) >= (self._steps or 1)

    def _needs_another(self, playing: Sequence[_Play]) -> bool:
        """Returns whether the episodes that have begun may not be enough."""
        if self._episodes is not None:
            return self._begun < self._episodes
        played = sum(episode.length for episode in self._done.values()) + sum(play.length for play in playing)
        return played < (self._steps or 1)


def _environment(
    game: Game, seed: Sequence[int], number: int, protocol: EvaluationProtocol
) -> AtariEnvironment:
    drawn = int(np.random.SeedSequence([*seed, number]).generate_state(1)[0] >> 1)
    return AtariEnvironment(game, seed=drawn, time_limit=protocol.time_limit)
