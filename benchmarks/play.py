"""Measures online play beside Stable-Baselines3's DQN, and what each part of a step costs.

Both play --game under the dataset's protocol (sticky actions, frame skip 4, no no-ops, stacks of 4) with the
same network, Adam, batches of 32 and an update every 4 steps, in processes of their own, one after another,
--repeats times; the fastest counts. Episodes are cut off after 100 steps, so that several games at once have
something to learn from soon; what is measured comes after the first of them and 100 steps of learning. Ours
also logs every step, as the original's agents did.

*Steps per processor second* are those of all threads together, which other work on the machine changes less.
The parts are shares of our wall time; games of `--environments` are played beside *learning*, so that
*environment* is what is left to wait for. PyTorch has OMP_NUM_THREADS threads in both, 1 unless it is set.

    pip install --no-deps stable-baselines3
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from atari_dqn_replay.builder.format.games import Game, find_game
from common import argument_parser, measure, print_table

STEPS_OF_FULL_RUN = 50_000_000
UPDATE_PERIOD = 4
EPISODE = 100
RING = 10_000


def main() -> None:
    """Play with both, and print the tables."""
    parser = argument_parser(__doc__)
    parser.add_argument("--game", default="pong", help="default: %(default)s")
    parser.add_argument("--network", default="nature", help="nature, small or tiny (default: %(default)s)")
    parser.add_argument("--environments", type=int, nargs="+", default=[1, 8], help="default: %(default)s")
    parser.add_argument("--steps", type=int, default=2_000, help="that are measured (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=2, help="the fastest counts (default: %(default)s)")
    parser.add_argument("--device", default="cpu", help="default: %(default)s")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    game = find_game(options.game)
    ways: dict[str, tuple[Callable[..., Any], int]] = {}
    for count in options.environments:
        ways[f"`play --environments {count}`"] = (play_ours, count)
        if find_spec("stable_baselines3"):
            ways[f"Stable-Baselines3, {count} environment{'s' * (count > 1)}"] = (play_theirs, count)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for _ in range(options.repeats):
        for name, (play, count) in ways.items():
            found[name].append(measure(play, game, count, options).value)
    best = {name: min(times, key=lambda each: each["processor"]) for name, times in found.items()}
    wall = {name: min(each["wall"] for each in times) for name, times in found.items()}
    print_table(
        ["", "steps/s", "updates/s", "steps per processor second", "50 million steps"],
        [_row(name, options.steps, wall[name], best[name]["processor"]) for name in ways],
    )
    parts = ["environment", "inference", "learning", "logging"]
    print_table(
        ["share of wall time", *parts],
        [
            [name, *(f"{each[part] / each['wall']:.0%}" for part in parts)]
            for name, each in best.items()
            if parts[0] in each
        ],
    )


def _row(name: str, steps: int, wall: float, processor: float) -> list[str]:
    hours = STEPS_OF_FULL_RUN / (steps / wall) / 3600
    rates = (steps / wall, steps / wall / UPDATE_PERIOD, steps / processor)
    return [name, *(f"{rate:,.1f}" for rate in rates), f"{hours:,.0f} h"]


def _warm_up(environments: int) -> int:
    """Returns the steps that are played before those that are measured."""
    return EPISODE * environments + 100


class _Clock:
    """The wall and processor time since the measured steps began."""

    def __init__(self) -> None:
        self.began = self._now()

    def times(self) -> dict[str, float]:
        """Returns the seconds since then."""
        wall, processor = (now - then for now, then in zip(self._now(), self.began, strict=True))
        return {"wall": wall, "processor": processor}

    def _now(self) -> tuple[float, float]:
        return time.perf_counter(), time.process_time()


def play_ours(game: Game, environments: int, options: argparse.Namespace) -> dict[str, float]:
    """Returns the seconds of the measured steps, and of each part."""
    from atari_dqn_replay.agents.hyperparameters import hyperparameters_of
    from atari_dqn_replay.agents.online_training import Playing
    from atari_dqn_replay.agents.play_settings import PlaySettings, Schedule

    parts: dict[str, float] = dict.fromkeys(("environment", "inference", "learning", "logging"), 0.0)

    def timed(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timing(*arguments: Any, **named: Any) -> Any:
            began = time.perf_counter()
            result = function(*arguments, **named)
            parts[part] += time.perf_counter() - began
            return result

        return timing

    with tempfile.TemporaryDirectory() as folder:
        total = _warm_up(environments) + options.steps
        settings = PlaySettings(
            "dqn-adam",
            hyperparameters_of("dqn-adam", network=options.network),
            game,
            Path(folder),
            Schedule(total + EPISODE * environments, RING, EPISODE, UPDATE_PERIOD, 0.1, 1),
            time_limit=EPISODE,
            device=options.device,
            environments=environments,
        )
        playing = Playing(settings)
        while playing.steps < _warm_up(environments):
            playing.step()
        for part, owner, name in (
            ("environment", playing.games, "receive"),
            ("inference", playing, "_choose"),
            ("learning", playing, "_learn"),
            ("logging", playing, "_log_steps"),
        ):
            setattr(owner, name, timed(part, getattr(owner, name)))
        clock = _Clock()
        while playing.steps < total:
            playing.step()
        times = clock.times()
        playing.ring.close()
    return times | parts


def play_theirs(game: Game, environments: int, options: argparse.Namespace) -> dict[str, float]:
    """Returns the seconds of the measured steps in Stable-Baselines3, with our network."""
    import ale_py
    import gymnasium
    import torch
    from atari_dqn_replay.agents.networks import NETWORKS, AtariNetwork
    from stable_baselines3 import DQN  # pyright: ignore[reportMissingImports]
    from stable_baselines3.common.callbacks import BaseCallback  # pyright: ignore[reportMissingImports]
    from stable_baselines3.common.torch_layers import BaseFeaturesExtractor  # pyright: ignore[reportMissingImports]
    from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack  # pyright: ignore[reportMissingImports]

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    gymnasium.register_envs(ale_py)

    class Features(BaseFeaturesExtractor):
        """Our network without its last layer, which Stable-Baselines3 adds."""

        def __init__(self, space: Any) -> None:
            size = NETWORKS[options.network]
            super().__init__(space, size.hidden)
            self.layers = AtariNetwork(1, 1, size).layers[:-1]

        def forward(self, observations: torch.Tensor) -> torch.Tensor:
            return self.layers(observations)

    def environment() -> Any:
        played = gymnasium.make(f"ALE/{game.name}-v5", frameskip=1, max_num_frames_per_episode=EPISODE * 4)
        frames = gymnasium.wrappers.AtariPreprocessing(
            played, noop_max=0, terminal_on_life_loss=False, grayscale_newaxis=True
        )
        return gymnasium.wrappers.TransformReward(frames, lambda reward: max(-1.0, min(1.0, float(reward))))

    clocks: list[_Clock] = []

    class Start(BaseCallback):
        """Starts the clock after the warm-up."""

        def _on_step(self) -> bool:
            if self.num_timesteps >= _warm_up(environments) and not clocks:
                clocks.append(_Clock())
            return True

    agent = DQN(
        "CnnPolicy",
        VecFrameStack(DummyVecEnv([environment] * environments), 4),
        learning_rate=5e-5,
        buffer_size=RING,
        learning_starts=EPISODE * environments,
        batch_size=32,
        gamma=0.99,
        train_freq=max(1, UPDATE_PERIOD // environments),
        gradient_steps=max(1, environments // UPDATE_PERIOD),
        target_update_interval=8_000,
        exploration_fraction=1e-6,
        exploration_final_eps=0.1,
        policy_kwargs={
            "features_extractor_class": Features,
            "net_arch": [],
            "optimizer_kwargs": {"eps": 3.125e-4},
        },
        device=options.device,
    )
    agent.learn(_warm_up(environments) + options.steps, callback=Start())
    return clocks[0].times()


if __name__ == "__main__":
    main()
