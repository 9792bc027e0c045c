"""Several games at once, on ALE's own threads."""

import os
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from ..builder.collecting.environment import AtariEnvironment
from ..builder.format.games import Game
from ..builder.format.protocol import FRAME_SHAPE, STACK_SIZE, STICKY_ACTION_PROBABILITY
from .errors import AgentError
from .played_games import LoggedStep, PlayedGames, see

UNLIMITED = 10**9
"""Emulated frames in an episode for ALE's vector environment: the time limit is kept here."""


class _Episode:
    """An episode of one of several games; its game, its number and its actions determine the rest."""

    def __init__(self, place: int, number: int) -> None:
        self.place, self.number = place, number
        self.actions = bytearray()
        self.probs: list[float] = []
        self.rewards: list[float] = []
        self.frames: list[np.ndarray] = []
        self.final_observation: np.ndarray | None = None

    def add(self, frame: np.ndarray, action: int, reward: float, prob: float) -> None:
        """Add a step."""
        self.frames.append(frame)
        self.actions.append(action)
        self.rewards.append(reward)
        self.probs.append(prob)

    def step(self, index: int) -> LoggedStep:
        """Returns a step of the episode, which has ended."""
        is_last = index == len(self.actions) - 1
        final = self.final_observation if is_last else None
        return LoggedStep(
            self.frames[index], self.actions[index], self.rewards[index], is_last, self.probs[index], final
        )

    def state(self) -> dict[str, Any]:
        """Returns what determines the episode, and its final observation if it has ended."""
        final = self.final_observation
        return {
            "place": self.place,
            "number": self.number,
            "actions": torch.frombuffer(bytearray(self.actions) or bytearray(1), dtype=torch.uint8)[
                : len(self.actions)
            ],
            "probs": torch.tensor(self.probs, dtype=torch.float64),
            **({} if final is None else {"final_observation": torch.from_numpy(final)}),
        }


class SeveralGames(PlayedGames):
    """Several games at once on ALE's own threads; whole episodes are logged, in the order in which they end.

    Of episodes that end in the same step, that of the game with the lower number comes first. An episode is
    held in memory until it has ended. Each has a seed of its own, so that a stopped run can play it again.
    ALE's vector environment gives the frames of `AtariEnvironment`, bit for bit, but for one: where a game is
    over in the last of a step's four emulated frames, its final observation can also show what was pooled in
    the step before.
    """

    def __init__(self, game: Game, environments: int, seed: Sequence[int], time_limit: int) -> None:
        try:
            from ale_py.vector_env import AtariVectorEnv
        except ImportError as error:
            raise AgentError(
                f"several games at once need Gymnasium ({error}): "
                f"pip install 'atari-dqn-replay[agents,gymnasium]'"
            ) from None
        self._game, self._seed, self._time_limit = game, tuple(seed), time_limit
        self._vector = AtariVectorEnv(
            game.rom_id,
            num_envs=environments,
            num_threads=min(environments, os.cpu_count() or 1),
            max_num_frames_per_episode=UNLIMITED,
            repeat_action_probability=STICKY_ACTION_PROBABILITY,
            stack_num=1,
            noop_max=0,
            use_fire_reset=False,
            reward_clipping=False,
        )
        self.observation = np.zeros((environments, STACK_SIZE, *FRAME_SHAPE), np.uint8)
        self.playing = np.zeros(environments, bool)
        self._current = [_Episode(place, 0) for place in range(environments)]
        self._ended: deque[_Episode] = deque()
        """The episodes that are to be logged."""
        self._logged = 0
        """Steps of the first of them that were logged."""
        self._actions, self._probs = np.zeros(environments, np.int64), np.zeros(environments)
        self._begin(self._current)

    def send(self, actions: np.ndarray, probs: np.ndarray) -> None:
        """Let the games play a step, on ALE's threads."""
        self._actions, self._probs = actions.astype(np.int64), probs
        self._vector.send(self._actions)

    def receive(self, *, begin_episodes: bool) -> list[float]:
        """Wait for the step, and take in what was played."""
        frames, rewards, terminated, _, _ = self._vector.recv()
        ended = []
        for place in np.flatnonzero(self.playing).tolist():
            episode, stack = self._current[place], self.observation[place]
            action, prob = int(self._actions[place]), float(self._probs[place])
            episode.add(stack[-1].copy(), action, float(rewards[place]), prob)
            if terminated[place] or len(episode.actions) >= self._time_limit:
                episode.final_observation = frames[place, 0].copy()
                ended.append(episode)
            else:
                see(stack, frames[place, 0])
        self._ended.extend(ended)
        for episode in ended:
            self.playing[episode.place] = False
        if begin_episodes and ended:
            self._begin([_Episode(episode.place, episode.number + 1) for episode in ended])
        return [sum(episode.rewards) for episode in ended]

    def next_logged(self) -> LoggedStep | None:
        """Returns the next step of the episodes that have ended."""
        if not self._ended:
            return None
        step = self._ended[0].step(self._logged)
        self._logged += 1
        if step.terminal:
            self._ended.popleft()
            self._logged = 0
        return step

    def state(self) -> dict[str, Any]:
        """Returns the actions of the episodes in progress, and of those that are not logged yet."""
        current = [
            episode if on else _Episode(episode.place, episode.number)  # its last is among those that ended
            for episode, on in zip(self._current, self.playing, strict=True)
        ]
        return {
            "playing": self.playing.tolist(),
            "current": [episode.state() for episode in current],
            "ended": [episode.state() for episode in self._ended],
            "logged": self._logged,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Play the actions of a state again."""
        playing, current = state["playing"], state["current"]
        if len(playing) != len(self._current):
            raise ValueError(f"the state of {len(playing)} games, expected {len(self._current)}")
        self._ended = deque(self._played_again(each) for each in state["ended"])
        self._logged = state["logged"]
        self._current = [_Episode(each["place"], each["number"]) for each in current]
        self.playing[...] = False
        longest = max((len(e["actions"]) for e, on in zip(current, playing, strict=True) if on), default=0)
        begin_at = [longest - len(e["actions"]) if on else -1 for e, on in zip(current, playing, strict=True)]
        # All games are played in step, so that each begins as much later as it has fewer steps.
        for step in range(longest + 1):
            self._begin([e for e, begin in zip(self._current, begin_at, strict=True) if begin == step])
            if step == longest:
                break
            actions, probs = np.zeros(len(current), np.int64), np.zeros(len(current))
            for place in np.flatnonzero(self.playing).tolist():
                actions[place] = current[place]["actions"][step - begin_at[place]]
                probs[place] = current[place]["probs"][step - begin_at[place]]
            self.send(actions, probs)
            if self.receive(begin_episodes=False):
                raise ValueError("an episode ends earlier than it did: with another ale-py or ROM")

    def _begin(self, episodes: Sequence[_Episode]) -> None:
        """Begin episodes in their games; the other games are left as they are."""
        if not episodes:
            return
        places = [episode.place for episode in episodes]
        mask = np.zeros(len(self._current), bool)
        mask[places] = True
        seeds = np.array([self._seed_of(episode.place, episode.number) for episode in episodes])
        frames, _ = self._vector.reset(seed=seeds, options=None if mask.all() else {"reset_mask": mask})
        for episode in episodes:
            place = episode.place
            self._current[place] = episode
            self.observation[place] = 0
            see(self.observation[place], frames[place, 0])
        self.playing |= mask

    def _seed_of(self, place: int, number: int) -> int:
        return int(np.random.SeedSequence([*self._seed, place, number]).generate_state(1)[0] >> 1)

    def _played_again(self, state: Mapping[str, Any]) -> _Episode:
        """Returns an episode that has ended."""
        episode = _Episode(state["place"], state["number"])
        seed = self._seed_of(episode.place, episode.number)
        environment = AtariEnvironment(self._game, seed=seed, time_limit=self._time_limit)
        frame = environment.reset()
        for action, prob in zip(state["actions"].tolist(), state["probs"].tolist(), strict=True):
            after, reward, _, _ = environment.step(action)
            episode.add(frame, action, reward, prob)
            frame = after
        episode.final_observation = state["final_observation"].numpy()
        return episode
