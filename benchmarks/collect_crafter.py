"""Measures how fast Crafter's episodes are collected, beside a vector environment, a process for each player.

The other design is that of Zenchiyu's static Crafter collection, without a GPU: Gymnasium's AsyncVectorEnv
steps all players together, each in a process of its own around the package `crafter`, and torch.save writes
each episode when it ends. Both play the same policy for the same number of steps, and have the same packages;
that collection asks for no numba, so its design is measured with and without it. Needs crafter, numba,
gymnasium and torch.
"""

import os
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from atari_dqn_replay.builder.collecting.collect_world import collect_world
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.worlds.crafter import ACTIONS, HeuristicPolicy
from common import argument_parser, measure, print_table, scratch_folder


def main() -> None:
    """Collect the same number of steps in each way and print the results."""
    parser = argument_parser(__doc__)
    parser.add_argument("--environments", type=int, default=8, help="number of players (default: 8)")
    parser.add_argument("--steps", type=int, default=8000, help="of all players together (default: 8000)")
    options = parser.parse_args()
    ways: dict[str, Callable[..., object]] = {
        "`collect crafter`": collect,
        "a vector environment": play_together,
        "the same, without numba": play_together_without_numba,
    }
    rows = []
    for name, way in ways.items():
        with scratch_folder(options.cache) as out:
            seconds, busy = measure(timed, way, options.environments, options.steps, out).value
        rows.append([name, options.steps / seconds, options.steps / busy])
    others = rows[1][1:]
    print_table(
        ["", "steps/s", "", "steps per s of processor time", ""],
        [
            [name, f"{rate:,.0f}", f"{rate / others[0]:.1f} ×", f"{work:,.0f}", f"{work / others[1]:.1f} ×"]
            for name, rate, work in rows
        ],
    )


def timed(way: Callable[..., object], *arguments: Any) -> tuple[float, float]:
    """Returns the seconds that a call takes, and the processor time of this process and its children."""
    start = time.perf_counter()
    way(*arguments)
    kinds = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    used = [resource.getrusage(kind) for kind in kinds]
    return time.perf_counter() - start, sum(each.ru_utime + each.ru_stime for each in used)


def collect(environments: int, steps: int, out: Path) -> None:
    """Collect as the command does, on all cores."""
    workers = os.cpu_count() or 1
    collect_world(find_game("crafter"), out, environments=environments, steps=steps, workers=workers)


def play_together_without_numba(environments: int, steps: int, out: Path) -> None:
    """As `play_together`, where worlds are made by plain Python."""
    sys.modules["numba"] = None  # pyright: ignore[reportArgumentType]
    play_together(environments, steps, out)


def play_together(environments: int, steps: int, out: Path) -> None:
    """Step all players together, and save each episode when it ends."""
    import gymnasium

    policies = [
        HeuristicPolicy(len(ACTIONS), np.random.default_rng([0, number])) for number in range(environments)
    ]
    players = gymnasium.vector.AsyncVectorEnv([partial(make_environment, 0)] * environments)
    held: list[list[tuple[Any, ...]]] = [[] for _ in range(environments)]
    observations, _ = players.reset()
    fresh = np.zeros(environments, bool)
    saved = played = 0
    while played < steps:
        actions = np.array([policy.act() for policy in policies])
        after, rewards, terminated, truncated, _ = players.step(actions)
        ended = terminated | truncated
        for number in np.flatnonzero(~fresh):  # the step after an episode's last one only resets it
            row = (
                observations[number],
                actions[number],
                rewards[number],
                terminated[number],
                truncated[number],
            )
            held[number].append(row)
            played += 1
            if ended[number]:
                save(out / f"{saved}.pt", held[number])
                held[number].clear()
                saved += 1
        observations, fresh = after, ended
    for rows in held:
        if rows:
            save(out / f"{saved}.pt", rows)
            saved += 1
    players.close()


def save(path: Path, rows: list[tuple[Any, ...]]) -> None:
    """Save an episode as that collection does, but for its rounding of frames."""
    import torch

    observation, action, reward, terminated, truncated = map(np.stack, zip(*rows, strict=True))
    content = {
        "obs": torch.from_numpy(observation).permute(0, 3, 1, 2).contiguous(),
        "act": torch.from_numpy(action),
        "rew": torch.from_numpy(reward.astype(np.float32)),
        "end": torch.from_numpy(terminated.astype(np.uint8)),
        "trunc": torch.from_numpy(truncated.astype(np.uint8)),
    }
    torch.save(content, path)


def make_environment(seed: int) -> Any:
    """Returns the package's environment with Gymnasium's interface."""
    import crafter
    import gymnasium

    class Plain(gymnasium.Env):
        """A few lines around the package's own environment."""

        def __init__(self) -> None:
            self._env = crafter.Env(seed=seed)
            self.observation_space = gymnasium.spaces.Box(0, 255, (64, 64, 3), np.uint8)
            self.action_space = gymnasium.spaces.Discrete(len(ACTIONS))

        def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
            return self._env.reset(), {}

        def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
            observation, reward, done, info = self._env.step(action)
            dead = info["discount"] == 0
            return observation, reward, dead, bool(done and not dead), {}

    return Plain()


if __name__ == "__main__":
    main()
