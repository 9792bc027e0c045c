"""Newly played episodes of a world: played by a policy in several environments, a file for each episode.

What an episode holds depends on the settings and on its place alone, so environments are played in any order,
by any number of processes, and a collection that was killed goes on after the episodes that it has.
"""

import functools
import io
import itertools
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import OutputError
from ..files import TEMPORARY_SUFFIX, replacing, writing_alone
from ..format.games import Game
from ..format.packed_png import packed_png
from ..format.played_episodes import MOST_EPISODES, EpisodeName
from ..format.provenance import COLLECTED, FILE_NAME, Provenance
from ..terminal.progress import progress_bar
from ..worlds.world import Environment, Policy
from .already_there import is_there
from .workers import in_processes
from .world_settings import WorldSettings

COMPRESSION = 1
"""zlib's level: higher ones take longer than playing does, for files that are read once."""
AfterStep = Callable[[int], object]


@dataclass(frozen=True)
class CollectedWorld:
    """A collected run; its text is what the command line prints."""

    folder: Path
    episodes: int = 0
    steps: int = 0
    mean_return: float = 0.0
    already_there: bool = False
    """Whether the same run was already complete; nothing was done then."""

    def __str__(self) -> str:
        if self.already_there:
            return f"{self.folder}: already there, collected with the same settings"
        return (
            f"{self.folder}: {self.steps:,} steps in {self.episodes:,} episodes, "
            f"mean return {self.mean_return:.2f}"
        )


def collect_world(
    game: Game,
    out: Path,
    *,
    policy: str | None = None,
    environments: int = 1,
    steps: int = 10_000,
    own_maps: bool = False,
    run: int = 1,
    seed: int = 0,
    time_limit: int | None = None,
    workers: int = 1,
) -> CollectedWorld:
    """Play a world and keep each episode in a file, for `build`; see `format.played_episodes`.

    The same arguments produce the same bytes, whatever the number of workers. If it is killed and run again,
    it goes on after the episodes that it has finished. The last episode of each environment is cut where its
    steps are played.

    Args:
        game: a world beyond Atari, such as Crafter.
        out: the root folder; the episodes go to `<out>/<Game>/<run>/episodes`.
        policy: the name of one of the world's policies; by default its first.
        environments: the number of players, each in a world of its own.
        steps: the number of steps that all of them play together.
        own_maps: whether the worlds of each environment differ from the others'; by default the first
            episodes of all environments have the same map, and so on.
        run: the number of the run; each run plays differently.
        seed: the seed of all random choices.
        time_limit: the number of steps after which an episode is truncated; by default the world's.
        workers: the number of processes.

    Raises:
        UnknownNameError: there is no such policy.
        OutputError: a number is too small or too large, the folder holds something else, or it cannot be
            written.
        AtariReplayError: the world's package is not installed.
    """
    world = game.world
    if world is None:
        raise OutputError(f"{game} is a game of Atari, whose play is logged by `collect`")
    chosen = policy or next(iter(world.policies))
    settings = WorldSettings(game, out, chosen, environments, steps, own_maps, run, seed, time_limit)
    settings.check()
    if workers < 1:
        raise OutputError(f"workers {workers} is too small: expected 1 or more")
    world.environment(0)  # if the package is missing, say so before anything is written
    provenance = Provenance(COLLECTED, settings.details())
    if is_there(settings.folder, provenance):
        return CollectedWorld(settings.folder, already_there=True)
    working = settings.folder.with_name(settings.folder.name + TEMPORARY_SUFFIX)
    try:
        with writing_alone(working.parent):
            if not is_there(working, provenance):
                working.mkdir(parents=True, exist_ok=True)
                with replacing(working / FILE_NAME) as path:
                    path.write_text(provenance.to_json(), encoding="utf-8")
            played = _play(settings, working, workers)
            working.rename(settings.folder)
    except OSError as error:
        raise OutputError(f"cannot write the episodes {settings.folder}: {error}") from error
    returns = [value for each in played for value in each]
    return CollectedWorld(settings.folder, len(returns), settings.steps, float(np.mean(returns)))


def _play(settings: WorldSettings, folder: Path, workers: int) -> list[list[float]]:
    """Play what is missing in a folder; return the returns of all episodes, by worker."""
    description, total = f"collect {settings.game.slug} run {settings.run}", settings.steps
    groups = min(workers, settings.environments)
    numbers = [range(settings.environments)[place::groups] for place in range(groups)]
    play = functools.partial(_play_environments, settings, folder)
    if groups > 1:
        return in_processes(play, numbers, groups, description=description, unit="step", total=total)
    with progress_bar(description=description, unit="step", total=total) as bar:
        return [play(numbers[0], bar.update)]


def _play_environments(
    settings: WorldSettings, folder: Path, numbers: Sequence[int], after_step: AfterStep
) -> list[float]:
    """Play some environments' episodes, except those that are there; return the return of each.

    All first episodes come first, then all second ones: those of one map then share what it takes to make it.
    """
    seeds = {number: settings.world_seed(number) for number in numbers}
    environments = {
        seed: settings.world.environment(seed, settings.limit) for seed in dict.fromkeys(seeds.values())
    }
    left, returns = {number: settings.steps_of(number) for number in numbers}, []
    try:
        for episode in itertools.count():
            if not any(left.values()):
                return returns
            if episode == MOST_EPISODES:
                raise OutputError(f"{folder}: more than {MOST_EPISODES:,} episodes of one environment")
            pictures: dict[int, dict[str, np.ndarray]] = {}
            for number in (each for each in numbers if left[each]):
                path, seed = folder / str(EpisodeName(episode, number)), seeds[number]
                reward = _kept_rewards(path)
                if reward is None:
                    random = settings.policy_random(number, episode)
                    policy = settings.world.policies[settings.policy](len(settings.world.actions), random)
                    arrays = _play_episode(environments[seed], policy, episode, left[number], after_step)
                    arrays["origin"] = np.array([number, seed, episode], np.int64)
                    if seed not in pictures:
                        pictures[seed] = _pngs_of(environments[seed].maps())
                    with replacing(path) as temporary:
                        write_npz(temporary, arrays | pictures[seed])
                    reward = arrays["reward"]
                else:
                    after_step(len(reward))
                left[number] -= len(reward)
                returns.append(float(reward.sum(dtype=np.float64)))
    finally:
        for environment in environments.values():
            environment.close()
    raise AssertionError("there is always another episode")


def _kept_rewards(path: Path) -> np.ndarray | None:
    """Returns the rewards of an episode that was played before; None if it is missing or damaged."""
    try:
        with zipfile.ZipFile(path) as file:
            if file.testzip() is not None:
                return None
        with np.load(path, allow_pickle=False) as kept:
            return kept["reward"]
    except (FileNotFoundError, EOFError, KeyError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error):
        return None  # played again, it is the same


def _pngs_of(maps: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.frombuffer(packed_png(image), np.uint8) for name, image in maps.items()}


def _play_episode(
    environment: Environment, policy: Policy, episode: int, most: int, after_step: AfterStep
) -> dict[str, np.ndarray]:
    """Play an episode to its end, or for as many steps as are left; return the arrays of its file."""
    observation, state = environment.reset(episode)
    environment.maps()  # as they are at the reset; who asks again gets the same
    observations, states = [observation], [[*state.values()]]
    actions: list[int] = []
    rewards: list[float] = []
    terminated = truncated = False
    while not (terminated or truncated) and len(actions) < most:
        actions.append(policy.act())
        observation, reward, terminated, truncated, state = environment.step(actions[-1])
        rewards.append(reward)
        observations.append(observation)
        states.append([*state.values()])
        after_step(1)
    return {
        "observation": np.stack(observations[:-1]),
        "final_observation": observations[-1],
        "state": np.array(states, np.int16),
        "action": np.array(actions, np.int32),
        "reward": np.array(rewards, np.float32),
        "end": np.array([terminated, truncated], np.uint8),
    }


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write an `.npz` that depends only on the arrays: it stores no time of day."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION) as file:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.ascontiguousarray(array), allow_pickle=False)
            # Opened by name, an entry would have the current time.
            entry = zipfile.ZipInfo(f"{name}.npy")
            entry.compress_type = zipfile.ZIP_DEFLATED
            with file.open(entry, "w") as member:
                member.write(content.getbuffer())
