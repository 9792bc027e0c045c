"""Logs the play of any agent in Gymnasium as the original's agents logged theirs."""

import os
from pathlib import Path
from typing import Any, SupportsFloat

import gymnasium
import numpy as np

from ..builder.collecting.log_settings import LARGEST_RUN, SMALLEST_CHECKPOINT, protocol_details
from ..builder.collecting.ring_buffer import new_ring
from ..builder.errors import OutputError
from ..builder.files import replacing
from ..builder.format.games import find_game
from ..builder.format.protocol import FRAME_SHAPE, TIME_LIMIT
from ..builder.format.provenance import COLLECTED, FILE_NAME, Provenance
from .errors import AgentError


class ReplayLogger(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Writes replay logs of an ALE game, whoever plays it; `build` makes a dataset of them.

    Put it around gymnasium's `AtariPreprocessing`, and stacks of frames or clipped rewards around it:

    ```python
    game = gymnasium.make("ALE/Pong-v5", frameskip=1, max_num_frames_per_episode=0)
    frames = gymnasium.wrappers.AtariPreprocessing(game, noop_max=0, terminal_on_life_loss=False)
    logged = ReplayLogger(frames, "logs", agent="my agent, learning rate 1e-4")
    environment = gymnasium.wrappers.FrameStackObservation(logged, 4)
    ```

    The log goes to `<out>/<Game>/<run>/replay_logs`: a dump of the ring after each `checkpoint_size` rows, a
    last one by `close`, and `provenance.json`, which says that this is not the original dataset. Rewards
    are logged clipped to [-1, 1].

    Args:
        env: an ALE game with its minimal action set and observations of (84, 84) uint8.
        out: the root folder of the logs.
        agent: who plays, in your words, for `provenance.json` and the card.
        checkpoint_size: the rows of the ring, 7 KB of memory each; 1,000,000 in the original.
        run: the number of the run, from 1 on.
        time_limit: agent steps after which an episode is truncated. The logs mark an episode's end, not its
            reason, so only ends after exactly so many steps are read as truncations.

    Raises:
        AgentError: the environment is not such a game.
        OutputError: the log's folder holds something, or a number is too small or too large.
    """

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        out: str | os.PathLike[str],
        *,
        agent: str,
        checkpoint_size: int = 1_000_000,
        run: int = 1,
        time_limit: int = TIME_LIMIT,
    ) -> None:
        super().__init__(env)
        if env.spec is None:
            raise AgentError(
                "the environment has no spec: expected what gymnasium.make returns for ALE/Pong-v5"
            )
        self.game = find_game(env.spec.id)
        self._check_spaces()
        if checkpoint_size < SMALLEST_CHECKPOINT or not 1 <= run <= LARGEST_RUN or time_limit < 1:
            raise OutputError(
                f"checkpoint_size {checkpoint_size}, run {run}, time_limit {time_limit}: expected at least "
                f"{SMALLEST_CHECKPOINT}, 1 to {LARGEST_RUN}, and at least 1"
            )
        self.folder = Path(out) / self.game.name / str(run) / "replay_logs"
        """The folder of the log."""
        if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise OutputError(f"{self.folder} is there already: choose another out or run, or remove it")
        self.time_limit = time_limit
        self._ring = new_ring(self.folder, checkpoint_size, final_observations=True)
        self._observation: np.ndarray | None = None
        """What the agent sees; None between episodes."""
        self._steps = 0
        self._closed = False
        details = {
            **protocol_details(self.game, time_limit),
            "run": run,
            "policy": agent,
            "checkpoint_size": checkpoint_size,
            "protocol": {"environment": env.spec.id, "time_limit_steps": time_limit, **_options(env)},
        }
        with replacing(self.folder / FILE_NAME) as path:
            path.write_text(Provenance(COLLECTED, details).to_json(), encoding="utf-8")

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """Begin an episode.

        Raises:
            AgentError: the one before has not ended, which a log cannot say.
        """
        if self._observation is not None and self._steps:
            raise AgentError(
                f"{self.folder}: reset after {self._steps:,} steps of an episode that has not ended; play on "
                f"until it is terminated or truncated"
            )
        self._observation, information = self.env.reset(**options)
        self._steps = 0
        return self._observation, information

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Play a step and log it.

        Raises:
            AgentError: there is no episode, or the environment truncates at another time than `time_limit`.
            OSError: the log cannot be written.
        """
        if self._observation is None:
            raise AgentError("step before reset")
        after, reward, terminated, truncated, information = self.env.step(action)
        self._steps += 1
        if truncated and self._steps != self.time_limit:
            raise AgentError(
                f"{self.folder}: the environment truncated an episode after {self._steps:,} steps, expected "
                f"{self.time_limit:,}; give ReplayLogger the same time_limit, as logs do not say why it ended"
            )
        truncated = not terminated and self._steps >= self.time_limit
        ended = bool(terminated or truncated)
        final = np.array(after) if ended else None
        self._ring.add(self._observation, int(action), float(reward), ended, final_observation=final)
        self._observation = None if ended else after
        return after, reward, bool(terminated), truncated, information

    def close(self) -> None:
        """Write the last, partial dump, and close the environment.

        Raises:
            OSError: the log cannot be written; all is closed nevertheless.
        """
        ring, was_closed, self._closed = self._ring, self._closed, True
        try:
            # In the last row, a full dump was made just now, and another would say nothing new.
            if not was_closed and ring.add_count and ring.cursor != ring.capacity - 1:
                ring.finish()
            ring.flush()
        finally:
            ring.close()
            super().close()

    def _check_spaces(self) -> None:
        observations, actions = self.env.observation_space, self.env.action_space
        if observations.shape != FRAME_SHAPE or observations.dtype != np.uint8:
            raise AgentError(
                f"observations are {observations.dtype} of shape {observations.shape}, expected uint8 of "
                f"shape {FRAME_SHAPE}: put ReplayLogger between AtariPreprocessing and stacks of frames"
            )
        names = getattr(self.env.unwrapped, "get_action_meanings", lambda: [])()
        if tuple(names) != self.game.actions:
            raise AgentError(
                f"actions are {actions} ({', '.join(names)}), expected the minimal set of {self.game}: "
                f"{', '.join(self.game.actions)}"
            )


def _options(env: gymnasium.Env[Any, Any]) -> dict[str, Any]:
    """Returns the options with which the environment was made, as far as they are plain values."""
    assert env.spec is not None
    return {name: value for name, value in env.spec.kwargs.items() if isinstance(value, str | int | float)}
