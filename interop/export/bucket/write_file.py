"""One dump of the replay buffer, as its six files."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np

from ....builder.files import replacing
from ....builder.format.frame_format import FrameFormat
from ....builder.sources.replay_logs.log_files import log_file_name
from ..steps_in_order import Columns
from .array_writer import ArrayWriter
from .log_layout import FileLayout

STORED = {
    "observation": np.dtype("u1"),
    "action": np.dtype("<i4"),
    "reward": np.dtype("<f4"),
    "terminal": np.dtype("u1"),
}
"""Arrays with a row for each of the ring."""

_NUMBERS = np.dtype("<i8")


def file_names(number: int) -> list[str]:
    """Returns the names of a dump's files."""
    return [
        *(log_file_name(array, number) for array in (*STORED, "add_count")),
        f"invalid_range_ckpt.{number}.gz",
    ]


def write_file(
    folder: Path,
    file: FileLayout,
    blocks: Iterable[Columns],
    frame_format: FrameFormat,
    compression: str,
    progress: Callable[[int], Any],
) -> None:
    """Write a dump: each of its files appears whole or not at all.

    Args:
        folder: where they go.
        file: which dump.
        blocks: its rows, from row 0 on.
        frame_format: the format of the frames.
        compression: see `ArrayWriter`.
        progress: called with the rows written since the last call.

    Raises:
        OSError: a file cannot be written.
    """
    single = {
        log_file_name("add_count", file.number): np.array(file.add_count, _NUMBERS),
        f"invalid_range_ckpt.{file.number}.gz": np.array(file.invalid_range, _NUMBERS) % file.capacity,
    }
    with ExitStack() as stack:

        def begin(name: str, dtype: np.dtype, shape: tuple[int, ...]) -> ArrayWriter:
            temporary = stack.enter_context(replacing(folder / name))
            return stack.enter_context(closing(ArrayWriter(temporary, dtype, shape, compression)))

        writers = {
            array: begin(
                log_file_name(array, file.number),
                dtype,
                (file.capacity, *(frame_format.shape if array == "observation" else ())),
            )
            for array, dtype in STORED.items()
        }
        for block in blocks:
            for array, dtype in STORED.items():
                writers[array].write(np.ascontiguousarray(block[array], dtype))
            progress(len(block["action"]))
        for writer in writers.values():
            writer.finish()
        for name, array in single.items():
            writer = begin(name, array.dtype, array.shape)
            writer.write(array.tobytes())
            writer.finish()
