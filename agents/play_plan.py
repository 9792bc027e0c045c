"""Checks what `play` is asked for, and says what it would do."""

import math
from dataclasses import dataclass

from ..builder.collecting.log_settings import LogSettings
from ..builder.format.protocol import FRAME_SHAPE
from .errors import AgentError
from .hyperparameters import LEARN_FROM_LOGS
from .play_settings import MOST_ENVIRONMENTS, PlaySettings


@dataclass(frozen=True)
class PlayPlan:
    """What `play` would do."""

    settings: PlaySettings

    def __str__(self) -> str:
        settings, schedule = self.settings, self.settings.schedule
        updates = max(0, schedule.steps - schedule.min_replay_history) // schedule.update_period
        frame = math.prod(FRAME_SHAPE) / 1e9
        memory, held = schedule.checkpoint_size * frame, settings.environments * settings.time_limit * frame
        episodes = f", and at most {held:,.1f} GB for episodes in progress"
        return (
            f"would play {settings.game} with {settings.agent}, network {settings.hyperparameters.network}, "
            f"into {settings.logs}:\n"
            f"  {schedule.steps:,} steps, about {updates:,} updates\n"
            f"  about {schedule.steps // schedule.checkpoint_size} full checkpoints of "
            f"{schedule.checkpoint_size:,} rows, and a partial one; a ring of {memory:,.1f} GB of memory"
            f"{episodes if settings.environments > 1 else ''}"
        )


def plan_play(settings: PlaySettings) -> PlayPlan:
    """Returns what `play` would do.

    Raises:
        AgentError: the agent cannot play, or a number is too small or too large.
    """
    check(settings)
    return PlayPlan(settings)


def check(settings: PlaySettings) -> None:
    """Check that a run can be played.

    Raises:
        AgentError: the agent cannot play, or a number is too small or too large.
        OutputError: the run's number or folder cannot be used.
    """
    settings.schedule.check()
    if not 1 <= settings.environments <= MOST_ENVIRONMENTS:
        raise AgentError(f"environments is {settings.environments}: expected 1 to {MOST_ENVIRONMENTS}")
    LogSettings(
        settings.game,
        settings.out,
        checkpoint_size=settings.schedule.checkpoint_size,
        run=settings.run,
        seed=settings.seed,
        time_limit=settings.time_limit,
    ).check()
    if settings.agent in LEARN_FROM_LOGS or settings.hyperparameters.n_step != 1:
        raise AgentError(
            f"{settings.agent} with n_step {settings.hyperparameters.n_step} cannot learn online: "
            f"{' and '.join(LEARN_FROM_LOGS)} learn from logs, and play sums no rewards over several steps"
        )
