"""Makes row groups of steps, and checks whether they match what this version of pyarrow writes."""

import functools
import io

import numpy as np
import pyarrow as pa

from ..format.arrow_columns import dtype_of
from ..format.frame_format import GREY84, FrameFormat
from ..format.frames import empty_images
from .parquet.compression import Compress
from .parquet.filling import fill_first_column
from .parquet.frames_page import FramesPage
from .parquet.stitching import RowGroup, StitchedFile
from .settings import Options, file_of
from .steps import Columns, frames_of, steps_tables, table_of


class RowGroupMaker:
    """Makes row groups, one after another in the same memory.

    pyarrow writes them with empty frames, which are then replaced by what it would write for the frames.
    """

    def __init__(
        self, schema: pa.Schema, frame_format: FrameFormat, compress: Compress, options: Options | None
    ) -> None:
        self._schema = schema
        self._compress = compress
        self._options = options
        self._page = FramesPage(frame_format)

    def make(self, held: list[Columns]) -> RowGroup:
        """Returns a row group of these steps, and clears the list."""
        frames = frames_of(held)
        table = table_of(held, empty_images(sum(map(len, frames))), self._schema)
        group = RowGroup.of(file_of(self._schema, table, options=self._options))
        return fill_first_column(group, lambda levels: self._page.lay_out(levels, frames), self._compress)


_known_layouts: dict[str, bool] = {}


def is_layout_known(schema: pa.Schema, options: Options, frame_format: FrameFormat = GREY84) -> bool:
    """Returns whether `parquet` makes the same file as pyarrow, to the byte.

    This is tested once in a process for each schema and format, with a whole row group and a short one of
    blank frames.

    Args:
        schema: the schema of the file; its first column holds the frames.
        options: all settings of pyarrow's writer.
        frame_format: the format of the frames.
    """
    key = f"{frame_format} {schema.to_string(show_schema_metadata=True)} {sorted(options.items())}"
    if key not in _known_layouts:
        _known_layouts[key] = _is_layout_known(schema, {**options, "compression_level": 1}, frame_format)
    return _known_layouts[key]


def _is_layout_known(schema: pa.Schema, options: Options, frame_format: FrameFormat) -> bool:
    counts = (frame_format.rows_in_group, 1)
    compress = functools.partial(pa.Codec("zstd", 1).compress, asbytes=True)
    maker = RowGroupMaker(schema, frame_format, compress, options)
    file = io.BytesIO()
    try:
        shard = StitchedFile(file, file_of(schema, options=options))
        for rows in counts:
            shard.append(maker.make([_blank_steps(rows, schema, frame_format)]))
        shard.finish()
    except Exception:  # misread bytes may raise anything
        return False
    tables = [
        table for rows in counts for table in steps_tables([_blank_steps(rows, schema, frame_format)], schema)
    ]
    return file.getvalue() == file_of(schema, *tables, options=options)


def _blank_steps(rows: int, schema: pa.Schema, frame_format: FrameFormat) -> Columns:
    numbers = {
        field.name: (np.arange(rows) % 2).astype(dtype_of(field.type))
        for field in schema
        if field.name != "observation"
    }
    return {
        "observation": np.zeros((rows, *frame_format.shape), np.uint8),
        "step": np.arange(rows),
        **numbers,
    }
