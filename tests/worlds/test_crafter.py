"""Crafter is played as its package plays it, and the same way in every process."""

import hashlib
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import groupby, islice
from typing import Any

import numpy as np
import pytest
from atari_dqn_replay.builder.worlds.crafter import (
    ACHIEVEMENTS,
    ACTIONS,
    ITEMS,
    CrafterEnvironment,
    HeuristicPolicy,
)
from paths import ROOT

crafter: Any = pytest.importorskip("crafter")
pytest.importorskip("numba", reason="without it a world takes seconds")


def test_its_names_are_those_of_the_package() -> None:
    constants: Any = crafter.constants
    assert list(ACTIONS) == constants.actions
    assert list(ITEMS) == list(constants.items)
    assert list(ACHIEVEMENTS) == constants.achievements


@pytest.mark.slow
def test_each_step_is_what_the_package_itself_plays() -> None:
    theirs = crafter.Env(seed=3)
    ours = CrafterEnvironment(seed=3)
    random = np.random.default_rng(0)
    for episode in range(2):
        expected = theirs.reset()
        found, _ = ours.reset(episode)
        np.testing.assert_array_equal(found, expected)
        # Their chunks are put in order as well: only this is not reproducible.
        theirs._world._chunks = _in_order(theirs._world._chunks, ours._env._world._chunks)
        for env in (theirs, ours._env):
            env._step = 170  # soon it is night
            if episode == 1:  # at the edge of the world, where the view has fields outside
                x, y = np.argwhere((env._world._mat_map == 2) & (env._world._obj_map == 0))[0]
                env._world.move(env._player, (x, y))
        for _ in range(120):
            action = int(random.integers(len(ACTIONS)))
            expected, reward, done, info = theirs.step(action)
            found, our_reward, terminated, truncated, state = ours.step(action)
            np.testing.assert_array_equal(found, expected)
            assert (our_reward, terminated or truncated) == (reward, done)
            assert (state["player_x"], state["player_y"]) == tuple(info["player_pos"])
            assert {item: state[f"inventory_{item}"] for item in ITEMS} == info["inventory"]
            assert {each: state[f"achievement_{each}"] for each in ACHIEVEMENTS} == info["achievements"]
            if done:
                break


def test_episodes_start_in_any_order() -> None:
    environment = CrafterEnvironment(seed=8)
    first, _ = environment.reset(0)
    environment.reset(1)
    np.testing.assert_array_equal(environment.reset(0)[0], first)


@pytest.mark.slow
def test_the_map_is_what_the_package_draws_of_the_whole_world() -> None:
    environment = CrafterEnvironment(seed=5)
    environment.reset(1)
    whole = crafter.Env(area=(64, 64), view=(64, 64), size=1024, seed=5)
    whole._episode = 1
    np.testing.assert_array_equal(environment.maps()["map"], whole.reset())
    np.testing.assert_array_equal(environment.maps()["terrain"], whole._sem_view().T)


def test_the_time_limit_truncates_and_death_terminates() -> None:
    environment = CrafterEnvironment(seed=0, time_limit=5)
    environment.reset(0)
    ends = [environment.step(0)[2:4] for _ in range(5)]
    assert ends == [(False, False)] * 4 + [(False, True)]
    environment.reset(0)
    environment._env._player.health = 0
    assert environment.step(0)[2:4] == (True, False)


PLAY = """
import hashlib, sys
import numpy as np
from atari_dqn_replay.builder.worlds.crafter import CrafterEnvironment, HeuristicPolicy
elsewhere = [object() for _ in range(int(sys.argv[1]))]  # other addresses for what follows
environment, digest, episode = CrafterEnvironment(seed=5), hashlib.sha256(), 0
policy = HeuristicPolicy(17, np.random.default_rng(0))
observation, state = environment.reset(episode)
for _ in range(2000):
    digest.update(observation.tobytes() + repr(state).encode())
    observation, reward, terminated, truncated, state = environment.step(policy.act())
    if terminated or truncated:
        episode += 1
        observation, state = environment.reset(episode)
print(digest.hexdigest(), episode)
"""


@pytest.mark.slow
def test_two_processes_play_the_same_2000_steps() -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PLAY, str(objects)],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed, objects in (("1", 0), ("2", 77_777))
    ]
    first, second = (process.communicate()[0] for process in processes)
    assert first == second
    assert len(first.split()[0]) == hashlib.sha256().digest_size * 2


def test_the_heuristic_policy_keeps_to_its_numbers() -> None:
    def actions() -> Iterator[str]:
        policy = HeuristicPolicy(len(ACTIONS), np.random.default_rng(0))
        while True:
            yield ACTIONS[policy.act()]

    lengths: dict[str, Counter[int]] = {}
    for name, same in groupby(islice(actions(), 30_000)):
        lengths.setdefault(name, Counter())[len(list(same))] += 1
    total = {name: sum(each.values()) for name, each in lengths.items()}
    assert total.keys() == {*ACTIONS}
    # A draw that repeats the action before joins two stretches, which happens to one in seventeen.
    assert set(range(1, 8)) <= lengths["move_left"].keys()
    assert {2, 3, 4} <= lengths["do"].keys() and 1 not in lengths["do"]
    assert 0.05 < total["sleep"] / total["noop"] < 0.2


def _in_order(chunks: Any, order: Any) -> Any:
    """Returns the package's chunks with each one's objects in the order in which they came."""
    kinds = type(next(iter(order.values())))
    ordered = type(order)(kinds)
    for key, objects in chunks.items():
        world_order = sorted(objects, key=lambda each: each.world._objects.index(each))
        for each in world_order:
            ordered[key].add(each)
    return ordered
