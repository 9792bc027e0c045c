"""An Atari game as the DQN Replay Dataset's agents met it."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import SourceError, UnknownNameError
from ..format.frame_format import GREY84, FrameFormat
from ..format.games import Game
from ..format.protocol import FRAME_SKIP, STICKY_ACTION_PROBABILITY, TIME_LIMIT


class AtariEnvironment:
    """One game under the dataset's protocol, directly on ALE, so that a player can read the console's RAM.

    The protocol is that of Dopamine's `AtariPreprocessing` (`dopamine/discrete_domains/atari_lib.py`), with
    the settings that the dataset was collected with: sticky actions, a frame skip of 4 with the maximum over
    the last two frames, greyscale, 84×84 by area interpolation (OpenCV's INTER_AREA); losing a life does not
    end an episode, and none starts with no-ops. The ROM is by default the one that ale-py ships; the original
    agents played the older ROMs of atari-py.

    The same seed and actions produce the same observations and rewards.

    Args:
        game: the game to play.
        seed: seed of the console's random numbers, which sticky actions use.
        time_limit: agent steps after which an episode is truncated.
        sticky_action_probability: probability that an emulated frame repeats the last action.
        rom: path of another ROM of the game.
        frame_format: the format of observations, in place of 84×84 grey. Colour ones are the maximum of the
            last two frames in each channel, resized by area interpolation, as DIAMOND preprocesses its 64×64
            (`src/envs/atari_preprocessing.py`); 210×160 is the console's own size in most games.

    Raises:
        UnknownNameError: ale-py ships no ROM of this game.
        SourceError: `rom` is not a file.
    """

    def __init__(
        self,
        game: Game,
        *,
        seed: int = 0,
        time_limit: int = TIME_LIMIT,
        sticky_action_probability: float = STICKY_ACTION_PROBABILITY,
        rom: Path | None = None,
        frame_format: FrameFormat = GREY84,
    ) -> None:
        import cv2
        from ale_py import ALEInterface, LoggerMode

        self.actions = game.actions
        """Names of the minimal action set; `step` takes an index into it."""
        self.time_limit = time_limit
        self.frame_format = frame_format
        cv2.setNumThreads(1)  # a frame is too small to split, and many games may play at once
        self._resize, self._area = cv2.resize, cv2.INTER_AREA
        ALEInterface.setLoggerMode(LoggerMode.Error)
        self._ale = ALEInterface()
        self._ale.setInt("random_seed", seed)
        self._ale.setFloat("repeat_action_probability", sticky_action_probability)
        if rom is not None and not rom.is_file():
            raise SourceError(f"{rom}: no such file; expected a ROM of {game}")
        self._ale.loadROM(rom_of(game) if rom is None else rom)
        self._action_set = self._ale.getMinimalActionSet()
        is_grey = frame_format.channels == 1
        self._get_screen = self._ale.getScreenGrayscale if is_grey else self._ale.getScreenRGB
        self._screens = np.zeros((2, *self._ale.getScreenDims(), *frame_format.shape[2:]), np.uint8)
        self._ram = np.zeros(self._ale.getRAMSize(), np.uint8)
        self._steps = 0

    @property
    def ram(self) -> NDArray[np.uint8]:
        """The console's current 128 bytes of RAM, uint8; the next access overwrites the array."""
        self._ale.getRAM(self._ram)
        return self._ram

    @property
    def lives(self) -> int:
        """Number of lives left; 0 in games without lives."""
        return self._ale.lives()

    @property
    def screen(self) -> NDArray[np.uint8]:
        """The console's current picture, (210, 160, 3) uint8 RGB; in some games it is taller."""
        return self._ale.getScreenRGB()

    def reset(self, no_ops: int = 0) -> NDArray[np.uint8]:
        """Start an episode and return its first observation, (84, 84) uint8 by default.

        Args:
            no_ops: emulated frames of no-ops before it; none in the dataset's protocol.
        """
        self._ale.reset_game()
        for _ in range(no_ops):
            self._ale.act(0)
        self._steps = 0
        self._get_screen(self._screens[0])
        self._screens[1] = 0
        return self._observation()

    def step(self, action: int) -> tuple[NDArray[np.uint8], float, bool, bool]:
        """Play one agent step, four emulated frames.

        Args:
            action: an index into `actions`.

        Returns:
            The observation after the step, uint8; the reward, not clipped; whether the game is over
            (`terminated`); and whether the time limit cut it off (`truncated`, never both).
        """
        reward = 0
        chosen = self._action_set[action]
        for frame in range(FRAME_SKIP):
            reward += self._ale.act(chosen)
            if self._ale.game_over():
                break  # as in Dopamine: the frame that ends the game is not shown
            if frame >= FRAME_SKIP - 2:
                self._get_screen(self._screens[frame - (FRAME_SKIP - 2)])
        self._steps += 1
        terminated = self._ale.game_over()
        return (
            self._observation(),
            float(reward),
            terminated,
            not terminated and self._steps >= self.time_limit,
        )

    def state(self) -> dict[str, NDArray[np.uint8] | int]:
        """Returns all that later steps depend on, the console's random numbers too."""
        console = self._ale.cloneState(include_rng=True).serialize()
        return {
            "console": np.frombuffer(console, np.uint8).copy(),
            "screens": self._screens.copy(),
            "steps": self._steps,
        }

    def restore(self, console: NDArray[np.uint8], screens: NDArray[np.uint8], steps: int) -> None:
        """Go on as the environment whose `state` this is would have."""
        from ale_py import ALEState

        self._ale.restoreState(ALEState(console.tobytes()))
        self._screens[...] = screens
        self._steps = steps

    def _observation(self) -> NDArray[np.uint8]:
        np.maximum(self._screens[0], self._screens[1], out=self._screens[0])
        size = (self.frame_format.width, self.frame_format.height)
        return self._resize(self._screens[0], size, interpolation=self._area)


def rom_of(game: Game) -> Path:
    """Returns the path of the ROM that ale-py ships for `game`.

    Raises:
        UnknownNameError: ale-py ships none.
    """
    from ale_py import roms

    if game.world is not None:
        raise UnknownNameError(f"{game} is not an Atari game but a world of its own, which `collect` plays")
    path = roms.get_rom_path(game.rom_id)
    if path is None:
        raise UnknownNameError(f"ale-py ships no ROM for {game.rom_id!r}; install ale-py 0.11 or newer")
    return Path(path)
