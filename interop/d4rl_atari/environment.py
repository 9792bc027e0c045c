"""d4rl-atari's environment: an Atari game under the dataset's protocol."""

# pyright: reportMissingImports=false
import os
from pathlib import Path
from typing import Any, Literal

import gymnasium
import numpy as np

from ...builder.collecting.environment import AtariEnvironment
from ...builder.errors import UnknownNameError
from ...builder.format.configs import EPOCH, FILE_NUMBERS
from ...builder.format.games import Game, find_game
from ...builder.format.protocol import FRAME_SHAPE, STACK_SIZE, STICKY_ACTION_PROBABILITY
from ..libraries import require
from ..selection import Place
from .offline_data import OfflineData

RENDER_FPS = 15
"""Agent steps in a second of play at the console's own speed."""


class OfflineAtariEnv(gymnasium.Env[np.ndarray, int]):
    """An Atari game under the dataset's protocol, and what an agent has played of it before.

    Observations are 84×84, grey, the maximum of the last two of four emulated frames; an episode is cut off
    after 27,000 steps. With `sticky_action=True` this is how the dataset was played, to the frame: the same
    seed and actions give what `atari-dqn-replay collect` logs. ALE's ROMs differ from those of 2019.

    Args:
        game: in any spelling.
        index: the run, 1 to 5.
        quality: `mixed`, `medium` or `expert`, or `epoch-7` for log file 7.
        stack: observations are the last four frames, (4, 84, 84), the oldest first, blank before an episode's
            beginning; else (84, 84).
        sticky_action: repeat the last action with a probability of 0.25, as in the dataset.
        clip_reward: to [-1, 1], in `step`; the dataset's are as it has them.
        terminal_on_life_loss: an episode ends with a life.
        noop_max: at most so many emulated frames without action begin an episode. d4rl-atari has 30; the
            dataset was played without any.
        render_mode: `rgb_array` or `human`.
        rom: a file with another ROM, such as those of atari-py up to 0.2.5, which the original agents played.
        dataset: where `get_dataset` reads: a folder, or a repo on the Hub; None takes it from the environment
            variable ATARI_DQN_REPLAY_DATASET.
        raw: `get_dataset` gives the rows of log files as d4rl-atari does; else every step of whole episodes.
        lazy: `get_dataset` reads frames when they are asked for.
        by_file_number: `mixed`, `medium` and `expert` are the files 1, 10 and 50, as d4rl-atari has them;
            else checkpoints 0, 9 and the last complete one, as its README says. None is the former if `raw`.
        cache_dir: where prepared frames are kept; None is the assets folder of the Hugging Face cache.

    Raises:
        AtariReplayError: there is no such game, quality or ROM.
    """

    metadata: dict[str, Any] = {"render_modes": ["human", "rgb_array"], "render_fps": RENDER_FPS}  # noqa: RUF012

    def __init__(
        self,
        game: str,
        index: int = 1,
        quality: str = "mixed",
        *,
        stack: bool = False,
        sticky_action: bool = False,
        clip_reward: bool = False,
        terminal_on_life_loss: bool = False,
        noop_max: int = 0,
        render_mode: Literal["human", "rgb_array"] | None = None,
        rom: str | os.PathLike[str] | None = None,
        dataset: Place | None = None,
        raw: bool = False,
        lazy: bool = False,
        by_file_number: bool | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise UnknownNameError(f"unknown render_mode {render_mode!r}: expected 'human' or 'rgb_array'")
        self.game: Game = find_game(game)
        self.render_mode = render_mode
        self._stack, self._clip_reward = stack, clip_reward
        self._terminal_on_life_loss, self._noop_max = terminal_on_life_loss, noop_max
        self._console_options: dict[str, Any] = {
            "sticky_action_probability": STICKY_ACTION_PROBABILITY if sticky_action else 0.0,
            "rom": None if rom is None else Path(rom),
        }
        self.view: str = _file_view(quality, raw, by_file_number)
        """The view that `get_dataset` shows, as in a config's name: `mixed`, or `epoch-7` for log file 7."""
        self._data = OfflineData(self.game, index, self.view, dataset, raw, lazy, stack, cache_dir)
        self._console = self._switch_on(0)
        self._frames: np.ndarray = np.zeros((STACK_SIZE, *FRAME_SHAPE), np.uint8)
        self._playing, self._lives = False, 0
        self._window: Any = None
        shape = (STACK_SIZE, *FRAME_SHAPE) if stack else FRAME_SHAPE
        self.observation_space = gymnasium.spaces.Box(0, 255, shape, np.uint8)
        self.action_space = gymnasium.spaces.Discrete(len(self.game.actions))  # pyright: ignore

    def get_dataset(self) -> dict[str, Any]:
        """Returns the steps of this run and quality, in order of play, N rows.

        | key | shape, dtype | |
        |---|---|---|
        | observations | (N, 1, 84, 84) uint8 | with `stack`, a sequence of N stacks (4, 84, 84) |
        | actions | (N,) int32 | |
        | rewards | (N,) float32 | as logged: clipped in the original |
        | terminals | (N,) uint8 | 1 on an episode's last step, also if the time limit ended it |

        With `raw`, N is the size of the log file: three blank rows begin each episode, the first episode
        lacks its beginning and the last one its end, and the last row is out of place. Otherwise episodes are
        whole; if the log itself cuts one off, its last step is marked as well, unless it is the last of all.

        With `lazy` or `stack` observations can be indexed as an array can, but are a sequence: stacks are
        views, and frames of lazy ones are read when they are asked for.

        Raises:
            AtariReplayError: there is no such dataset, or it lacks this game, run or quality.
        """
        return self._data.load()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode; with a seed, on a console that is switched on anew."""
        super().reset(seed=seed, options=options)
        if seed is not None:
            self._console = self._switch_on(seed)
        no_ops = int(self.np_random.integers(1, self._noop_max + 1)) if self._noop_max else 0
        self._frames = np.zeros_like(self._frames)
        observation = self._see(self._console.reset(no_ops))
        self._playing, self._lives = True, self._console.lives
        self._show()
        return observation, {"lives": self._lives}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Play four emulated frames.

        Raises:
            gymnasium.error.ResetNeeded: no episode was begun, or it is over.
            gymnasium.error.InvalidAction: there is no such action.
        """
        if not self._playing:
            raise gymnasium.error.ResetNeeded("call reset() first: no episode was begun, or it is over")
        if not self.action_space.contains(action):
            raise gymnasium.error.InvalidAction(
                f"action {action!r}: expected 0 to {len(self.game.actions) - 1} "
                f"({', '.join(self.game.actions)})"
            )
        frame, reward, terminated, truncated = self._console.step(int(action))
        observation = self._see(frame)
        lost, self._lives = self._console.lives < self._lives, self._console.lives
        if lost and self._terminal_on_life_loss:
            terminated, truncated = True, False
        self._playing = not (terminated or truncated)
        self._show()
        return (
            observation,
            float(np.clip(reward, -1, 1)) if self._clip_reward else reward,
            terminated,
            truncated,
            {"lives": self._lives},
        )

    def render(self) -> np.ndarray | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Returns the console's picture, (210, 160, 3) uint8, if the render mode is `rgb_array`."""
        return self._console.screen if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._window is not None:
            import pygame

            pygame.display.quit()
            self._window = None

    def _switch_on(self, seed: int) -> AtariEnvironment:
        return AtariEnvironment(self.game, seed=seed % (1 << 31), **self._console_options)

    def _see(self, frame: np.ndarray) -> np.ndarray:
        if not self._stack:
            return frame
        self._frames = np.concatenate([self._frames[1:], frame[None]])
        return self._frames

    def _show(self) -> None:
        if self.render_mode != "human":
            return
        require("pygame", "2.0", extra="gymnasium")
        import pygame

        picture = self._console.screen
        size = (2 * picture.shape[1] * 2, 2 * picture.shape[0])  # pixels of a television are wide
        if self._window is None:
            pygame.display.init()
            self._window = pygame.display.set_mode(size)
            pygame.display.set_caption(str(self.game))
        surface = pygame.surfarray.make_surface(picture.swapaxes(0, 1))
        self._window.blit(pygame.transform.scale(surface, size), (0, 0))
        pygame.event.pump()
        pygame.display.flip()
        pygame.time.wait(1000 // RENDER_FPS)


def _file_view(quality: str, raw: bool, by_file_number: bool | None) -> str:
    """Returns the view of a quality, which may be that of a log file."""
    by_number = raw if by_file_number is None else by_file_number
    if quality in FILE_NUMBERS and by_number:
        return f"{EPOCH}-{FILE_NUMBERS[quality]}"
    return quality
