"""One dump of the replay buffer, as its six files."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np

from ....builder.files import replacing
from ....builder.sources.replay_logs.log_files import FINAL, PROB, log_file_name
from ....builder.sources.run import Run
from ..steps_in_order import Columns
from .array_writer import ArrayWriter
from .log_layout import FileLayout

Stored = dict[str, tuple[np.dtype, tuple[int, ...]]]
"""The dtype and a row's shape of each array with a row for each of the ring."""

_NUMBERS_STORED: Stored = {
    "action": (np.dtype("<i4"), ()),
    "reward": (np.dtype("<f4"), ()),
    "terminal": (np.dtype("u1"), ()),
}
"""The arrays that every dump has beside the frames."""

_NUMBERS = np.dtype("<i8")


def stored_arrays(run: Run) -> Stored:
    """Returns the arrays of a run's dumps, with the probabilities of its actions if it has them."""
    return {
        "observation": (np.dtype("u1"), run.frame_format.shape),
        **_NUMBERS_STORED,
        **({PROB: (np.dtype("<f4"), ())} if PROB in run.optional_columns else {}),
    }


def file_names(file: FileLayout, stored: Stored) -> list[str]:
    """Returns the names of a dump's files."""
    finals = (FINAL,) if file.has_final_observations else ()
    return [
        *(log_file_name(array, file.number) for array in (*stored, "add_count", *finals)),
        f"invalid_range_ckpt.{file.number}.gz",
    ]


def write_file(
    folder: Path,
    file: FileLayout,
    blocks: Iterable[Columns],
    stored: Stored,
    compression: str,
    progress: Callable[[int], Any],
) -> None:
    """Write a dump: each of its files appears whole or not at all.

    Args:
        folder: where they go.
        file: which dump.
        blocks: its rows, from row 0 on.
        stored: its arrays.
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
            array: begin(log_file_name(array, file.number), dtype, (file.capacity, *row))
            for array, (dtype, row) in stored.items()
        }
        for block in blocks:
            for array, (dtype, _) in stored.items():
                writers[array].write(np.ascontiguousarray(block[array], dtype))
            progress(len(block["action"]))
        for writer in writers.values():
            writer.finish()
        for name, array in single.items():
            writer = begin(name, array.dtype, array.shape)
            writer.write(array.tobytes())
            writer.finish()
