"""Plays a game anew while learning, and logs the play as the original's agents did."""

import copy
import json
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..builder.collecting.ring_buffer import new_ring
from ..builder.collecting.stream import console_seed
from ..builder.errors import OutputError
from ..builder.files import replacing, writing_alone
from ..builder.format.provenance import FILE_NAME
from ..builder.terminal.progress import progress_bar
from .agent import TensorBatch
from .agents import new_agent
from .devices import explaining_full_memory, find_device
from .errors import AgentError
from .one_game import OneGame
from .play_plan import check
from .play_settings import PlaySettings
from .played_games import PlayedGames
from .replay_memory import ReplayMemory
from .run_folder import NOT_SUCH_A_STATE, RunFolder
from .run_log import RunLog
from .several_games import SeveralGames

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


def play(settings: PlaySettings) -> Played:
    """Play a game with an agent that learns, or go on with such a run that was stopped.

    A stopped run goes on from the ring's last dump. On a CPU, with the same number of threads, its log has in
    the end the same bytes as that of a run that was never stopped.

    Raises:
        AtariReplayError: the agent cannot play, a number is too small or too large, or the folder holds
            something else or cannot be written.
    """
    check(settings)
    try:
        with explaining_full_memory(), writing_alone(settings.folder, "or choose another --run"):
            return Playing(settings).run()
    except OSError as error:
        raise OutputError(
            f"{settings.folder}: cannot be written ({error.strerror or error}); make room, and run the same "
            f"command again, which goes on from the last complete dump"
        ) from error


class Playing:
    """One process's part of a run: from the last dump of the ring to the end."""

    def __init__(self, settings: PlaySettings) -> None:
        self.settings = settings
        self.folder = RunFolder(settings.folder / AGENT_FOLDER)
        if settings.logs.exists() and not self.folder.path.exists():
            raise OutputError(
                f"{settings.logs} holds a log that this run did not write: choose another --out or --run"
            )
        device = find_device(settings.device)
        self.games = _games(settings)
        self.folder.begin(settings.record())
        settings.logs.mkdir(exist_ok=True)
        with replacing(settings.logs / FILE_NAME) as path:
            path.write_text(settings.provenance().to_json(), encoding="utf-8")
        _, learning = np.random.SeedSequence([settings.seed, settings.run]).spawn(2)
        self.random = np.random.default_rng(learning)
        self.agent = new_agent(
            settings.agent,
            len(settings.game.actions),
            settings.hyperparameters,
            seed=settings.seed,
            device=device,
        )
        self.ring = new_ring(
            settings.logs, settings.schedule.checkpoint_size, probabilities=True, final_observations=True
        )
        self.memory = ReplayMemory(self.ring, settings.hyperparameters.discount)
        self.steps, self.logged, self.learned, self.episodes = 0, 0, 0, 0
        """Steps played, those logged, those whose updates were made, and episodes that have ended."""
        self.done = False
        state = self.folder.load()
        if state is None:
            self.ring.forget_later_dumps(0)
        else:
            self._restore(state)
        self._begin_record()

    def run(self) -> Played:
        """Play to the end."""
        self.log = RunLog(
            self.folder.log,
            self.folder.tensorboard,
            keep=lambda record: record["step"] <= self.steps,
            next_step=self.steps + 1,
        )
        try:
            if not self.done:
                self._play()
                if self.steps > self.began[1]:
                    self._write_record()
                if self.ring.cursor != self.ring.capacity - 1:  # or a dump would say nothing new
                    self.ring.finish()
                self.done = True
                self._save()
            self.ring.flush()
        finally:
            self.ring.close()
            self.log.close()
        return Played(self.settings, self.ring.dumps, self.episodes, self.agent.updates)

    def _play(self) -> None:
        with progress_bar(
            description=f"play {self.settings.game.slug}",
            unit="step",
            total=self.settings.schedule.steps,
            initial=self.steps,
        ) as bar:
            self._log_steps()  # what a stopped run had not logged yet
            while self._goes_on():
                steps = self.steps
                self.step()
                bar.update(self.steps - steps)
                if self.steps // LOG_EVERY > steps // LOG_EVERY and self.steps > self.began[1]:
                    self._write_record()
        self._learn()

    def _goes_on(self) -> bool:
        """Returns whether there is more to play: the last episodes of several games are played to their ends.

        A single game's last episode is cut off, as the original's was, but not where no dump would show it.
        """
        if self.steps < self.settings.schedule.steps:
            return True
        if self.settings.environments > 1:
            return bool(self.games.playing.any())
        return self.ring.cursor == self.ring.capacity - 1

    def step(self) -> None:
        """Play a step of all games, learn what is due, and log what can be logged.

        Several games are played while the agent learns. A single game's next action depends on all updates
        before it.
        """
        if self.settings.environments == 1:
            self._learn()
        self.games.send(*self._choose())
        self._learn()
        before, playing = self.steps, int(self.games.playing.sum())
        returns = self.games.receive(begin_episodes=before + playing < self.settings.schedule.steps)
        self.steps += playing
        self.episodes += len(returns)
        self.returns += returns
        self._log_steps()

    def _log_steps(self) -> None:
        """Log what can be logged, and save the run where the ring is dumped."""
        while (step := self.games.next_logged()) is not None:
            dumps = self.ring.dumps
            self.ring.add(*step)
            self.logged += 1
            if self.ring.dumps > dumps:
                if self.steps > self.began[1]:
                    self._write_record()
                self._save()

    def _learn(self) -> None:
        """Make the updates that are due for the steps that were played."""
        schedule, size = self.settings.schedule, self.settings.hyperparameters.batch_size
        due = self.steps // schedule.update_period - self.learned // schedule.update_period
        for _ in range(due if self.logged >= schedule.min_replay_history else 0):
            batch = TensorBatch.of(self.memory.sample(size, self.random)).to(self.agent.device)
            for name, value in self.agent.update(batch).items():
                self.sums[name] = self.sums.get(name, 0.0) + value
        self.learned = self.steps

    def _choose(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the games' actions, and the probability with which each was chosen."""
        share, count = self.settings.schedule.random_share(self.steps), self.agent.actions
        greedy = np.zeros(len(self.games.playing), np.int64)
        if share < 1:
            greedy = self.agent.act(self.games.observation)
        actions = greedy.copy()
        for place in range(len(actions)):
            if self.random.random() < share:
                actions[place] = self.random.integers(count)
        return actions, share / count + (1 - share) * (actions == greedy)

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
        """Save the run as it is now, once the ring's last dump is complete."""
        state = copy.deepcopy(
            {
                "agent": self.agent.state_dict(),
                "games": self.games.state(),
                "random": json.dumps(self.random.bit_generator.state),
                "steps": self.steps,
                "logged": self.logged,
                "learned": self.learned,
                "episodes": self.episodes,
                "dumps": self.ring.dumps,
                "episode_starts": self.ring.episode_starts,
                "done": self.done,
            }
        )
        self.ring.after_dump(lambda: self.folder.save(state))

    def _restore(self, state: dict[str, Any]) -> None:
        try:
            self.agent.load_state_dict(state["agent"])
            self.games.restore(state["games"])
            self.random.bit_generator.state = json.loads(state["random"])
            self.steps, self.logged, self.learned = state["steps"], state["logged"], state["learned"]
            self.episodes, self.done = state["episodes"], state["done"]
            dumps, episode_starts = state["dumps"], state["episode_starts"]
        except (*NOT_SUCH_A_STATE, AgentError) as error:
            raise AgentError(
                f"{self.folder.checkpoint}: not the state of such a run ({error}); remove it to play from "
                f"the beginning"
            ) from None
        self.ring.resume(dumps, episode_starts=episode_starts)


def _games(settings: PlaySettings) -> PlayedGames:
    """Returns the games at the beginning of their first episodes."""
    seed, run, limit = settings.seed, settings.run, settings.time_limit
    if settings.environments == 1:
        return OneGame(settings.game, console_seed(seed, run), limit)
    return SeveralGames(settings.game, settings.environments, (seed, run), limit)
