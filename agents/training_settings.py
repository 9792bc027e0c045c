"""What a training from fixed replay is asked for."""

from dataclasses import dataclass
from pathlib import Path

from ..builder.format.configs import parse_config_name
from ..builder.format.games import Game
from ..builder.format.protocol import TIME_LIMIT
from ..replay_reader.episode_filter import EpisodeFilter
from ..replay_reader.selection import Selection
from .errors import check_least
from .hyperparameters import Hyperparameters


@dataclass(frozen=True)
class TrainingSettings:
    """What is trained, on what, and for how long; iterations are batch_rl's by default."""

    agent: str
    hyperparameters: Hyperparameters
    dataset: str
    config: str
    split: str
    out: Path
    iterations: int = 200
    updates_per_iteration: int = 62_500
    evaluation_steps: int = 125_000
    """Agent steps of each evaluation, played in full episodes."""
    time_limit: int = TIME_LIMIT
    seed: int = 0
    episodes: EpisodeFilter | None = None
    revision: str | None = None
    cache_dir: Path | None = None
    """Where prepared frames are kept; None is the Hugging Face cache, as of `ReplayDataset`."""
    device: str | None = None
    """None stands for a GPU if there is one, else the CPU."""
    mixed_precision: bool = False
    compile: bool = False
    environments: int = 8

    @property
    def game(self) -> Game:
        """The game whose transitions are learned from."""
        return parse_config_name(self.config).game

    def selection(self) -> Selection:
        """Returns what of the dataset is learned from."""
        return Selection(self.dataset, self.config, self.split, self.episodes, self.revision, None)

    def check(self) -> None:
        """Check the numbers.

        Raises:
            AgentError: one of them is too small.
        """
        names = ("iterations", "updates_per_iteration", "evaluation_steps", "time_limit", "environments")
        check_least(self, {**dict.fromkeys(names, 1), "seed": 0})
