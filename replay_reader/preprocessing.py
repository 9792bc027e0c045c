"""Changes a gathered batch to suit a model: its images, actions and rewards."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..builder.format.actions import FULL_ACTIONS
from ..builder.format.frame_format import GREY84, FrameFormat
from .errors import DatasetError

Batch = dict[str, np.ndarray]

PICTURES = ("observation", "next_observation", "final_observation")


@dataclass(frozen=True)
class Preprocessing:
    """Options for agents and models; the defaults leave everything as stored."""

    size: tuple[int, int] | None = None
    """The height and width to resize to, by area interpolation."""
    rgb: bool = False
    """Whether to have a channel axis of 3 after each stack's, (…, 3, height, width).

    Grey is repeated three times; colour, which is stored as (…, height, width, 3), is only moved.
    """
    channels_last: bool = False
    """Whether stack or colours are the last axis (…, height, width, channels) instead of before height.

    Frames that are neither stacked nor coloured have no such axis and stay unchanged; so do those that are
    stored in colour, whose channels are last already.
    """
    dtype: Literal["uint8", "float32"] = "uint8"
    """The dtype of images; float32 is divided by 255."""
    full_action_space: bool = False
    """Whether to number actions among ALE's 18 instead of the game's minimal set."""
    clip_reward: bool = False
    """Whether to clip rewards to their sign, as DQN does; only for readers with single-step rewards."""
    return_range: tuple[int, int] | None = None
    """The bounds to clip return_to_go to for an added `return_token`, int64, counted from the lower one."""
    reward_class: bool = False
    """Whether to add `reward_class`, int64: 0 no reward, 1 positive, 2 the game is over, 3 negative."""
    is_colour: bool = False
    """Whether the stored frames are in colour; set by `bind`."""
    action_numbers: tuple[int, ...] | None = None
    """The number among the 18 of each of the game's actions; set by `bind`."""

    def bind(
        self,
        action_names: Sequence[str],
        channel_axis: bool = True,
        frame_format: FrameFormat = GREY84,
    ) -> "Preprocessing":
        """Returns the same options for a game with these actions and frames of this format.

        Args:
            action_names: the names of the game's actions.
            channel_axis: whether images have a stack axis before their height.
            frame_format: the format of the stored frames.

        Raises:
            DatasetError: an action is not one of ALE's 18, or an option is invalid.
        """
        if self.dtype not in ("uint8", "float32"):
            raise DatasetError(f"dtype {self.dtype!r}: expected 'uint8' or 'float32'")
        if self.size is not None and min(self.size) < 1:
            raise DatasetError(f"size {self.size}: expected a height and a width of 1 or more")
        if self.return_range is not None and self.return_range[0] > self.return_range[1]:
            raise DatasetError(f"return_range {self.return_range}: expected the lower bound first")
        if frame_format.channels > 1 and not self.is_colour:
            return replace(self, is_colour=True).bind(action_names, channel_axis, frame_format)
        if not channel_axis and not self.rgb and not self.is_colour:
            return replace(self, channels_last=False).bind(action_names)
        if not self.full_action_space:
            return self
        unknown = [name for name in action_names if name not in FULL_ACTIONS]
        if unknown:
            raise DatasetError(f"action {unknown[0]!r} is not one of ALE's 18 actions")
        return replace(self, action_numbers=tuple(FULL_ACTIONS.index(name) for name in action_names))

    def __call__(self, batch: Batch) -> Batch:
        """Returns the batch with its images, actions and rewards changed.

        Raises:
            DatasetError: there are no returns to turn into tokens.
        """
        changed = {
            name: self._picture(value) if name in PICTURES and value is not None else value
            for name, value in batch.items()
        }
        if self.action_numbers is not None:
            changed["action"] = np.asarray(self.action_numbers, np.int64)[batch["action"]]
        if self.clip_reward:
            changed["reward"] = np.sign(batch["reward"])
        if self.return_range is not None:
            changed["return_token"] = self._return_token(batch)
        if self.reward_class:
            sign = np.sign(batch["reward"]).astype(np.int64)
            changed["reward_class"] = np.where(batch["terminated"], 2, np.where(sign < 0, 3, sign))
        return changed

    def _return_token(self, batch: Batch) -> np.ndarray:
        assert self.return_range is not None
        if "return_to_go" not in batch:
            raise DatasetError("return_range: transitions have no return_to_go; take Sequences or Episodes")
        low, high = self.return_range
        token = np.clip(batch["return_to_go"], low, high).astype(np.int64) - low
        return np.where(batch["mask"], token, 0) if "mask" in batch else token

    def _picture(self, frames: np.ndarray) -> np.ndarray:
        if self.size is not None:
            frames = _resize(frames, self.size, self.is_colour)
        if self.is_colour:
            if self.rgb and not self.channels_last:
                frames = np.ascontiguousarray(np.moveaxis(frames, -1, -3))
        elif self.rgb:
            frames = np.repeat(frames[..., None, :, :], 3, axis=-3)
        if self.channels_last and not self.is_colour:
            frames = np.ascontiguousarray(np.moveaxis(frames, -3, -1))
        return frames if self.dtype == "uint8" else frames.astype(np.float32) / np.float32(255)


def _resize(frames: np.ndarray, size: tuple[int, int], is_colour: bool) -> np.ndarray:
    import cv2

    height, width = size
    axes = 3 if is_colour else 2
    flat = frames.reshape(-1, *frames.shape[-axes:])
    resized = np.stack([cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in flat])
    return resized.reshape(*frames.shape[:-axes], *resized.shape[1:])
