"""One game, as the original's agents played."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from ..builder.collecting.environment import AtariEnvironment
from ..builder.format.games import Game
from ..builder.format.protocol import FRAME_SHAPE, STACK_SIZE
from .played_games import LoggedStep, PlayedGames, see


class OneGame(PlayedGames):
    """One game, each step of which is logged at once."""

    def __init__(self, game: Game, seed: int, time_limit: int) -> None:
        self._environment = AtariEnvironment(game, seed=seed, time_limit=time_limit)
        self.observation = np.zeros((1, STACK_SIZE, *FRAME_SHAPE), np.uint8)
        self.playing = np.ones(1, bool)
        self._return = 0.0
        self._action, self._prob = 0, 1.0
        self._logged: LoggedStep | None = None
        see(self.observation[0], self._environment.reset())

    def send(self, actions: np.ndarray, probs: np.ndarray) -> None:
        """Keep the action: a single game is played when its step is received."""
        self._action, self._prob = int(actions[0]), float(probs[0])

    def receive(self, *, begin_episodes: bool) -> list[float]:
        """Play the step; another episode always begins."""
        stack = self.observation[0]
        frame, reward, terminated, truncated = self._environment.step(self._action)
        ended = terminated or truncated
        final = frame if ended else None
        self._logged = LoggedStep(stack[-1].copy(), self._action, reward, ended, self._prob, final)
        self._return += reward
        returns = []
        if ended:
            returns, self._return = [self._return], 0.0
            stack[...] = 0
            frame = self._environment.reset()
        see(stack, frame)
        return returns

    def next_logged(self) -> LoggedStep | None:
        """Returns the step that was just played, once."""
        logged, self._logged = self._logged, None
        return logged

    def state(self) -> dict[str, Any]:
        """Returns the console's state, between two steps."""
        console = {
            name: torch.from_numpy(value) if isinstance(value, np.ndarray) else value
            for name, value in self._environment.state().items()
        }
        return {
            "console": console,
            "stack": torch.from_numpy(self.observation[0].copy()),
            "return": self._return,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a console's state."""
        console = state["console"]
        self._environment.restore(console["console"].numpy(), console["screens"].numpy(), console["steps"])
        self.observation[0] = state["stack"].numpy()
        self._return = state["return"]
