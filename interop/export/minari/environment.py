"""The dataset's protocol as a Gymnasium specification, which Minari stores and makes environments from."""

from typing import TYPE_CHECKING

from ....builder.format.frame_format import FrameFormat
from ....builder.format.games import Game
from ....builder.format.protocol import FRAME_SKIP, STICKY_ACTION_PROBABILITY, TIME_LIMIT

if TYPE_CHECKING:
    from gymnasium.envs.registration import EnvSpec


def environment_spec(game: Game, frame_format: FrameFormat) -> "EnvSpec | None":
    """Returns what ale-py and Gymnasium's own wrapper need to play a game as the dataset's agents met it.

    Sticky actions of 0.25, a frame skip of 4 with the maximum over the last two frames, frames of the
    format, no no-op starts, and a time limit of 27,000 agent steps. Rewards are not clipped.

    None for frames that are not square, whose size does not survive the specification's JSON, and for worlds
    beyond Atari.
    """
    if frame_format.height != frame_format.width or game.world is not None:
        return None
    from gymnasium.envs.registration import EnvSpec, WrapperSpec

    return EnvSpec(
        id=f"ALE/{game.name}-v5",
        entry_point="ale_py.env:AtariEnv",
        kwargs={
            "game": game.rom_id,
            "repeat_action_probability": STICKY_ACTION_PROBABILITY,
            "full_action_space": False,
            "frameskip": 1,
            "max_num_frames_per_episode": TIME_LIMIT * FRAME_SKIP,
        },
        additional_wrappers=(
            WrapperSpec(
                "AtariPreprocessing",
                "gymnasium.wrappers.atari_preprocessing:AtariPreprocessing",
                {
                    "noop_max": 0,
                    "frame_skip": FRAME_SKIP,
                    "screen_size": frame_format.height,
                    "terminal_on_life_loss": False,
                    "grayscale_obs": frame_format.channels == 1,
                    "grayscale_newaxis": False,
                    "scale_obs": False,
                },
            ),
        ),
        vector_entry_point=None,
    )
