"""Lists the files of a run's replay log and what each of them holds."""

from dataclasses import dataclass, field

import numpy as np

from ...format.protocol import FRAME_SHAPE
from .layouts import BUCKET, Layout

ARRAYS: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
    "observation": (np.uint8, FRAME_SHAPE),
    "action": (np.int32, ()),
    "reward": (np.float32, ()),
    "terminal": (np.uint8, ()),
}
"""The dtype and row shape of each array in the original; observations may have another `FrameFormat`."""

PROB = "prob"
"""The array, float32 (C,), of the probability of each action, which logs of an off-policy DQN have, too."""

SCALARS = np.dtype([("action", "<i4"), ("reward", "<f4"), ("terminal", "u1")])
"""The dtype of a row without its frame."""

BUCKET_ARRAYS = (*ARRAYS, PROB, "add_count")
"""The arrays of a checkpoint in the bucket's layout; prob and add_count can be lacking."""

FINAL = "final_observation"
"""What was seen after the last step of each episode that ends in a checkpoint, in order of play. The
original's logs never had it; its files have names that other loaders do not take for a checkpoint's."""

LOG_ARRAYS = (*BUCKET_ARRAYS, FINAL)
"""The arrays that are read of a checkpoint. `invalid_range` follows from add_count and is not read."""

_STORE = "$store$_"


@dataclass(frozen=True)
class LogFiles:
    """The files of one run: for each checkpoint number, each array's path relative to the store's root."""

    folder: str
    """The folder of the run, or of the files themselves."""
    checkpoints: dict[int, dict[str, str]] = field(default_factory=dict)
    layout: Layout = BUCKET
    """How the files are arranged."""

    @property
    def has_add_counts(self) -> bool:
        """Whether each checkpoint has its add_count file; some copies leave them out."""
        return all("add_count" in files for files in self.checkpoints.values())

    @property
    def has_probs(self) -> bool:
        """Whether each checkpoint has the probabilities of its actions."""
        return all(PROB in files for files in self.checkpoints.values())

    def path(self, number: int, array: str) -> str:
        """Returns the path of an array, whether or not the file exists."""
        files = self.checkpoints[number]
        if array in files:
            return files[array]
        folder, name = self.folder, log_file_name(array, number)
        for sibling in ARRAYS:
            if sibling in files:
                folder, _, there = files[sibling].rpartition("/")
                if self.layout is not BUCKET:
                    name = there.replace(sibling, array)
        return inside(folder, name)


def inside(folder: str, name: str) -> str:
    """Returns the path of an entry of a folder; the root is the empty path."""
    return f"{folder}/{name}" if folder else name


def log_file_name(array: str, number: int) -> str:
    """Returns an array's file name in the bucket, for a checkpoint."""
    if array == FINAL:
        return f"{FINAL}-{number}.npy.zst"
    return f"{'' if array == 'add_count' else _STORE}{array}_ckpt.{number}.gz"
