"""Reads tables of steps from any row on: Parquet files, local or remote, and prepared datasets."""

import contextlib
import json
import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, TypeVar

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from ..builder.errors import AtariReplayError
from ..builder.format.arrow_columns import array_of_column
from ..builder.format.features import PROB
from ..builder.format.frame_format import FrameFormat
from ..builder.format.frames import decode_frames
from .errors import DatasetError, MissingFileError
from .patience import looks_damaged, patiently

Columns = dict[str, np.ndarray]
T = TypeVar("T")

PIECE_ROWS = 128
"""The most rows decoded at a time: 1 MB of frames stays in the processor's cache."""
_PIECE_BYTES = 128 * 84 * 84

STEP_COLUMNS = {
    "observation": "image", "action": "integer", "reward": "floating", "terminated": "boolean",
    "truncated": "boolean", "return_to_go": "floating", "checkpoint": "integer", "episode": "integer",
    "step": "integer",
}  # fmt: skip
"""The columns read from steps, each with its kind of values."""


def is_kind(found: pa.DataType, kind: str) -> bool:
    """Returns whether an Arrow type holds `integer`, `floating`, `boolean`, `string` or `image` values."""
    if kind == "image":
        return pa.types.is_struct(found) or pa.types.is_binary(found) or pa.types.is_large_binary(found)
    if kind == "string":
        return pa.types.is_string(found) or pa.types.is_large_string(found)
    checks = {
        "integer": pa.types.is_integer,
        "floating": pa.types.is_floating,
        "boolean": pa.types.is_boolean,
    }
    return checks[kind](found)


class StepShard(ABC):
    """A table of steps in order of play, read by row."""

    name: str
    """The shard's name in messages."""
    rows: int
    schema: pa.Schema

    @cached_property
    def action_names(self) -> tuple[str, ...]:
        """Returns the game's actions, after checking that the schema is that of steps.

        Raises:
            DatasetError: the schema is different.
        """
        names = _class_names(self.schema, "action")
        missing = [column for column in STEP_COLUMNS if self.schema.get_field_index(column) < 0]
        if missing or names is None:
            found = ", ".join(self.schema.names)
            lacks = ", ".join(missing) or "the names of the actions"
            raise DatasetError(
                f"{self.name}: lacks {lacks}; it has {found}. Expected the steps of a built dataset"
            )
        for column, kind in STEP_COLUMNS.items():
            found = self.schema.field(column).type
            if not is_kind(found, kind):
                raise DatasetError(
                    f"{self.name}: {column} holds {found}; expected {kind} values, as of a built dataset"
                )
        return names

    @cached_property
    def frame_format(self) -> FrameFormat | None:
        """The format of the frames, by the first of them, which is read; None without rows.

        Raises:
            DatasetError: the file is damaged, or the first frame is not an image of a known format.
        """
        if not self.rows:
            return None
        with self._naming(0, 1):
            table = next(iter(self.read_tables(0, 1, ["observation"])))
            return FrameFormat.of_shape(decode_frames(table["observation"].slice(0, 1)).shape[1:])

    @property
    def other_columns(self) -> list[str]:
        """The columns of numbers that not every dataset has: a world's state, `unclipped_reward`, `prob`."""
        return [
            field.name
            for field in self.schema
            if field.name not in STEP_COLUMNS
            and (pa.types.is_integer(field.type) or pa.types.is_floating(field.type))
        ]

    @property
    def has_probs(self) -> bool:
        """Whether there is the probability with which each action was chosen, the column `prob`.

        Raises:
            DatasetError: the column is not of numbers.
        """
        at = self.schema.get_field_index(PROB)
        if at >= 0 and not is_kind(self.schema.field(at).type, "floating"):
            found = self.schema.field(at).type
            raise DatasetError(
                f"{self.name}: {PROB} holds {found}; expected floating values, as of a built dataset"
            )
        return at >= 0

    @abstractmethod
    def read_tables(self, start: int, stop: int, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield rows start to stop - 1 of some columns, one table after another."""

    def read_pieces(
        self, start: int, stop: int, columns: Sequence[str], frame_format: FrameFormat | None = None
    ) -> Iterator[Columns]:
        """Yield rows start to stop - 1, a few at a time, as an array for each column.

        Observations are uint8 arrays, (n, height, width) or (n, height, width, 3), of the format given, or of
        the shard's first frame.

        Raises:
            DatasetError: the file is damaged, or a frame is not an image of the expected format.
        """
        if frame_format is None and "observation" in columns:
            frame_format = self.frame_format
        most = PIECE_ROWS
        if frame_format is not None:
            most = max(1, min(PIECE_ROWS, _PIECE_BYTES // frame_format.nbytes))
        with self._naming(start, stop):
            for table in self.read_tables(start, stop, columns):
                numbers = {name: _to_numpy(name, table[name]) for name in columns if name != "observation"}
                for first in range(0, len(table), most):
                    rows = slice(first, first + most)
                    piece = {name: column[rows] for name, column in numbers.items()}
                    if "observation" in columns:
                        images = table["observation"].slice(first, most)
                        piece["observation"] = decode_frames(images, frame_format)
                    yield piece

    @contextlib.contextmanager
    def _naming(self, start: int, stop: int) -> Iterator[None]:
        """Name the shard and the rows in errors."""
        try:
            yield
        except DatasetError:
            raise
        except AtariReplayError as error:
            raise DatasetError(f"{self.name}: rows {start:,} to {stop - 1:,}: {error}") from None

    def read(
        self, start: int, stop: int, columns: Sequence[str], frame_format: FrameFormat | None = None
    ) -> Columns:
        """Returns rows start to stop - 1 at once, in the same form as `read_pieces`."""
        whole: Columns = {}
        done = 0
        for piece in self.read_pieces(start, stop, columns, frame_format):
            for name, values in piece.items():
                if not done:
                    whole[name] = np.empty((stop - start, *values.shape[1:]), values.dtype)
                whole[name][done : done + len(values)] = values
            done += len(piece[columns[0]])
        return whole or {name: np.empty(0) for name in columns}

    def read_numbers(self, columns: Sequence[str]) -> Columns:
        """Returns all rows of some columns other than images."""
        return self.read(0, self.rows, columns)


class ParquetShard(StepShard):
    """A Parquet file at a path or URL. Its row groups are read one by one, on any thread."""

    def __init__(self, url: str, *, token: str | bool | None = None) -> None:
        self.name = url
        options = {"token": token} if url.startswith("hf://") and token is not None else {}
        # A path is never a chain of file systems, whatever its name.
        self._fs, self._path = fsspec.url_to_fs(url, **options) if "://" in url else (LocalFileSystem(), url)
        self._metadata, self.schema, counts = self._try(self._read_footer)
        self._bounds = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        self.rows = int(self._bounds[-1])
        if min(counts, default=0) < 0 or self.rows != self._metadata.num_rows:
            raise DatasetError(
                f"{self.name}: its footer counts {self._metadata.num_rows:,} rows, its row groups "
                f"{self.rows:,}; fetch or build it again"
            )

    def read_table(self, columns: Sequence[str]) -> pa.Table:
        """Returns all rows of some columns."""
        return self._read_groups(range(len(self._bounds) - 1), columns)

    def read_tables(self, start: int, stop: int, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield rows start to stop - 1 of some columns: by row group from disk, at once from elsewhere."""
        first = int(np.searchsorted(self._bounds, start, "right")) - 1
        last = int(np.searchsorted(self._bounds, stop))
        together = 1 if self._is_local else last - first
        for group in range(first, last, max(together, 1)):
            groups = range(group, group + together)
            begin, end = (int(self._bounds[at]) for at in (groups.start, groups.stop))
            table = self._read_groups(groups, columns)
            yield table.slice(max(start - begin, 0), min(stop, end) - max(start, begin))

    def _read_groups(self, groups: range, columns: Sequence[str]) -> pa.Table:
        def read(file: Any) -> pa.Table:
            parquet = pq.ParquetFile(
                file,
                metadata=self._metadata,
                pre_buffer=not self._is_local,
                page_checksum_verification=True,
            )
            return parquet.read_row_groups(list(groups), columns=list(columns), use_threads=False)

        table = self._try(read)
        rows = int(self._bounds[groups.stop] - self._bounds[groups.start])
        if len(table) != rows or not set(columns) <= set(table.column_names):
            raise DatasetError(
                f"{self.name}: is damaged (found {len(table):,} rows of {', '.join(table.column_names)} in "
                f"row groups {groups.start} to {groups.stop - 1}, expected {rows:,}); fetch or build it again"
            )
        return table

    @staticmethod
    def _read_footer(file: Any) -> tuple[pq.FileMetaData, pa.Schema, list[int]]:
        metadata = pq.read_metadata(file)
        counts = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        return metadata, metadata.schema.to_arrow_schema(), counts

    @property
    def _is_local(self) -> bool:
        return isinstance(self._fs, LocalFileSystem)

    def _open(self) -> Any:
        # fsspec's cache would only copy what pyarrow already requests in the right pieces.
        if not self._is_local:
            return self._fs.open(self._path, cache_type="none")
        if not stat.S_ISREG(os.stat(self._path).st_mode):  # noqa: PTH116
            raise DatasetError(f"{self.name}: expected a regular file")
        return pa.OSFile(self._path)

    def _try(self, use: Callable[[Any], T]) -> T:
        """Open the file and use it, retrying after failures if it is on a network."""

        def attempt() -> T:
            with self._open() as file:
                return use(file)

        try:
            return attempt() if self._is_local else patiently(attempt)
        except DatasetError:
            raise
        except FileNotFoundError:
            raise MissingFileError(f"{self.name}: no such file") from None
        except Exception as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            state = "is damaged or cut short" if looks_damaged(error) else "cannot be read"
            raise DatasetError(f"{self.name}: {state} ({reason}); fetch or build it again") from None


class ArrowShard(StepShard):
    """A prepared `Dataset`, with its Arrow table mapped from disk."""

    def __init__(self, dataset: Any) -> None:
        if dataset._indices is not None:
            raise DatasetError(
                "this Dataset was shuffled, filtered or selected from; give one as load_dataset made it, "
                "since frames are stacked from neighbouring rows"
            )
        self.name = f"Dataset {dataset.info.config_name or ''}".strip()
        self.fingerprint: str = dataset._fingerprint
        """What distinguishes it from others of the same name."""
        self._data = dataset.data
        self.rows = len(dataset)
        self.schema = dataset.features.arrow_schema

    def read_tables(self, start: int, stop: int, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield rows start to stop - 1 of some columns."""
        yield self._data.table.select(list(columns)).slice(start, stop - start)


def _to_numpy(name: str, column: pa.ChunkedArray) -> np.ndarray:
    if column.null_count:
        raise AtariReplayError(f"{name} is missing in {column.null_count:,} of them")
    return array_of_column(column)


def _class_names(schema: pa.Schema, column: str) -> tuple[str, ...] | None:
    """Returns the names of a ClassLabel, which `datasets` keeps in the schema; None if there are none."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        feature = features[column]
        names = feature["names"] if feature["_type"] == "ClassLabel" else None
    except (KeyError, ValueError, TypeError, RecursionError):
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    return tuple(names) if names and len(set(names)) == len(names) else None
