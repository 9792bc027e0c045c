"""Evaluates the agent of a run, and writes what it scored into the run's folder."""

import json
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from ..builder.animation import check_animation, write_animation
from ..builder.errors import AtariReplayError
from ..builder.files import replacing
from ..builder.format.games import Game
from ..builder.terminal.progress import progress_bar
from ..builder.terminal.text_table import text_table
from .agent import Agent
from .agents import new_agent
from .devices import explaining_full_memory, find_device
from .errors import AgentError
from .evaluation import EvaluatedEpisode, EvaluationProtocol, evaluate, replay
from .model_card import model_card
from .run_folder import RunFolder, RunRecord
from .scores import SOURCE, human_normalised, interquartile_mean, mean, score

EVALUATION = "evaluation.json"
CARD = "README.md"

SEED_OF_EVALUATIONS = 1 << 32
"""Follows the user's seed, so that these episodes are not those that a training was evaluated in."""


@dataclass(frozen=True)
class EvaluationSettings:
    """How a run's agent is evaluated."""

    run: Path
    episodes: int = 100
    seed: int = 0
    protocol: EvaluationProtocol = field(default_factory=EvaluationProtocol)
    device: str | None = None
    video: Path | None = None
    """Where the best episode goes, as a video or an animated image."""
    game: str | None = None
    """Which of its games is played by an agent that learned several."""

    def check(self) -> None:
        """Check the numbers and the video's name.

        Raises:
            AtariReplayError: a number is too small or too large, or there is no such video.
        """
        if self.episodes < 1 or self.protocol.environments < 1 or self.protocol.time_limit < 1:
            raise AgentError("episodes, environments and steps: expected 1 or more")
        if not 0 <= self.protocol.epsilon <= 1:
            raise AgentError(f"epsilon is {self.protocol.epsilon}: expected 0 to 1")
        if self.seed < 0:
            raise AgentError(f"seed is {self.seed}: expected 0 or more")
        if self.video is not None:
            check_animation(self.video)


@dataclass(frozen=True)
class RunEvaluation:
    """What a run's agent scored."""

    run: Path
    record: RunRecord
    updates: int
    settings: EvaluationSettings
    game: Game
    """The game that was played."""
    episodes: list[EvaluatedEpisode]

    @cached_property
    def returns(self) -> np.ndarray:
        """The return of each episode, (n,) float64, not clipped."""
        return np.array([episode.total_return for episode in self.episodes])

    @cached_property
    def scores(self) -> dict[str, float | None]:
        """The statistics by their names."""
        found: dict[str, float | None] = {}
        for name, statistic in (("mean", mean), ("interquartile_mean", interquartile_mean)):
            interval = score(self.returns, statistic)
            found |= {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
        return found | {"human_normalised": human_normalised(self.game, found["mean"] or 0.0)}

    def to_json(self) -> str:
        """Returns the text of `evaluation.json`."""
        protocol = self.settings.protocol
        record: dict[str, Any] = {
            "agent": self.record.agent,
            "game": self.game.name,
            "updates": self.updates,
            "seed": self.settings.seed,
            "epsilon": protocol.epsilon,
            "time_limit": protocol.time_limit,
            "returns": self.returns.tolist(),
            "clipped_returns": [episode.clipped_return for episode in self.episodes],
            "lengths": [episode.length for episode in self.episodes],
            "truncated": [episode.truncated for episode in self.episodes],
            "scores": self.scores,
        }
        return json.dumps(record, indent=2, allow_nan=False) + "\n"

    def __str__(self) -> str:
        rows = [
            (number, episode.length, episode.total_return, "time limit" if episode.truncated else "game over")
            for number, episode in enumerate(self.episodes)
        ]
        table = text_table(("episode", "steps", "return", "ended by"), rows)
        scores = self.scores
        human = scores["human_normalised"]
        lines = [
            f"{self.run}: {self.record.agent} after {self.updates:,} updates, {self.game}",
            f"mean return              {score(self.returns, mean)}",
            f"interquartile mean       {score(self.returns, interquartile_mean)}",
            "human-normalised mean    "
            + ("- (no human score of this game)" if human is None else f"{human:.1%} (scores: {SOURCE})"),
            "in brackets: bootstrap intervals of 95 % over the episodes",
        ]
        return "\n".join([table, "", *lines])


def evaluate_run(settings: EvaluationSettings) -> RunEvaluation:
    """Play full episodes with a run's agent, and write `evaluation.json` and a card into the run's folder.

    Raises:
        AtariReplayError: there is no such run, it has no checkpoint yet, or one of another version or agent;
            a number is too small; or the video cannot be written.
    """
    settings.check()
    folder = RunFolder(settings.run)
    record = folder.read()
    game, seed = record.game_named(settings.game), [settings.seed, SEED_OF_EVALUATIONS]
    with explaining_full_memory():
        agent = load_agent(folder, record, settings.device)
        among = [record.actions.index(name) for name in game.actions]
        with progress_bar(description=f"evaluate {record.agent}", unit="step") as bar:
            played = evaluate(
                partial(agent.act, among=among),
                game,
                seed=seed,
                protocol=settings.protocol,
                episodes=settings.episodes,
                after_step=bar.update,
            )
    evaluation = RunEvaluation(settings.run, record, agent.updates, settings, game, played)
    if settings.video is not None:
        best = int(np.argmax(evaluation.returns))
        write_animation(settings.video, replay(played[best], best, game, seed, settings.protocol))
    for name, text in ((EVALUATION, evaluation.to_json()), (CARD, card_of(evaluation))):
        with replacing(settings.run / name) as path:
            path.write_text(text, encoding="utf-8")
    return evaluation


def load_agent(folder: RunFolder, record: RunRecord, device: str | None = None) -> Agent:
    """Returns a run's agent as it was at its last checkpoint.

    Raises:
        AtariReplayError: there is no checkpoint yet, or it is of another version or agent.
    """
    state = folder.load()
    if state is None:
        raise AgentError(f"{folder.path}: no checkpoint there yet; train until the first one is saved")
    if not all(map(record.has_actions_of, record.games)):
        raise AgentError(
            f"{folder.path}: its actions are not those of {record.game} in this version of ale-py"
        )
    agent = new_agent(
        record.agent,
        len(record.actions),
        record.hyperparameters,
        device=find_device(device),
        mixed_precision=record.mixed_precision,
    )
    try:
        agent.load_state_dict(state["agent"])
    except (KeyError, AtariReplayError) as error:
        raise AgentError(f"{folder.checkpoint}: {error}; it belongs to another run") from None
    return agent


def card_of(evaluation: RunEvaluation) -> str:
    """Returns the text of a run's card."""
    protocol = evaluation.settings.protocol
    return model_card(
        evaluation.record,
        evaluation.game,
        updates=evaluation.updates,
        scores=evaluation.scores,
        episodes=len(evaluation.episodes),
        protocol=f"sticky actions 0.25, ε {protocol.epsilon:g}, at most {protocol.time_limit:,} steps, full "
        f"episodes, returns not clipped",
    )
