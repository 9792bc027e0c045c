"""Training from fixed replay, as batch_rl's `FixedReplayRunner` does it: learn, evaluate, and again."""

import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..builder.files import writing_alone
from ..builder.format.games import Game
from ..builder.terminal.progress import progress_bar
from ..replay_reader.catalog import Catalog
from ..replay_reader.preprocessing import Preprocessing
from ..replay_reader.replay_dataset import ReplayDataset
from .agents import new_agent
from .devices import explaining_full_memory, find_device
from .errors import AgentError
from .evaluation import EvaluationProtocol, Policy, evaluate
from .joined_games import JoinedGames
from .run_folder import NOT_SUCH_A_STATE, RunFolder, RunRecord
from .run_log import RunLog, read_log
from .training_batches import TrainingBatches
from .training_settings import TrainingSettings
from .trajectories import Trajectories

LOG_EVERY = 1_000
"""Updates between two records of the log."""

SAVE_EVERY = 300.0
"""Seconds of learning between two checkpoints; one more is saved before and after each evaluation."""


@dataclass(frozen=True)
class Trained:
    """A training that came to its end."""

    folder: Path
    evaluations: list[dict[str, Any]]
    """The log's records of the evaluations."""

    def __str__(self) -> str:
        lines = [
            f"iteration {record['iteration']}{_of_game(record)}: "
            f"mean return {record['mean_return']:.1f} over {len(record['returns'])} episodes"
            for record in self.evaluations[-10:]
        ]
        iterations = len({record["iteration"] for record in self.evaluations})
        return "\n".join([f"{self.folder}: {iterations} iterations", *lines])


def _of_game(record: dict[str, Any]) -> str:
    """Returns ", Pong" for an evaluation of one game of several."""
    return f", {record['game']}" if "game" in record else ""


def train(settings: TrainingSettings) -> Trained:
    """Train an agent from a dataset, or go on with a training that was stopped.

    Each iteration is `updates_per_iteration` updates and an evaluation. On a CPU, with the same number of
    threads, a training that was killed and run again ends with the same bits as one that was not.

    Raises:
        AtariReplayError: the dataset, config, split, agent or device does not exist; the folder holds another
            run; or a number is too small.
    """
    settings.check()
    with explaining_full_memory(), writing_alone(settings.out, "or choose another --out"):
        return _Training(settings).run()


class _Training:
    """One process's part of a training: from the last checkpoint to the end."""

    def __init__(self, settings: TrainingSettings) -> None:
        self.settings = settings
        device = find_device(settings.device)
        self.data, self.trajectories = self._open_data()
        self.agent = new_agent(
            settings.agent,
            len(self.data.action_names),
            settings.hyperparameters,
            seed=settings.seed,
            device=device,
            mixed_precision=settings.mixed_precision,
            compile=settings.compile,
        )
        self.folder = RunFolder(settings.out)
        self.folder.begin(self._record())
        self.evaluated = 0
        """The number of iterations that have been evaluated."""
        state = self.folder.load()
        if state is not None:
            try:
                self.agent.load_state_dict(state["agent"])
                self.evaluated = int(state["evaluated"])
            except (*NOT_SUCH_A_STATE, AgentError) as error:
                raise AgentError(
                    f"{self.folder.checkpoint}: {error}; remove it to train from the beginning"
                ) from None
        self.saved = time.monotonic()

    def run(self) -> Trained:
        """Train and evaluate until all iterations are done."""
        settings, agent = self.settings, self.agent
        total = settings.iterations * settings.updates_per_iteration
        self.log = RunLog(
            self.folder.log,
            self.folder.tensorboard,
            keep=self._is_before_checkpoint,
            next_step=agent.updates + 1,
        )
        self.batches = TrainingBatches(
            self.data,
            settings.hyperparameters.batch_size,
            seed=settings.seed,
            device=agent.device,
            first=agent.updates,
            trajectories=self.trajectories,
        )
        try:
            with progress_bar(
                description=f"train {settings.agent}", unit="update", total=total, initial=agent.updates
            ) as bar:
                while self.evaluated < settings.iterations:
                    end = (self.evaluated + 1) * settings.updates_per_iteration
                    while agent.updates < end:
                        bar.update(self._learn(min(end, agent.updates + LOG_EVERY)))
                    self._save()
                    self._evaluate()
                    self._save()
        finally:
            self.batches.close()
            self.log.close()
        kept = [record for record in read_log(self.folder.log) if record["kind"] == "evaluation"]
        return Trained(self.folder.path, kept)

    def _learn(self, end: int) -> int:
        """Learn up to update `end`, log it, and return the number of updates."""
        count, began, waited = end - self.agent.updates, time.perf_counter(), self.batches.waited
        sums: dict[str, Any] = {"loss": 0.0, "value": 0.0}
        for _ in range(count):
            for name, value in self.agent.update(self.batches.take()).items():
                sums[name] = sums[name] + value  # a tensor: reading it would wait for the GPU
        means = {name: float(total) / count for name, total in sums.items()}
        seconds = time.perf_counter() - began
        speed = {
            "updates_per_second": count / seconds,
            "data_wait_share": (self.batches.waited - waited) / seconds,
        }
        self._check_finite(means["loss"])
        scalars = {f"training/{name}": value for name, value in {**means, **speed}.items()}
        self.log.write({"kind": "training", "update": end, **means, **speed}, scalars, end)
        if time.monotonic() - self.saved > SAVE_EVERY:
            self._save()
        return count

    def _evaluate(self) -> None:
        games = self.settings.games
        for game in games:
            among = [self.data.action_names.index(name) for name in game.actions]
            self._evaluate_game(game, partial(self.agent.act, among=among), is_alone=len(games) == 1)
        self.evaluated += 1

    def _evaluate_game(self, game: Game, policy: Policy, *, is_alone: bool) -> None:
        settings = self.settings
        began = time.perf_counter()
        played = evaluate(
            policy,
            game,
            seed=[settings.seed, self.evaluated],
            protocol=EvaluationProtocol(time_limit=settings.time_limit, environments=settings.environments),
            steps=settings.evaluation_steps,
        )
        returns = [episode.total_return for episode in played]
        steps = sum(episode.length for episode in played)
        record = {
            "kind": "evaluation",
            "iteration": self.evaluated,
            **({} if is_alone else {"game": game.name}),
            "update": self.agent.updates,
            "mean_return": float(np.mean(returns)),
            "returns": returns,
            "lengths": [episode.length for episode in played],
            "steps_per_second": steps / (time.perf_counter() - began),
        }
        # The scalars' names are batch_rl's; of several games, each has its own.
        suffix = "" if is_alone else f"/{game.name}"
        scalars = {"AverageReturns": record["mean_return"], "NumEpisodes": float(len(returns))}
        named = {f"Eval/{name}{suffix}": value for name, value in scalars.items()}
        self.log.write(record, named, self.agent.updates)

    def _save(self) -> None:
        self.folder.save({"agent": self.agent.state_dict(), "evaluated": self.evaluated})
        self.saved = time.monotonic()

    def _is_before_checkpoint(self, record: dict[str, Any]) -> bool:
        if record["kind"] == "evaluation":
            return record["iteration"] < self.evaluated
        return record["update"] <= self.agent.updates

    def _check_finite(self, loss: float) -> None:
        if not np.isfinite(loss):
            raise AgentError(
                f"{self.folder.path}: the loss is {loss} at update {self.agent.updates:,}: the agent has "
                f"diverged; a lower --learning-rate helps"
            )

    def _open_data(self) -> tuple[ReplayDataset | JoinedGames, Trajectories | None]:
        n_step = self.settings.hyperparameters.n_step
        catalogs = self.settings.catalogs()  # refuses what cannot be learned from, before frames are prepared
        if self.settings.needs_probabilities:
            return self._open_game(catalogs[0], n_step), Trajectories(self._open_game(catalogs[0], 1), n_step)
        if len(catalogs) == 1:
            return self._open_game(catalogs[0], n_step), None
        aligned = Preprocessing(full_action_space=True)
        return JoinedGames([self._open_game(catalog, n_step, aligned) for catalog in catalogs]), None

    def _open_game(
        self, catalog: Catalog, n_step: int, preprocessing: Preprocessing | None = None
    ) -> ReplayDataset:
        return ReplayDataset(
            catalog,
            n_step=n_step,
            gamma=self.settings.hyperparameters.discount,
            preprocessing=preprocessing,
            cache_dir=self.settings.cache_dir,
        )

    def _record(self) -> RunRecord:
        settings = self.settings
        chosen = asdict(settings.episodes) if settings.episodes is not None else {}
        return RunRecord(
            agent=settings.agent,
            game="+".join(game.name for game in settings.games),
            actions=list(self.data.action_names),
            hyperparameters=settings.hyperparameters,
            dataset=settings.dataset,
            config=settings.config,
            split=settings.split,
            episodes={name: value for name, value in chosen.items() if value is not None},
            transitions=len(self.data),
            updates_per_iteration=settings.updates_per_iteration,
            evaluation_steps=settings.evaluation_steps,
            time_limit=settings.time_limit,
            seed=settings.seed,
            mixed_precision=settings.mixed_precision,
        )
