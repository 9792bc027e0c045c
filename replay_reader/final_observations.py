"""Finds what was seen after an episode's last step, in the episodes tables of many checkpoints."""

import threading
from collections import OrderedDict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..builder.errors import AtariReplayError
from ..builder.format.frame_format import FrameFormat
from ..builder.format.frames import decode_frames
from .checkpoint_files import FINAL, CheckpointFiles
from .errors import DatasetError

HELD_BYTES = 64 << 20
"""The most bytes of final observations held, as stored: a checkpoint of a million steps has 1 to 4 MB."""


class FinalObservations:
    """Reads each checkpoint's final observations when they are needed, on any thread.

    Those read last are held as they are stored, so that shuffled episodes do not read a table each.
    """

    def __init__(self, token: str | bool | None, frame_format: FrameFormat) -> None:
        self._token, self._frame_format = token, frame_format
        self._held: OrderedDict[CheckpointFiles, pa.Table] = OrderedDict()
        self._lock = threading.Lock()  # not held while a file is read, which a fork may come into

    def __reduce__(self) -> tuple[type, tuple[str | bool | None, FrameFormat]]:
        return FinalObservations, (self._token, self._frame_format)

    def find(self, checkpoint: CheckpointFiles, episode: int) -> np.ndarray | None:
        """Returns what was seen after an episode of a checkpoint; None if it is not known.

        Raises:
            DatasetError: the episodes table is damaged, or the frame has another format.
        """
        table = self._table(checkpoint)
        at = pc.index(table["episode"], episode).as_py()
        if at < 0:
            return None
        try:
            return decode_frames(table[FINAL].slice(at, 1), self._frame_format)[0]
        except AtariReplayError as error:
            raise DatasetError(
                f"{checkpoint.table}: {FINAL}: {error}; fetch or build this checkpoint again"
            ) from None

    def _table(self, checkpoint: CheckpointFiles) -> pa.Table:
        with self._lock:
            table = self._held.get(checkpoint)
            if table is not None:
                self._held.move_to_end(checkpoint)
                return table
        table = checkpoint.read_final_observations(self._token)
        with self._lock:
            self._held[checkpoint] = table
            while len(self._held) > 1 and sum(each.nbytes for each in self._held.values()) > HELD_BYTES:
                self._held.popitem(last=False)
        return table
