"""One checkpoint's Parquet files, read to the last row, against the manifest and against each other."""

import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Features

from ..errors import AtariReplayError
from ..files import sha256_of
from ..format.arrow_columns import dtype_of
from ..format.features import PROB, TableFeatures, episodes_features, steps_features
from ..format.frames import decode_frames
from ..format.manifest import Manifest, ParquetRecord, ShardRecord
from ..repos.repo_reader import ListedFile, RepoReader, UnreadableFileError
from ..shards.settings import file_of
from ..shards.steps import Columns, Digests
from .episodes import check_episodes
from .manifests import redo
from .parquet_metadata import metadata_faults
from .pngs import check_images
from .report import Difference

FRAMES = "observation"
Result = TypeVar("Result")

DAMAGE = (pa.ArrowException, OSError, ValueError)
"""The exceptions that readers of a damaged Parquet file raise."""


def check_content(
    repo: RepoReader,
    manifest: Manifest,
    files: Mapping[str, ListedFile],
    progress: Callable[[int], object] = lambda rows: None,
) -> Iterator[Difference]:
    """Check that the files decode to what the manifest states, and that episodes table and steps agree.

    What the listing already shows is not reported again.

    Args:
        repo: the repo that holds the files.
        manifest: the checkpoint's manifest.
        files: the repo's listing.
        progress: called with the number of steps read since the last call.
    """
    check = _ContentCheck(repo, manifest, files, progress)
    steps = []
    for shard in manifest.shards:
        numbers = check.read_shard(shard)
        yield from check.take_differences()
        steps.append(numbers)
    episodes = check.read_episodes()
    yield from check.take_differences()
    whole = [numbers for numbers in steps if numbers is not None]
    if episodes is not None and len(whole) == len(steps):
        yield from check_episodes(manifest, episodes, whole)


def read_episodes_table(path: Path, manifest: Manifest) -> pa.Table:
    """Returns an episodes table, including its frames.

    Raises:
        ValueError: it has other columns.
        OSError: it is damaged; pyarrow's other exceptions may be raised as well.
    """
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        _check_schema(file, episodes_features(manifest.find_game(), manifest.episode_columns))
        return file.read()


class _ContentCheck:
    """Reads the files of one checkpoint, and collects the differences until they are taken."""

    def __init__(
        self,
        repo: RepoReader,
        manifest: Manifest,
        files: Mapping[str, ListedFile],
        progress: Callable[[int], object],
    ) -> None:
        self._repo, self._manifest, self._files, self._progress = repo, manifest, files, progress
        self._format = manifest.frame_format
        self._features = steps_features(manifest.find_game(), manifest.columns)
        self._differences: list[Difference] = []

    def take_differences(self) -> Iterator[Difference]:
        """Yield the differences found so far, each once."""
        differences, self._differences = self._differences, []
        yield from differences

    def read_shard(self, shard: ShardRecord) -> Columns | None:
        """Returns all columns of the shard but the frames; None if they cannot be read."""
        return self._use(shard, lambda path: self._read_shard(shard, path))

    def read_episodes(self) -> pa.Table | None:
        """Returns the episodes table; None if it cannot be read."""
        record = self._manifest.episodes_table
        return self._use(record, lambda path: self._read_episodes(record, path))

    def _use(self, record: ParquetRecord, read: Callable[[Path], Result]) -> Result | None:
        """Returns what `read` makes of a file, and checks its SHA-256; None if it cannot be read."""
        listed = self._files.get(record.path)
        if listed is None:
            return None
        try:
            with self._repo.fetch(record.path) as path:
                is_alike = listed.size == record.size and listed.sha256 in (None, record.sha256)
                if is_alike and (sha256 := sha256_of(path)) != record.sha256:
                    self._differ(record, f"found SHA-256 {sha256}, expected {record.sha256}")
                return read(path)
        except (UnreadableFileError, *DAMAGE) as error:
            self._differ(record, f"cannot be read ({str(error).splitlines()[0]})")
            return None

    def _read_shard(self, shard: ShardRecord, path: Path) -> Columns:
        digests = Digests(self._features)
        blocks: list[Columns] = []
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            _check_schema(file, self._features)
            for batch in file.iter_batches(self._format.rows_in_group):
                columns = {
                    name: self._frames(column) if name == FRAMES else _values(column, name)
                    for name, column in zip(batch.schema.names, batch.columns, strict=True)
                }
                digests.update(columns)
                del columns[FRAMES]
                blocks.append(columns)
                self._progress(len(batch))
        numbers = {
            name: np.concatenate([np.empty(0, dtype), *(block[name] for block in blocks)])
            for name, dtype in _dtypes(self._features).items()
        }
        self._check_rows(shard, len(numbers["step"]))
        found = digests.hexdigests()
        if wrong := [name for name in found if found[name] != shard.digests.get(name)]:
            self._differ(shard, f"found other values of {', '.join(wrong)} than those that were written")
        self._check_ranges(shard, numbers)
        self._check_metadata(shard, path, numbers)
        return numbers

    def _read_episodes(self, record: ParquetRecord, path: Path) -> pa.Table:
        table = read_episodes_table(path, self._manifest)
        self._check_rows(record, len(table))
        columns = {name: table[name] for name in table.column_names if not _is_image(table, name)}
        # Columns with nulls are reported by `check_episodes`.
        if not any(column.null_count for column in columns.values()):
            self._check_metadata(record, path, {name: each.to_numpy() for name, each in columns.items()})
        return table

    def _check_ranges(self, shard: ShardRecord, columns: Columns) -> None:
        actions = len(self._manifest.find_game().actions)
        action = columns["action"]
        self._check_each(shard, action, (action >= 0) & (action < actions), f"action 0 to {actions - 1}")
        for name in sorted({"reward", "unclipped_reward", "return_to_go"} & columns.keys()):
            self._check_each(shard, columns[name], np.isfinite(columns[name]), f"a finite {name}")
        if (prob := columns.get(PROB)) is not None:
            self._check_each(shard, prob, (prob > 0) & (prob <= 1), "a probability above 0, at most 1")

    def _check_each(self, shard: ShardRecord, values: np.ndarray, fits: np.ndarray, expected: str) -> None:
        if len(wrong := np.flatnonzero(~fits)):
            self._differ(shard, f"row {wrong[0]:,}: found {values[wrong[0]]}, expected {expected}")

    def _check_metadata(self, record: ParquetRecord, path: Path, columns: Columns) -> None:
        for fault in metadata_faults(path, columns):
            self._differ(record, fault)

    def _frames(self, column: pa.Array) -> np.ndarray:
        try:
            frames = decode_frames(column, self._format)
        except AtariReplayError as error:
            raise ValueError(str(error)) from None
        check_images(column, frames)
        return frames

    def _check_rows(self, record: ParquetRecord, rows: int) -> None:
        if rows != record.rows:
            self._differ(record, f"found {rows:,} rows, expected {record.rows:,}")

    def _differ(self, record: ParquetRecord, message: str) -> None:
        self._differences.append(Difference(record.path, f"{message}; {redo(self._manifest)}"))


def _check_schema(file: pq.ParquetFile, table: TableFeatures) -> None:
    """Check the columns as `datasets`, as pandas, and as readers without Arrow's metadata see them."""
    found = Features.from_arrow_schema(file.schema_arrow)
    expected, written = _as_written(table.arrow_schema)
    if list(found) != list(expected):
        raise ValueError(f"found the columns {', '.join(found)}, expected {', '.join(expected)}")
    for name in expected:
        if found[name] != expected[name]:
            raise ValueError(f"found {name} as {found[name]}, expected {expected[name]}")
    if others := file.schema_arrow.metadata.keys() - {b"huggingface"}:
        names = ", ".join(sorted(name.decode(errors="replace") for name in others))
        raise ValueError(f"found metadata of {names}, expected that of huggingface alone")
    if not file.schema.equals(written):
        raise ValueError(f"found {_types(file.schema)}, expected {_types(written)}")


@functools.lru_cache(maxsize=64)
def _as_written(schema: pa.Schema) -> tuple[Features, pq.ParquetSchema]:
    """Returns a schema's columns as `datasets` sees them in a file, and as readers of plain Parquet do.

    All files of a game have the same schema.
    """
    with pq.ParquetFile(pa.BufferReader(file_of(schema))) as file:
        return Features.from_arrow_schema(schema), file.schema


def _is_image(table: pa.Table, name: str) -> bool:
    return pa.types.is_struct(table.schema.field(name).type)


def _types(schema: pq.ParquetSchema) -> str:
    columns = map(schema.column, range(len(schema)))
    return ", ".join(f"{each.path} {each.physical_type} {each.logical_type.type}".lower() for each in columns)


def _values(column: pa.Array, name: str) -> np.ndarray:
    if column.null_count:
        raise ValueError(f"{name} has rows without a value")
    return column.to_numpy(zero_copy_only=False)


def _dtypes(features: TableFeatures) -> dict[str, np.dtype]:
    """Returns the dtypes of all columns but the frames."""
    schema = features.arrow_schema
    return {name: dtype_of(schema.field(name).type) for name in features if name != FRAMES}
