"""d3rlpy's replay buffer, whose batches are gathered from compressed frames when they are sampled."""

# pyright: reportMissingImports=false
from collections.abc import Sequence
from typing import Any, BinaryIO, NoReturn

import numpy as np
from d3rlpy.constants import ActionSpace
from d3rlpy.dataset import (
    BufferProtocol,
    DatasetInfo,
    Episode,
    EpisodeBase,
    FrameStackTrajectorySlicer,
    FrameStackTransitionPicker,
    PartialTrajectory,
    ReplayBufferBase,
    Signature,
    TrajectoryMiniBatch,
    Transition,
    TransitionMiniBatch,
    dump,
)

from ...replay_reader.replay_dataset import ReplayDataset
from .lazy_sequence import LazySequence

EPISODES = np.dtype([("begin", "<i8"), ("length", "<i8"), ("terminated", "?")])
"""Where an episode begins among the dataset's steps, how many it has, and whether the game ended it."""


class AtariReplayBuffer(ReplayBufferBase):
    """A replay buffer whose batches are gathered from the dataset's frames when they are sampled.

    It cannot be appended to. Observations are (num_stack, 84, 84); those before an episode's beginning, and
    what follows a terminal step, are zeros. An episode that the time limit or the end of the log cut off is
    not terminated, and its last step is no transition, as what follows it is unknown.

    Args:
        steps: the dataset.
        episodes: (E,) of dtype EPISODES.
        num_stack: frames in an observation, as `steps` has them.
        seed: of the samples.
    """

    def __init__(self, steps: ReplayDataset, episodes: np.ndarray, num_stack: int, seed: int) -> None:
        self._steps, self._episodes, self._num_stack = steps, episodes, num_stack
        self._random = np.random.default_rng(seed)
        numbers = steps.numbers()
        self._action, self._reward = numbers["action"], numbers["reward"]
        # Of an episode that was cut off, the last step is no transition.
        self._transitions = np.cumsum(episodes["length"] - ~episodes["terminated"])
        self._buffer = _Buffer(self)
        self._action_size = len(steps.action_names)

    def sample_transition(self) -> Transition:
        """Returns a transition, all equally likely."""
        return self._transition(*(values[0] for values in self._draw(1)))

    def sample_transition_batch(self, batch_size: int) -> TransitionMiniBatch:
        """Returns a batch of transitions, all equally likely."""
        episode, offset = self._draw(batch_size)
        index = self._episodes["begin"][episode] + offset
        batch = self._steps.gather(index)
        following = offset + 1 < self._episodes["length"][episode]
        next_action = np.where(following, self._action[np.minimum(index + 1, len(self._action) - 1)], 0)
        return TransitionMiniBatch(
            observations=batch["observation"].astype(np.float32),
            actions=_column(self._action[index]),
            rewards=_column(batch["reward"]),
            next_observations=batch["next_observation"].astype(np.float32),
            next_actions=_column(next_action),
            terminals=_column(batch["terminated"]),
            intervals=np.ones((batch_size, 1), np.float32),
            transitions=LazySequence(batch_size, lambda k: self._transition(episode[k], offset[k])),
        )

    def sample_trajectory(self, length: int) -> PartialTrajectory:
        """Returns steps that end at a transition, all equally likely, with zeros before their episode."""
        fields = {name: values[0] for name, values in self._windows(1, length).items()}
        fields["timesteps"] = fields["timesteps"].astype(np.int32)
        return PartialTrajectory(**fields, length=length)

    def sample_trajectory_batch(self, batch_size: int, length: int) -> TrajectoryMiniBatch:
        """Returns a batch of what `sample_trajectory` returns."""
        fields = self._windows(batch_size, length)
        fields["observations"] = fields["observations"].astype(np.float32)
        return TrajectoryMiniBatch(**fields, length=length)

    @property
    def episodes(self) -> Sequence[EpisodeBase]:
        """Returns the episodes in order of play, each read when it is accessed."""
        return LazySequence(len(self._episodes), self.episode)

    def episode(self, number: int) -> Episode:
        """Returns one episode, whose observations are single frames, (L, 1, 84, 84)."""
        begin, length = (int(self._episodes[name][number]) for name in ("begin", "length"))
        return Episode(
            observations=self._steps.frames(np.arange(begin, begin + length))[:, None],
            actions=self._action[begin : begin + length, None],
            rewards=self._reward[begin : begin + length, None],
            terminated=bool(self._episodes["terminated"][number]),
        )

    def size(self) -> int:
        """Returns the number of episodes."""
        return len(self._episodes)

    @property
    def transition_count(self) -> int:
        """Returns the number of transitions."""
        return int(self._transitions[-1])

    @property
    def buffer(self) -> BufferProtocol:
        """Returns the transitions by number, each as an episode and a step of it."""
        return self._buffer

    @property
    def transition_picker(self) -> FrameStackTransitionPicker:
        """Returns a picker that makes the same transitions of `episodes`."""
        return FrameStackTransitionPicker(self._num_stack)

    @property
    def trajectory_slicer(self) -> FrameStackTrajectorySlicer:
        """Returns a slicer that makes the same windows of `episodes`."""
        return FrameStackTrajectorySlicer(self._num_stack)

    @property
    def dataset_info(self) -> DatasetInfo:
        """Returns shapes and dtypes, and the number of actions."""
        return DatasetInfo(
            observation_signature=Signature([np.dtype(np.uint8)], [(self._num_stack, 84, 84)]),
            action_signature=Signature([self._action.dtype], [(1,)]),
            reward_signature=Signature([self._reward.dtype], [(1,)]),
            action_space=ActionSpace.DISCRETE,
            action_size=self._action_size,
        )

    def dump(self, f: BinaryIO) -> None:
        """Write all episodes as d3rlpy's HDF5: 7 GB per million steps."""
        dump(self.episodes, f)

    def append(self, *arguments: Any, **options: Any) -> NoReturn:
        """Raise an error: the dataset is what was logged."""
        raise NotImplementedError("a published dataset cannot be appended to")

    append_episode = clip_episode = append

    @classmethod
    def from_episode_generator(cls, *arguments: Any, **options: Any) -> NoReturn:
        """Raise an error: `get_atari` makes the buffer."""
        raise NotImplementedError("use get_atari or get_atari_transitions")

    load = from_episode_generator

    def place(self, number: int) -> tuple[int, int]:
        """Returns the numbers of a transition's episode and of its step within it."""
        if not 0 <= number < self.transition_count:
            raise IndexError(f"transition {number} is out of range for {self.transition_count:,}")
        episode, offset = self._places(np.array([number]))
        return int(episode[0]), int(offset[0])

    def _draw(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        return self._places(self._random.integers(self.transition_count, size=count))

    def _places(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        episode = np.searchsorted(self._transitions, numbers, "right")
        counted = self._transitions[episode] - self._transition_counts(episode)
        return episode, numbers - counted

    def _transition_counts(self, episode: np.ndarray) -> np.ndarray:
        return self._episodes["length"][episode] - ~self._episodes["terminated"][episode]

    def _transition(self, episode: int, offset: int) -> Transition:
        begin, length = (int(self._episodes[name][episode]) for name in ("begin", "length"))
        index = begin + int(offset)
        found = self._steps[index]
        last = offset + 1 == length
        return Transition(
            observation=found["observation"],
            action=self._action[index, None],
            reward=self._reward[index, None],
            next_observation=found["next_observation"],
            next_action=np.zeros_like(self._action[:1]) if last else self._action[index + 1, None],
            terminal=float(found["terminated"]),
            interval=1,
            rewards_to_go=self._reward[index : begin + length, None],
        )

    def _windows(self, count: int, length: int) -> dict[str, np.ndarray]:
        episode, last = self._draw(count)
        begin, total = self._episodes["begin"][episode, None], self._episodes["length"][episode, None]
        offset = last[:, None] - np.arange(length - 1, -1, -1)
        mask = offset >= 0
        index = np.where(mask, begin + offset, 0)
        ends = mask & (offset == total - 1) & self._episodes["terminated"][episode, None]

        def column(values: np.ndarray) -> np.ndarray:
            return np.where(mask, values, 0).astype(np.float32)[..., None]

        return {
            "observations": self._stacks(begin, offset),
            "actions": column(self._action[index]),
            "rewards": column(self._reward[index]),
            "returns_to_go": column(self._returns_to_go(begin, total, offset, index)),
            "terminals": column(ends),
            "timesteps": np.where(mask, offset + 1, 0).astype(np.float32),
            "masks": mask.astype(np.float32),
        }

    def _returns_to_go(
        self, begin: np.ndarray, total: np.ndarray, offset: np.ndarray, index: np.ndarray
    ) -> np.ndarray:
        """Returns the sum of rewards from each step of the windows to its episode's end."""
        last = offset[:, -1:]
        after = [
            self._reward[start:stop].sum(dtype=np.float64)
            for start, stop in zip((begin + last + 1).ravel(), (begin + total).ravel(), strict=True)
        ]
        reward = np.where(offset >= 0, self._reward[index], 0).astype(np.float64)
        return np.cumsum(reward[:, ::-1], axis=1)[:, ::-1] + np.array(after)[:, None]

    def _stacks(self, begin: np.ndarray, offset: np.ndarray) -> np.ndarray:
        """Returns stacks, (B, T, num_stack, 84, 84) uint8, reading each frame once."""
        more = self._num_stack - 1
        wanted = np.concatenate([offset[:, :1] - np.arange(more, 0, -1), offset], axis=1)
        inside = wanted >= 0
        frames = np.zeros((*wanted.shape, 84, 84), np.uint8)
        frames[inside] = self._steps.frames((begin + wanted)[inside])
        stacks = np.lib.stride_tricks.sliding_window_view(frames, self._num_stack, axis=1)
        stacks = np.moveaxis(stacks, -1, 2).copy()
        stacks[offset < 0] = 0
        return stacks


class _Buffer(BufferProtocol):
    """Looks up transitions by number, which d3rlpy calls a buffer."""

    def __init__(self, owner: AtariReplayBuffer) -> None:
        self._owner = owner

    def append(self, episode: EpisodeBase, index: int) -> NoReturn:
        raise NotImplementedError("a published dataset cannot be appended to")

    @property
    def episodes(self) -> Sequence[EpisodeBase]:
        return self._owner.episodes

    @property
    def transition_count(self) -> int:
        return self._owner.transition_count

    def __len__(self) -> int:
        return self._owner.transition_count

    def __getitem__(self, index: int) -> tuple[EpisodeBase, int]:
        episode, offset = self._owner.place(index)
        return self._owner.episode(episode), offset


def _column(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32)[:, None]
