"""Reads the Parquet files of one checkpoint, each after comparing it with the manifest."""

import contextlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ...errors import AtariReplayError, SourceError
from ...format.arrow_columns import array_of_column
from ...format.features import PROB, UNCLIPPED_REWARD, episodes_features, state_features, steps_features
from ...format.frames import decode_frames
from ...format.manifest import Manifest, ParquetRecord
from ...stores.store import Store
from ...stores.whole_file import open_whole
from ..checks import check_actions, check_rewards
from ..frame_blocks import frames_in_block

_AGAIN = "copy it again, or compare the dataset with its manifests: atari-dqn-replay verify"
_EPISODE_COLUMNS = ("episode", "length", "return", "terminated", "truncated", "complete", "final_observation")
_NUMBERS = ("action", "reward", "episode", "step")


@dataclass(frozen=True)
class RecordedEpisode:
    """A row of the episodes table."""

    length: int
    episode_return: float
    terminated: bool
    truncated: bool
    complete: bool
    final_observation: np.ndarray | None
    """uint8, of the frames' shape"""
    facts: Mapping[str, int | bytes]
    """What the table states about a world, images as PNGs."""


class CheckpointFiles:
    """The files of one checkpoint; the shards are open while it is used as a context manager.

    Args:
        store: the dataset repo.
        manifest: the checkpoint's manifest.

    Raises:
        SourceError: from every method: a file is missing or damaged, or is not what the manifest states.
    """

    def __init__(self, store: Store, manifest: Manifest) -> None:
        self._store, self._manifest = store, manifest
        self._game = manifest.find_game()
        optional = (UNCLIPPED_REWARD, PROB, *state_features(self._game))
        self._optional = [name for name in optional if name in manifest.columns]
        self._stack = contextlib.ExitStack()
        self._shards: list[tuple[str, pq.ParquetFile]] = []

    def __enter__(self) -> "CheckpointFiles":
        schema = steps_features(self._game, self._optional).arrow_schema
        try:
            for shard in self._manifest.shards:
                self._shards.append(self._open(shard, schema))
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def episodes(self) -> list[RecordedEpisode]:
        """Returns the episodes in order of play."""
        with contextlib.ExitStack() as stack:
            record = self._manifest.episodes_table
            added = self._manifest.episode_columns
            where, file = self._open(record, episodes_features(self._game, added).arrow_schema, stack)
            with _reading(where):
                columns = file.read([*_EPISODE_COLUMNS, *added])
                final = columns["final_observation"]
                known = array_of_column(final.is_valid())
                frames = iter(decode_frames(final.drop_null(), self._manifest.frame_format))
                rows = columns.drop_columns(["final_observation"]).to_pylist()
        episodes = [
            RecordedEpisode(
                row["length"],
                row["return"],
                row["terminated"],
                row["truncated"],
                row["complete"],
                next(frames) if has_final else None,
                {name: _fact(row[name]) for name in added},
            )
            for row, has_final in zip(rows, known, strict=True)
        ]
        self._check(episodes, [row["episode"] for row in rows], where)
        return episodes

    def numbers(self) -> dict[str, np.ndarray]:
        """Returns the steps without their frames: action int32, reward float32, both of shape (n,).

        With the optional columns that the shards have; and with `episode` and `step`, int32.
        """
        names = [*_NUMBERS, *self._optional]
        found: dict[str, list[np.ndarray]] = {name: [] for name in names}
        for where, file in self._shards:
            with _reading(where):
                for batch in file.iter_batches(columns=names):
                    for name in names:
                        found[name].append(_array_of(batch[name]))
        numbers = {name: np.concatenate(found[name]) if found[name] else np.empty(0) for name in names}
        where = self._store.describe(self._manifest.id.folder)
        numbers["action"] = check_actions(numbers["action"], self._game, where)
        check_rewards(numbers["reward"], where)
        return numbers

    def frames(self, starts: np.ndarray, stops: np.ndarray) -> Generator[tuple[int, np.ndarray], None, None]:
        """Yield the frames of some ranges of steps in order, and those that share row groups with them.

        Args:
            starts: (n,), the first step of each range.
            stops: (n,), the step after its last.

        Yields:
            the step of a block's first frame, and the block, of shape (n, *frame_format.shape), uint8.
        """
        frame_format, begin = self._manifest.frame_format, 0
        for where, file in self._shards:
            with _reading(where):
                for group in range(file.num_row_groups):
                    end = begin + file.metadata.row_group(group).num_rows
                    if ((starts < end) & (stops > begin)).any():
                        rows = frames_in_block(frame_format)
                        for batch in file.iter_batches(rows, row_groups=[group], columns=["observation"]):
                            yield begin, decode_frames(batch["observation"], frame_format)
                            begin += len(batch)
                    begin = end

    def _open(
        self, record: ParquetRecord, schema: pa.Schema, stack: contextlib.ExitStack | None = None
    ) -> tuple[str, pq.ParquetFile]:
        """Returns a Parquet file and its name, once its bytes are those that the manifest lists."""
        stack = stack or self._stack
        whole = stack.enter_context(open_whole(self._store, record.path))
        if (whole.record.size, whole.record.sha256) != (record.size, record.sha256):
            raise SourceError(
                f"{whole.where}: found {whole.record.size:,} bytes with SHA-256 {whole.record.sha256}, but "
                f"its manifest lists {record.size:,} bytes with {record.sha256}; {_AGAIN}"
            )
        with _reading(whole.where):
            file = stack.enter_context(pq.ParquetFile(whole.content, page_checksum_verification=True))
            found = {field.name: field.type for field in file.schema_arrow}
            for field in schema:
                if found.get(field.name) != field.type:
                    raise ValueError(
                        f"column {field.name}: found {found.get(field.name)}, expected {field.type}"
                    )
            if file.metadata.num_rows != record.rows:
                raise ValueError(f"found {file.metadata.num_rows:,} rows, expected {record.rows:,}")
        return whole.where, file

    def _check(self, episodes: Sequence[RecordedEpisode], numbers: Sequence[int], where: str) -> None:
        steps, listed = (
            sum(each.length for each in episodes),
            sum(each.rows for each in self._manifest.shards),
        )
        if list(numbers) != list(range(len(episodes))) or any(each.length < 1 for each in episodes):
            raise SourceError(f"{where}: its episodes are not numbered 0, 1, … with steps in each; {_AGAIN}")
        if steps != listed:
            raise SourceError(
                f"{where}: its episodes have {steps:,} steps, but the shards hold {listed:,}; {_AGAIN}"
            )
        if any(
            (each.terminated and each.truncated)
            or (each.complete and not (each.terminated or each.truncated))
            for each in episodes
        ):
            raise SourceError(f"{where}: an episode's flags contradict each other; {_AGAIN}")


def _fact(value: Any) -> int | bytes:
    """Returns a value of a column that a world adds to the episodes table."""
    found = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(found, (int, bytes)):
        raise ValueError("a column of a world has empty rows")
    return found


def _array_of(column: pa.Array) -> np.ndarray:
    """Returns a column of numbers without nulls as an array."""
    if column.null_count:
        raise ValueError("a column of numbers has empty rows")
    return np.from_dlpack(column)


@contextlib.contextmanager
def _reading(where: str) -> Iterator[None]:
    """Turn what a damaged Parquet file raises into one error that names the file."""
    try:
        yield
    except SourceError:
        raise
    except (pa.ArrowException, OSError, ValueError, AtariReplayError) as error:
        raise SourceError(f"{where}: not a table as `build` writes it ({error}); {_AGAIN}") from None
