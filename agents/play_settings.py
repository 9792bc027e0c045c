"""What play by an agent that learns is asked for: who plays what, when it learns, and where its log goes."""

from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

from ..builder.collecting.log_settings import SMALLEST_CHECKPOINT, protocol_details
from ..builder.format.games import Game
from ..builder.format.protocol import TIME_LIMIT
from ..builder.format.provenance import COLLECTED, Provenance
from .errors import AgentError, check_least
from .hyperparameters import Hyperparameters
from .run_folder import RunRecord

MOST_ENVIRONMENTS = 256
"""Games at once; each holds an episode in progress in memory, up to 190 MB."""


@dataclass(frozen=True)
class Schedule:
    """When an online agent learns and explores; the defaults are Dopamine's for DQN, in agent steps."""

    steps: int = 50_000_000
    """Steps of play: 200 million frames."""
    checkpoint_size: int = 1_000_000
    """Rows in the ring that is both the agent's memory and its log, 7 KB each."""
    min_replay_history: int = 20_000
    """Rows in the ring before the first update."""
    update_period: int = 4
    """Steps between updates."""
    epsilon: float = 0.01
    """The share of random actions in the end."""
    epsilon_decay_steps: int = 250_000
    """Steps over which that share falls evenly from 1, once learning begins."""

    def random_share(self, step: int) -> float:
        """Returns the probability of a random action at a step."""
        left = self.epsilon_decay_steps + self.min_replay_history - step
        return self.epsilon + (1 - self.epsilon) * min(max(left / self.epsilon_decay_steps, 0.0), 1.0)

    def check(self) -> None:
        """Check the numbers.

        Raises:
            AgentError: one of them is too small or too large.
        """
        check_least(
            self,
            {
                "steps": 1,
                "checkpoint_size": SMALLEST_CHECKPOINT,
                "min_replay_history": SMALLEST_CHECKPOINT,
                "update_period": 1,
                "epsilon_decay_steps": 1,
            },
        )
        if not 0 <= self.epsilon <= 1:
            raise AgentError(f"epsilon is {self.epsilon}: expected 0 to 1")


@dataclass(frozen=True)
class PlaySettings:
    """Which agent plays what, for how long, and where its log goes."""

    agent: str
    hyperparameters: Hyperparameters
    game: Game
    out: Path
    schedule: Schedule = field(default_factory=Schedule)
    run: int = 1
    seed: int = 0
    time_limit: int = TIME_LIMIT
    device: str | None = None
    environments: int = 1
    """Games played at once; the original's agents played one."""

    @property
    def folder(self) -> Path:
        """The folder of the run, `<out>/<Game>/<run>`, which holds the logs and the agent."""
        return self.out / self.game.name / str(self.run)

    @property
    def logs(self) -> Path:
        """The folder of the logs."""
        return self.folder / "replay_logs"

    def provenance(self) -> Provenance:
        """Returns who plays, for `provenance.json` and the cards of datasets that are built of the log."""
        schedule = self.schedule
        details = {
            **protocol_details(self.game, self.time_limit),
            "run": self.run,
            "seed": self.seed,
            "policy": f"{self.agent}, learning while it plays",
            "schedule": (
                f"share of random actions 1 until {schedule.min_replay_history:,} steps, falling evenly to "
                f"{schedule.epsilon:g} over {schedule.epsilon_decay_steps:,} steps; an update every "
                f"{schedule.update_period} steps"
            ),
            "steps": schedule.steps,
            "checkpoint_size": schedule.checkpoint_size,
            "hyperparameters": asdict(self.hyperparameters),
            "torch": version("torch"),
        }
        if self.environments > 1:
            details["environments"] = (
                f"{self.environments} at once; whole episodes are logged, in the order in which they end; "
                f"where a game is over in the last of a step's four emulated frames, its final observation "
                f"can contain what the step before showed"
            )
        return Provenance(COLLECTED, details)

    def record(self) -> RunRecord:
        """Returns all that the run's result depends on."""
        return RunRecord(
            agent=self.agent,
            game=self.game.name,
            actions=list(self.game.actions),
            hyperparameters=self.hyperparameters,
            schedule=asdict(self.schedule)
            | ({"environments": self.environments} if self.environments > 1 else {}),
            time_limit=self.time_limit,
            seed=self.seed,
        )
