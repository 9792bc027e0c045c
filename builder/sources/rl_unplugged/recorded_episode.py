"""Decodes and checks the record of an episode, in RL Unplugged's form and in TFDS's form of the same.

RL Unplugged (Gulcehre et al., 2020) keeps an episode as lists of equal length n, one entry per observation:

    observations        PNGs, 84×84, grey
    actions             int64, taken at the observation
    unclipped_rewards   float32, received for the action; and clipped_rewards, the same clipped to [-1, 1]
    discounts           float32, received *with* the observation: one place later than the action's reward

with checkpoint_idx and episode_idx, both from 0, and the sums episode_return and clipped_episode_return. If
the last discount is 0, the game was over and the last entry is only the observation seen then: its action and
reward mean nothing, and n - 1 transitions remain. Otherwise all n entries are transitions. TensorFlow
Datasets reads these files in the same way (`rl_unplugged/atari_utils.py`), and every episode is checked: the
rewards of the transitions must add up to both returns, and the unclipped rewards must clip to the clipped
ones.

A discount of 0 may mean either the end of the game or the time limit, as the terminal flag does in the
logs that were exported: an episode of exactly 27,000 transitions is truncated. No episode has more, so the
last of 27,001 entries is never a transition. An episode that ends in none of these ways is cut.

TensorFlow Datasets' `rlu_atari_checkpoints_ordered` holds the same entries as `steps/…`, with the discounts
moved to their actions' places if the last is 0. Its version 1.1.0 kept only the unclipped rewards, and
documents them as clipped, since both are clipped in RL Unplugged's
published files, as a note in its source says.
"""

from dataclasses import dataclass, replace

import numpy as np

from ...errors import SourceError
from ...format.games import Game
from ...format.protocol import TIME_LIMIT
from ..checks import check_actions
from ..run import Episode
from .png_frames import PngDecoder, decode_pngs
from .tf_example import Example

MOST_CHECKPOINTS = 10_000
MOST_EPISODES = 1 << 31

_AGAIN = "copy the file again"


@dataclass(frozen=True, order=True)
class EpisodeKey:
    """The checkpoint and episode number of an episode; keys sort in order of play."""

    checkpoint: int
    episode: int


@dataclass(frozen=True)
class RecordedEpisode:
    """One episode's transitions, with the frames still as PNGs; arrays have shape (length,)."""

    where: str
    key: EpisodeKey
    observations: list[bytes]
    final_observation: bytes | None
    action: np.ndarray
    """int32"""
    reward: np.ndarray
    """float32, clipped"""
    unclipped_reward: np.ndarray
    """float32, named unclipped in the record"""
    over: bool
    """Whether the game or the time limit ended the episode."""

    @property
    def entries(self) -> int:
        """The number of observations in the record."""
        return len(self.observations) + (self.final_observation is not None)

    def episode(self, decoder: PngDecoder) -> Episode:
        """Returns the episode in the common form of all sources."""
        final, out_of_time = self.final_observation, len(self.action) == TIME_LIMIT
        return Episode(
            checkpoint=self.key.checkpoint,
            number=self.key.episode,
            action=self.action,
            reward=self.reward,
            terminated=self.over and not out_of_time,
            truncated=out_of_time,
            complete=self.over or out_of_time,
            joined=False,
            frames=decoder.decode(self.observations, self.where),
            unclipped_reward=self.unclipped_reward,
            final_observation=None if final is None else decode_pngs([final], f"{self.where}, at the end")[0],
        )


@dataclass(frozen=True)
class RecordForm:
    """The feature names of a record, and how its lists align."""

    gzipped: bool
    """Whether the files are gzipped."""
    checkpoint: str
    episode: str
    observation: str
    action: str
    discount: str
    discount_lag: int
    """How many places after its action the discount of an ended game's transition is stored."""
    unclipped_reward: str
    unclipped_return: str
    reward: str | None
    """The feature of the clipped reward; None if it is computed from the unclipped one."""
    clipped_return: str | None

    def key(self, example: Example) -> EpisodeKey:
        """Returns the episode's key, without unpacking the rest of the record.

        Raises:
            SourceError: the record has a different form, or its numbers are out of bounds.
        """
        if "o_t" in example.names:
            raise SourceError(
                f"{example.where}: holds single transitions in shuffled order (RL Unplugged's `atari`), from "
                f"which episodes cannot be had; use `atari_episodes_ordered` or `atari_episodes_v2` instead"
            )
        checkpoint, episode = example.integer(self.checkpoint), example.integer(self.episode)
        if not (0 <= checkpoint < MOST_CHECKPOINTS and 0 <= episode < MOST_EPISODES):
            raise SourceError(
                f"{example.where}: is said to be episode {episode} of checkpoint {checkpoint}; {_AGAIN}"
            )
        return EpisodeKey(checkpoint, episode)

    def entries(self, example: Example) -> int:
        """Returns the number of observations in the record, without unpacking them."""
        return len(example.floats(self.discount))

    def read(self, example: Example, game: Game) -> RecordedEpisode:
        """Returns the episode, checked as described in the module docstring.

        Raises:
            SourceError: a feature is missing or has the wrong type or length, or the rewards do not add up.
        """
        key = self.key(example)
        discounts, actions = example.floats(self.discount), example.integers(self.action)
        observations = example.blobs(self.observation)
        _check_length(example, self.action, len(actions), len(discounts))
        _check_length(example, self.observation, len(observations), len(discounts))
        over = self._is_over(example, discounts)
        seen_only = over or len(discounts) == TIME_LIMIT + 1
        played = len(discounts) - seen_only
        if played == 0:
            raise SourceError(f"{example.where}: is an episode without a transition; {_AGAIN}")
        reward, unclipped_reward = self._rewards(example, len(discounts), played)
        return RecordedEpisode(
            where=example.where,
            key=key,
            observations=observations[:played],
            final_observation=observations[-1] if seen_only else None,
            action=check_actions(actions[:played], game, example.where),
            reward=reward,
            unclipped_reward=unclipped_reward,
            over=over,
        )

    def _is_over(self, example: Example, discounts: np.ndarray) -> bool:
        over = len(discounts) > 0 and bool(discounts[-1] == 0)
        before_the_end = discounts[self.discount_lag :][: len(discounts) - 2] if over else discounts[1:]
        if not (before_the_end > 0).all():
            raise SourceError(
                f"{example.where}: a discount before the episode's end is not above 0; {_AGAIN}"
            )
        return over

    def _rewards(self, example: Example, entries: int, played: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the transitions' clipped and unclipped rewards."""
        unclipped = _rewards(example, self.unclipped_reward, self.unclipped_return, entries, played)
        clipped = np.clip(unclipped, -1, 1)
        if self.reward is not None and self.clipped_return is not None:
            stored = _rewards(example, self.reward, self.clipped_return, entries, played)
            if not (stored == clipped).all():
                rewards = f"{self.reward} are not {self.unclipped_reward}"
                raise SourceError(f"{example.where}: {rewards} clipped to [-1, 1]; {_AGAIN}")
        return clipped, unclipped


RL_UNPLUGGED = RecordForm(
    gzipped=True,
    checkpoint="checkpoint_idx",
    episode="episode_idx",
    observation="observations",
    action="actions",
    discount="discounts",
    discount_lag=1,
    unclipped_reward="unclipped_rewards",
    unclipped_return="episode_return",
    reward="clipped_rewards",
    clipped_return="clipped_episode_return",
)

TFDS_1_0 = RecordForm(
    gzipped=False,
    checkpoint="checkpoint_id",
    episode="episode_id",
    observation="steps/observation",
    action="steps/action",
    discount="steps/discount",
    discount_lag=0,
    unclipped_reward="steps/reward",
    unclipped_return="episode_return",
    reward="steps/clipped_reward",
    clipped_return="clipped_episode_return",
)

TFDS_1_1 = replace(TFDS_1_0, reward=None, clipped_return=None)


def _rewards(example: Example, name: str, return_name: str, entries: int, played: int) -> np.ndarray:
    """Returns the transitions' rewards from a list, which must add up to the return.

    The sums may differ by float32 rounding; rewards are whole numbers in every game.
    """
    rewards = example.floats(name)
    _check_length(example, name, len(rewards), entries)
    rewards = rewards[:played]
    stated, found = example.number(return_name), float(rewards.sum(dtype=np.float64))
    slack = 1e-7 * float(np.abs(rewards).sum(dtype=np.float64)) + 1e-3
    if not (np.isfinite(slack) and abs(stated - found) <= slack):
        raise SourceError(
            f"{example.where}: {name} add up to {found:g} over the {played:,} transitions, but {return_name} "
            f"is {stated:g}; the file is damaged or of another form"
        )
    return rewards


def _check_length(example: Example, name: str, found: int, entries: int) -> None:
    if found != entries:
        raise SourceError(f"{example.where}: has {entries:,} discounts but {found:,} {name}; {_AGAIN}")
