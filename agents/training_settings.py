"""What a training from fixed replay is asked for."""

from dataclasses import dataclass
from pathlib import Path

from ..builder.format.configs import parse_config_name
from ..builder.format.games import Game
from ..builder.format.protocol import TIME_LIMIT
from ..replay_reader.catalog import Catalog
from ..replay_reader.episode_filter import EpisodeFilter
from ..replay_reader.grey84 import check_grey84
from ..replay_reader.selection import Selection
from .agents import agent_class
from .errors import AgentError, check_least
from .hyperparameters import Hyperparameters
from .trajectories import check_probabilities


@dataclass(frozen=True)
class TrainingSettings:
    """What is trained, on what, and for how long; iterations are batch_rl's by default."""

    agent: str
    hyperparameters: Hyperparameters
    dataset: str
    config: str
    """`<game>-<quality>`, or several joined by `+`."""
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
    def configs(self) -> tuple[str, ...]:
        """The config of each game."""
        return tuple(self.config.split("+"))

    @property
    def games(self) -> list[Game]:
        """The games whose transitions are learned from."""
        return [parse_config_name(config).game for config in self.configs]

    @property
    def needs_probabilities(self) -> bool:
        """Whether the agent learns from the probabilities of the logged actions."""
        return agent_class(self.agent).uses_trajectories

    def selections(self) -> list[Selection]:
        """Returns what of the dataset is learned from, a selection for each game."""
        return [
            Selection(self.dataset, config, self.split, self.episodes, self.revision, None)
            for config in self.configs
        ]

    def catalogs(self) -> list[Catalog]:
        """Returns what is learned from of each game, once it is known that it can be learned from.

        Raises:
            AtariReplayError: the dataset or what is asked of it does not exist, or the networks are not
                made for its frames.
            AgentError: it lacks the probabilities of actions.
        """
        catalogs = [selection.open() for selection in self.selections()]
        for config, catalog in zip(self.configs, catalogs, strict=True):
            where = f"{self.dataset}, {config}"
            check_grey84(catalog.frame_format, where, "which the agents' networks are made for")
            if self.needs_probabilities:
                check_probabilities(catalog)
        return catalogs

    def check(self) -> None:
        """Check the agent's name, the numbers and the configs.

        Raises:
            UnknownNameError: there is no such agent, or no such game.
            AgentError: a number is too small, or the games do not go together.
        """
        if len(set(self.games)) < len(self.configs):
            raise AgentError(f"config {self.config}: a game comes twice; expected one config of each game")
        if worlds := [game for game in self.games if game.world is not None]:
            raise AgentError(
                f"config {self.config}: {worlds[0]} is not an Atari game, which these agents learn; read it "
                f"with Transitions or Sequences"
            )
        if self.needs_probabilities and len(self.configs) > 1:
            raise AgentError(f"{self.agent} learns from one game at a time; config {self.config} has several")
        names = ("iterations", "updates_per_iteration", "evaluation_steps", "time_limit", "environments")
        check_least(self, {**dict.fromkeys(names, 1), "seed": 0})
