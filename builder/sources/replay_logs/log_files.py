"""Lists the files of a run's replay log and what each of them holds."""

from dataclasses import dataclass, field

import numpy as np

from ...format.protocol import FRAME_SHAPE

ARRAYS: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
    "observation": (np.uint8, FRAME_SHAPE),
    "action": (np.int32, ()),
    "reward": (np.float32, ()),
    "terminal": (np.uint8, ()),
}
"""The dtype and row shape of each array."""

SCALARS = np.dtype([("action", "<i4"), ("reward", "<f4"), ("terminal", "u1")])
"""The dtype of a row without its frame."""

LOG_ARRAYS = (*ARRAYS, "add_count")
"""The arrays that a checkpoint must have; `invalid_range` follows from add_count and is not read."""


@dataclass(frozen=True)
class LogFiles:
    """The files of one run: for each checkpoint number, each array's path relative to the store's root."""

    folder: str
    checkpoints: dict[int, dict[str, str]] = field(default_factory=dict)
    has_add_counts: bool = True
    """Whether add_count files are included; some copies leave them out."""

    def path(self, number: int, array: str) -> str:
        """Returns the path of an array, whether or not the file exists."""
        return self.checkpoints[number].get(array, f"{self.folder}/{log_file_name(array, number)}")


def log_file_name(array: str, number: int) -> str:
    """Returns an array's file name in the bucket, for a checkpoint."""
    return f"{'' if array == 'add_count' else '$store$_'}{array}_ckpt.{number}.gz"
