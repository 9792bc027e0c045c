"""Writes the dumps of a ring on a thread, while play goes on and writes over the ring."""

import contextlib
import gzip
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ..files import replacing

BLOCK_ROWS = 512
"""Frames that are copied and compressed at a time: 3.6 MB."""

OBSERVATION = "$store$_observation"

Arrays = Mapping[str, NDArray[Any]]
"""What a dump holds besides the frames, by name."""


class DumpWriter:
    """Writes one dump after another: a gzipped `.npy` for each array, which appears whole or not at all.

    The small arrays are copied when a dump begins. The frames are not: they are read from row 0 on, in the
    order in which play writes over them, and play waits where it would overtake. Only the last row is copied,
    as play writes over it first.

    Args:
        folder: where the files go.
        compression: zlib's level.
    """

    def __init__(self, folder: Path, compression: int) -> None:
        self._folder, self._compression = folder, compression
        self._thread: ThreadPoolExecutor | None = None
        self._jobs: list[Future[Any]] = []
        """The dump that is being written, and what is to be done after it."""
        self._stop = threading.Event()
        self._progress = threading.Condition()
        self._copied = 0
        """Frames of the dump that may be written over, besides the last."""
        self._last = -1
        """The ring's last row, of which the dump has a copy."""
        self._has_ended = True

    def write(self, number: int, frames: NDArray[np.uint8], arrays: Arrays) -> None:
        """Begin to write a dump, once the one before is complete.

        Args:
            number: the number in the files' names.
            frames: the ring's frames, which are read later; see `before_overwriting`.
            arrays: the other arrays, which are copied.

        Raises:
            OSError: the dump before could not be written.
        """
        self.flush()
        self._copied, self._has_ended, self._last = 0, False, len(frames) - 1
        copies = {name: array.copy() for name, array in arrays.items()}
        last_row = frames[-1].copy()
        self.then(lambda: self._write(number, frames, last_row, copies))

    def before_overwriting(self, row: int) -> None:
        """Wait until a row of the ring may be written over.

        Raises:
            OSError: the dump that is being written has failed.
        """
        if not self._jobs or row == self._last:
            return
        if row >= self._copied:
            with self._progress:
                self._progress.wait_for(lambda: row < self._copied or self._has_ended)
        if row >= self._copied or self._jobs[-1].done():
            self.flush()

    def then(self, function: Callable[[], object]) -> None:
        """Call a function on the thread once all that was begun before is complete, unless that fails."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="dump")
        before = self._jobs[-1] if self._jobs else None

        def job() -> None:
            if before is not None:
                before.result()
            function()

        self._jobs.append(self._thread.submit(job))

    def flush(self) -> None:
        """Wait until all that was begun is complete.

        Raises:
            OSError: it could not be written.
        """
        for job in self._jobs:
            job.result()
        self._jobs.clear()

    def close(self) -> None:
        """Abandon a dump that is not complete, and stop the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)

    def _write(
        self, number: int, frames: NDArray[np.uint8], last_row: NDArray[np.uint8], arrays: Arrays
    ) -> None:
        try:
            with self._packed(number, OBSERVATION) as packed:
                npy.write_array_header_1_0(packed, npy.header_data_from_array_1_0(frames))
                for start in range(0, len(frames), BLOCK_ROWS):
                    if self._stop.is_set():
                        raise CancelledError
                    block = frames[start : start + BLOCK_ROWS].copy()
                    if start + len(block) == len(frames):
                        block[-1] = last_row
                    self._let_overwrite(start + len(block))
                    packed.write(block.data)
            for name, array in arrays.items():
                with self._packed(number, name) as packed:
                    np.save(packed, array, allow_pickle=False)
        finally:
            self._let_overwrite(self._copied, has_ended=True)

    @contextlib.contextmanager
    def _packed(self, number: int, name: str) -> Iterator[IO[bytes]]:
        """Open a file of a dump, whose bytes depend only on the array: no name and no time of day."""
        with (
            replacing(self._folder / f"{name}_ckpt.{number}.gz") as path,
            path.open("wb") as file,
            gzip.GzipFile("", "wb", self._compression, file, mtime=0) as packed,
        ):
            yield packed  # type: ignore[misc]

    def _let_overwrite(self, rows: int, *, has_ended: bool = False) -> None:
        with self._progress:
            self._copied, self._has_ended = rows, has_ended
            self._progress.notify_all()
