"""d3rlpy's functions that return a dataset and its environment."""

# pyright: reportMissingImports=false
import os
from typing import Any

import gymnasium
import numpy as np
from gymnasium.wrappers import FrameStackObservation

from ...builder.errors import UnknownNameError
from ...builder.format.games import find_game
from ...replay_reader.replay_dataset import ReplayDataset
from ..d4rl_atari import OfflineAtariEnv
from ..selection import Place, open_steps
from .replay_buffer import EPISODES, AtariReplayBuffer


def get_atari(
    env_name: str,
    num_stack: int | None = None,
    sticky_action: bool = True,
    pre_stack: bool = False,
    render_mode: str | None = None,
    *,
    dataset: Place | None = None,
    by_file_number: bool = False,
    seed: int = 0,
    cache_dir: str | os.PathLike[str] | None = None,
) -> tuple[AtariReplayBuffer, gymnasium.Env[Any, Any]]:
    """Returns a dataset of d4rl-atari and its environment, like `d3rlpy.datasets.get_atari`.

    Args:
        env_name: `breakout-mixed-v0` and the like; see `d4rl_atari`.
        num_stack: frames in an observation, of the dataset and of the environment.
        sticky_action: repeat the last action with a probability of 0.25, as in the dataset.
        pre_stack: has no effect: stacks take no memory.
        render_mode: `rgb_array` or `human`.
        dataset: the built dataset, a folder or a repo on the Hub; None takes it from the environment variable
            ATARI_DQN_REPLAY_DATASET.
        by_file_number: `mixed`, `medium` and `expert` are the log files 1, 10 and 50, as d4rl-atari has them;
            else checkpoints 0, 9 and the last complete one.
        seed: of the samples.
        cache_dir: where prepared frames are kept; None is the assets folder of the Hugging Face cache.

    Returns:
        A replay buffer, and a Gymnasium environment whose observations are (num_stack or 1, 84, 84) uint8.

    Raises:
        AtariReplayError: there is no such dataset, or it lacks this game, run or quality.

    Example:

    ```python
    >>> from atari_dqn_replay.interop.d3rlpy import get_atari
    >>> dataset, env = get_atari("breakout-mixed-v0", num_stack=4, dataset="me/atari-dqn-replay")
    >>> dqn = d3rlpy.algos.DQNConfig(
    ...     observation_scaler=d3rlpy.preprocessing.PixelObservationScaler()
    ... ).create()
    >>> dqn.fit(dataset, n_steps=100_000)
    ```
    """
    game, view, run = _parse(env_name)
    env = OfflineAtariEnv(
        game,
        run,
        view,
        sticky_action=sticky_action,
        render_mode=render_mode,  # pyright: ignore[reportArgumentType]
        dataset=dataset,
        by_file_number=by_file_number,
        cache_dir=cache_dir,
    )
    steps = open_steps(dataset, env.game, run, view=env.view, frame_stack=num_stack or 1, cache_dir=cache_dir)
    episodes = _with_transitions(_whole_episodes(steps))
    return AtariReplayBuffer(steps, episodes, num_stack or 1, seed), _stacked(env, num_stack)


def get_atari_transitions(
    game_name: str,
    fraction: float = 0.01,
    index: int = 0,
    num_stack: int | None = None,
    sticky_action: bool = True,
    pre_stack: bool = False,
    render_mode: str | None = None,
    *,
    dataset: Place | None = None,
    seed: int = 0,
    cache_dir: str | os.PathLike[str] | None = None,
) -> tuple[AtariReplayBuffer, gymnasium.Env[Any, Any]]:
    """Returns a share of each checkpoint's steps, like `d3rlpy.datasets.get_atari_transitions`.

    From each checkpoint whole episodes are taken at random until its share is there, the last one cut off.
    The same seed takes the same episodes from the same dataset, for everybody.

    Args:
        game_name: in any spelling.
        fraction: of the steps.
        index: the run, 0 to 4.
        num_stack: frames in an observation, of the dataset and of the environment.
        sticky_action: repeat the last action with a probability of 0.25, as in the dataset.
        pre_stack: has no effect: stacks take no memory.
        render_mode: `rgb_array` or `human`.
        dataset: the built dataset; None takes it from the environment variable ATARI_DQN_REPLAY_DATASET.
        seed: of the choice and of the samples.
        cache_dir: where prepared frames are kept; None is the assets folder of the Hugging Face cache.

    Returns:
        As of `get_atari`.

    Raises:
        AtariReplayError: there is no such dataset, or it lacks this game or run; or the fraction is none.
    """
    if not 0 < fraction <= 1:
        raise UnknownNameError(f"fraction={fraction}: expected a share above 0 and up to 1, e.g. 0.01")
    env = OfflineAtariEnv(
        game_name,
        index + 1,
        "full",
        sticky_action=sticky_action,
        render_mode=render_mode,  # pyright: ignore[reportArgumentType]
        dataset=dataset,
        cache_dir=cache_dir,
    )
    steps = open_steps(dataset, env.game, index + 1, frame_stack=num_stack or 1, cache_dir=cache_dir)
    episodes = _with_transitions(_share_of_each_checkpoint(steps, fraction, seed))
    return AtariReplayBuffer(steps, episodes, num_stack or 1, seed), _stacked(env, num_stack)


def _whole_episodes(steps: ReplayDataset) -> np.ndarray:
    episodes = np.empty(len(steps.episodes), EPISODES)
    episodes["length"], episodes["terminated"] = steps.episodes["length"], steps.episodes["terminated"]
    episodes["begin"] = np.cumsum(episodes["length"]) - episodes["length"]
    return episodes


def _with_transitions(episodes: np.ndarray) -> np.ndarray:
    """Returns the episodes that have a transition: the only step of one that was cut off is none."""
    return episodes[episodes["terminated"] | (episodes["length"] > 1)]


def _share_of_each_checkpoint(steps: ReplayDataset, fraction: float, seed: int) -> np.ndarray:
    episodes = _whole_episodes(steps)
    random, taken = np.random.default_rng(seed), []
    for checkpoint in np.unique(steps.episodes["checkpoint"]):
        own = episodes[steps.episodes["checkpoint"] == checkpoint]
        wanted = max(1, int(own["length"].sum() * fraction))
        own = own[random.permutation(len(own))]
        before = np.cumsum(own["length"]) - own["length"]
        own, before = own[before < wanted], before[before < wanted]
        cut = before + own["length"] > wanted
        own["terminated"] &= ~cut
        own["length"] = np.minimum(own["length"], wanted - before)
        taken.append(own)
    return np.sort(np.concatenate(taken), order="begin")


def _parse(env_name: str) -> tuple[str, str, int]:
    """Returns the game, the quality and the run of `breakout-mixed-v0`."""
    name, _, version = env_name.rpartition("-v")
    game, _, quality = name.rpartition("-")
    if quality.isdecimal() and game.endswith("-epoch"):
        game, quality = game.removesuffix("-epoch"), f"epoch-{quality}"
    if not version.isdecimal() or not game:
        raise UnknownNameError(f"unknown dataset {env_name!r}: expected <game>-<quality>-v<0 to 4>")
    return find_game(game).slug, quality, int(version) + 1


def _stacked(env: OfflineAtariEnv, num_stack: int | None) -> gymnasium.Env[Any, Any]:
    return FrameStackObservation(env, num_stack or 1, padding_type="zero")
