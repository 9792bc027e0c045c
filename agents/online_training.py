"""Plays a game anew while learning, and logs the play as the original's agents did."""

import json
import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..builder.collecting.environment import AtariEnvironment
from ..builder.collecting.log_settings import LogSettings
from ..builder.collecting.ring_buffer import new_ring
from ..builder.errors import OutputError
from ..builder.files import replacing, writing_alone
from ..builder.format.protocol import FRAME_SHAPE, STACK_SIZE
from ..builder.format.provenance import FILE_NAME
from ..builder.terminal.progress import progress_bar
from .agent import TensorBatch
from .agents import new_agent
from .devices import explaining_full_memory, find_device
from .errors import AgentError
from .play_settings import PlaySettings
from .replay_memory import ReplayMemory
from .run_folder import RunFolder
from .run_log import RunLog

AGENT_FOLDER = "agent"
"""The run's folder, beside the logs that it writes: `<out>/<Game>/<run>/agent`."""

LOG_EVERY = 10_000
"""Steps between two records of the log."""


@dataclass(frozen=True)
class Played:
    """A run that was played to its end."""

    settings: PlaySettings
    checkpoints: int
    """Dumps of the ring, the last, partial one included."""
    episodes: int
    updates: int

    def __str__(self) -> str:
        settings = self.settings
        return (
            f"{settings.logs}: {self.checkpoints} checkpoints, {self.episodes:,} episodes, {self.updates:,} "
            f"updates\n{settings.folder / AGENT_FOLDER}: the agent, for `evaluate`"
        )


@dataclass(frozen=True)
class PlayPlan:
    """What `play` would do."""

    settings: PlaySettings

    def __str__(self) -> str:
        settings, schedule = self.settings, self.settings.schedule
        updates = max(0, schedule.steps - schedule.min_replay_history) // schedule.update_period
        memory = schedule.checkpoint_size * math.prod(FRAME_SHAPE) / 1e9
        return (
            f"would play {settings.game} with {settings.agent}, network {settings.hyperparameters.network}, "
            f"into {settings.logs}:\n"
            f"  {schedule.steps:,} steps, about {updates:,} updates\n"
            f"  about {schedule.steps // schedule.checkpoint_size} full checkpoints of "
            f"{schedule.checkpoint_size:,} rows, and a partial one; a ring of {memory:,.1f} GB of memory"
        )


def plan_play(settings: PlaySettings) -> PlayPlan:
    """Returns what `play` would do.

    Raises:
        AgentError: the agent cannot play, or a number is too small or too large.
    """
    _check(settings)
    return PlayPlan(settings)


def play(settings: PlaySettings) -> Played:
    """Play a game with an agent that learns, or go on with such a run that was stopped.

    A stopped run goes on from the ring's last dump. On a CPU, with the same number of threads, its log has in
    the end the same bytes as that of a run that was never stopped.

    Raises:
        AtariReplayError: the agent cannot play, a number is too small or too large, or the folder holds
            something else.
    """
    _check(settings)
    with explaining_full_memory(), writing_alone(settings.folder, "or choose another --run"):
        return _Playing(settings).run()


def _check(settings: PlaySettings) -> None:
    settings.schedule.check()
    LogSettings(
        settings.game,
        settings.out,
        checkpoint_size=settings.schedule.checkpoint_size,
        run=settings.run,
        seed=settings.seed,
        time_limit=settings.time_limit,
    ).check()
    if settings.agent == "behaviour-cloning" or settings.hyperparameters.n_step != 1:
        raise AgentError(
            f"{settings.agent} with n_step {settings.hyperparameters.n_step} cannot learn online: "
            f"behaviour cloning imitates logs, and play sums no rewards over several steps"
        )


class _Playing:
    """One process's part of a run: from the last dump of the ring to the end."""

    def __init__(self, settings: PlaySettings) -> None:
        self.settings = settings
        self.folder = RunFolder(settings.folder / AGENT_FOLDER)
        if settings.logs.exists() and not self.folder.path.exists():
            raise OutputError(f"{settings.logs} holds a log of somebody else: choose another --out or --run")
        device = find_device(settings.device)
        self.folder.begin(settings.record())
        settings.logs.mkdir(exist_ok=True)
        with replacing(settings.logs / FILE_NAME) as path:
            path.write_text(settings.provenance().to_json(), encoding="utf-8")
        console, learning = np.random.SeedSequence([settings.seed, settings.run]).spawn(2)
        seed = int(console.generate_state(1)[0] >> 1)
        self.environment = AtariEnvironment(settings.game, seed=seed, time_limit=settings.time_limit)
        self.random = np.random.default_rng(learning)
        self.agent = new_agent(
            settings.agent,
            len(settings.game.actions),
            settings.hyperparameters,
            seed=settings.seed,
            device=device,
        )
        self.ring = new_ring(settings.logs, settings.schedule.checkpoint_size)
        self.memory = ReplayMemory(self.ring, settings.hyperparameters.discount)
        self.stack = np.zeros((STACK_SIZE, *FRAME_SHAPE), np.uint8)
        self.steps, self.episodes, self.episode_return = 0, 0, 0.0
        self.done = False
        state = self.folder.load()
        if state is None:
            self.ring.forget_later_dumps(0)
            self._see(self.environment.reset())
        else:
            self._restore(state)
        self._begin_record()

    def run(self) -> Played:
        """Play to the end."""
        schedule, ring = self.settings.schedule, self.ring
        self.log = RunLog(
            self.folder.log,
            self.folder.tensorboard,
            keep=lambda record: record["step"] <= self.steps,
            next_step=self.steps + 1,
        )
        try:
            with progress_bar(
                description=f"play {self.settings.game.slug}",
                unit="step",
                total=schedule.steps,
                initial=self.steps,
            ) as bar:
                # A dump with the cursor in the last row would say nothing new: play until it is further.
                while not self.done and (self.steps < schedule.steps or ring.cursor == ring.capacity - 1):
                    dumps = ring.dumps
                    self._step()
                    bar.update()
                    if ring.dumps > dumps or self.steps % LOG_EVERY == 0:
                        self._write_record()
                    if ring.dumps > dumps:
                        self._save()
            if not self.done:
                if self.steps > self.began[1]:
                    self._write_record()
                ring.finish()
                self.done = True
                self._save()
        finally:
            self.log.close()
        return Played(self.settings, ring.dumps, self.episodes, self.agent.updates)

    def _step(self) -> None:
        """Play one step, log it, and learn if it is time."""
        action = self._choose()
        frame, reward, terminated, truncated = self.environment.step(action)
        ended = terminated or truncated
        self.ring.add(self.stack[-1], action, reward, ended)
        self.steps += 1
        self.episode_return += reward
        schedule = self.settings.schedule
        if self.steps >= schedule.min_replay_history and self.steps % schedule.update_period == 0:
            size = self.settings.hyperparameters.batch_size
            batch = TensorBatch.of(self.memory.sample(size, self.random)).to(self.agent.device)
            for name, value in self.agent.update(batch).items():
                self.sums[name] = self.sums.get(name, 0.0) + value
        if ended:
            self.returns.append(self.episode_return)
            self.episodes, self.episode_return = self.episodes + 1, 0.0
            self.stack[...] = 0
            frame = self.environment.reset()
        self._see(frame)

    def _choose(self) -> int:
        if self.random.random() < self.settings.schedule.random_share(self.steps):
            return int(self.random.integers(len(self.environment.actions)))
        return int(self.agent.act(self.stack[None])[0])

    def _see(self, frame: np.ndarray) -> None:
        self.stack[:-1] = self.stack[1:]
        self.stack[-1] = frame

    def _begin_record(self) -> None:
        self.sums: dict[str, Any] = {}
        self.returns: list[float] = []
        self.began = time.perf_counter(), self.steps, self.agent.updates

    def _write_record(self) -> None:
        seconds, steps, updates = (
            now - then
            for now, then in zip(
                (time.perf_counter(), self.steps, self.agent.updates), self.began, strict=True
            )
        )
        record = {
            "kind": "play",
            "step": self.steps,
            "update": self.agent.updates,
            "episodes": len(self.returns),
            "mean_return": float(np.mean(self.returns)) if self.returns else None,
            "random_share": self.settings.schedule.random_share(self.steps),
            **{name: float(total) / updates for name, total in self.sums.items()},
            "steps_per_second": steps / seconds,
            "updates_per_second": updates / seconds,
        }
        self.log.write(
            record,
            {
                f"play/{name}": value
                for name, value in record.items()
                if isinstance(value, float) or name == "episodes"
            },
            self.steps,
        )
        self._begin_record()

    def _save(self) -> None:
        console = {
            name: torch.from_numpy(value) if isinstance(value, np.ndarray) else value
            for name, value in self.environment.state().items()
        }
        self.folder.save(
            {
                "agent": self.agent.state_dict(),
                "console": console,
                "stack": torch.from_numpy(self.stack),
                "random": json.dumps(self.random.bit_generator.state),
                "steps": self.steps,
                "episodes": self.episodes,
                "episode_return": self.episode_return,
                "dumps": self.ring.dumps,
                "episode_starts": self.ring.episode_starts,
                "done": self.done,
            }
        )

    def _restore(self, state: dict[str, Any]) -> None:
        try:
            self.agent.load_state_dict(state["agent"])
            console = state["console"]
            self.environment.restore(console["console"].numpy(), console["screens"].numpy(), console["steps"])
            self.stack[...] = state["stack"].numpy()
            self.random.bit_generator.state = json.loads(state["random"])
            self.steps, self.episodes = state["steps"], state["episodes"]
            self.episode_return, self.done = state["episode_return"], state["done"]
            dumps, episode_starts = state["dumps"], state["episode_starts"]
        except (KeyError, TypeError, ValueError, AgentError) as error:
            raise AgentError(f"{self.folder.checkpoint}: not the state of such a run ({error})") from None
        self.ring.resume(dumps, episode_starts=episode_starts)
