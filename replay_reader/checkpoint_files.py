"""Locates the files of one checkpoint in a repo: its shards, episodes table and manifest."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from ..builder.errors import AtariReplayError
from ..builder.files import read_small
from ..builder.format.checkpoint_id import CheckpointId
from ..builder.format.manifest import Manifest
from .errors import DatasetError, MissingFileError
from .step_shards import ParquetShard, is_kind

FINAL = "final_observation"
_SHARD = re.compile(r"steps-(\d{5})-of-(\d{5})\.parquet")

TABLE_COLUMNS = {
    "game": "string", "run": "integer", "checkpoint": "integer", "episode": "integer", "length": "integer",
    "return": "floating", "terminated": "boolean", "truncated": "boolean", "complete": "boolean",
    "file": "string", "first_row": "integer",
}  # fmt: skip
"""The columns read from an episodes table, each with its kind of values."""


@dataclass(frozen=True)
class CheckpointFiles:
    """The locations of one checkpoint's files, and which of its shards are in a selection."""

    root: str
    """The repo's root: a path or URL."""
    id: CheckpointId
    shards: dict[str, int] = field(default_factory=dict, compare=False)
    """Each shard's number within the selection, by name."""

    @property
    def folder(self) -> str:
        """The folder of the shards."""
        return f"{self.root}/{self.id.folder}"

    @property
    def table(self) -> str:
        """The location of the episodes table."""
        return f"{self.root}/{self.id.episodes_table}"

    def check_names(self, token: str | bool | None) -> None:
        """Check that the shards' names agree: all of `of-00002` must be two.

        Raises:
            DatasetError: a shard is missing, or shards come from different builds.
        """
        names = {name: _SHARD.fullmatch(name) for name in self.shards}
        counts = {int(name[2]) for name in names.values() if name is not None}
        if not counts:
            return
        if len(counts) > 1 or None in names.values():
            raise DatasetError(
                f"{self.folder}: has shards of different builds ({', '.join(sorted(names))}); "
                f"fetch or build this checkpoint again"
            )
        (count,) = counts
        if count > 99_999 or max(int(name[1]) for name in names.values() if name is not None) >= count:
            raise DatasetError(f"{self.folder}: {max(names)}: its number is not below {count}")
        for number in range(count):
            name = f"steps-{number:05d}-of-{count:05d}.parquet"
            if name not in names and not self._exists(name, token):
                raise DatasetError(
                    f"{self.folder}/{name}: is missing, but {min(names)} is there; "
                    f"fetch or build this checkpoint again"
                )

    def _exists(self, name: str, token: str | bool | None) -> bool:
        """Returns whether a shard exists that was left out when the files were chosen."""
        try:
            ParquetShard(f"{self.folder}/{name}", token=token)
        except MissingFileError:
            return False
        return True

    def read_table(self, token: str | bool | None) -> pa.Table | None:
        """Returns the episodes table, or None if there is none.

        Raises:
            DatasetError: the table is damaged, or its columns have the wrong types.
        """
        try:
            file = ParquetShard(self.table, token=token)
        except MissingFileError:
            return None
        for name, kind in TABLE_COLUMNS.items():
            if file.schema.get_field_index(name) < 0:
                raise DatasetError(
                    f"{self.table}: lacks {name}; it has {', '.join(file.schema.names)}; "
                    f"fetch or build this checkpoint again"
                )
            found = file.schema.field(name).type
            if not is_kind(found, kind):
                raise DatasetError(f"{self.table}: {name} holds {found}; expected {kind} values")
        table = file.read_table(list(TABLE_COLUMNS))
        for name in TABLE_COLUMNS:
            if table[name].null_count:
                raise DatasetError(f"{self.table}: {name} is missing in {table[name].null_count:,} rows")
        return table

    def read_final_observations(self, token: str | bool | None) -> pa.Table:
        """Returns, as stored, what was seen after the last step of each episode where that is known.

        The columns are `episode` and `final_observation`.

        Raises:
            DatasetError: the table is damaged.
        """
        none = pa.table({"episode": pa.nulls(0, pa.int32()), FINAL: pa.nulls(0)})
        try:
            file = ParquetShard(self.table, token=token)
        except MissingFileError:
            return none
        if file.schema.get_field_index(FINAL) < 0:
            return none
        table = file.read_table(["episode", FINAL])
        return table.filter(table[FINAL].is_valid())

    def _read_manifest(self) -> tuple[str, Manifest | None]:
        """Returns where the manifest lies in a folder, and the manifest; None if it is not there."""
        path = f"{self.root}/{self.id.manifest}"
        if "://" in self.root:
            return path, None
        for path in (f"{self.root}/{each}" for each in self.id.manifests):
            if os.path.exists(path):  # noqa: PTH110
                return path, _read_manifest(path)
        return path, None

    def check_manifest(self, shards: Mapping[str, ParquetShard], episodes: int | None) -> None:
        """Compare the manifest, if it lies in a folder, with the shards and the episodes table.

        On the Hub this would take one more request for each checkpoint, so it is left to `verify`.

        Args:
            shards: the shards by name.
            episodes: the number of rows in the episodes table, or None if there is none.

        Raises:
            DatasetError: the files do not agree.
        """
        path, manifest = self._read_manifest()
        if manifest is None:
            return
        if manifest.id != self.id:
            raise DatasetError(f"{path}: is of {manifest.id}; expected that of {self.id}")
        records = {record.path.rsplit("/", 1)[-1]: record for record in manifest.shards}
        for name, shard in shards.items():
            record = records.get(name)
            if record is None:
                listed = ", ".join(sorted(records)) or "none"
                raise DatasetError(f"{path}: lists the shards {listed}; {name} is there too")
            if record.rows != shard.rows:
                raise DatasetError(
                    f"{shard.name}: has {shard.rows:,} rows; its manifest lists {record.rows:,}; "
                    f"fetch or build this checkpoint again"
                )
        for name in records:
            if name not in shards and not os.path.exists(f"{self.folder}/{name}"):  # noqa: PTH110
                raise DatasetError(f"{self.folder}/{name}: is missing; the manifest lists it")
        if episodes is not None and manifest.episodes_table.rows != episodes:
            raise DatasetError(
                f"{self.table}: has {episodes:,} rows; the manifest lists {manifest.episodes_table.rows:,}; "
                f"fetch or build this checkpoint again"
            )


def group_by_checkpoint(files: Sequence[str]) -> tuple[list[CheckpointFiles], list[int]]:
    """Returns the checkpoints that files belong to, and the indices of files outside a repo's layout."""
    checkpoints: dict[CheckpointFiles, CheckpointFiles] = {}
    others = []
    for number, file in enumerate(files):
        parts = file.rsplit("/", 5)
        identity = CheckpointId.at("/".join(parts[2:5]))
        if len(parts) < 6 or parts[1] != "data" or identity is None:
            others.append(number)
            continue
        checkpoint = CheckpointFiles(parts[0], identity)
        checkpoints.setdefault(checkpoint, checkpoint).shards[parts[5]] = number
    return list(checkpoints), others


def _read_manifest(path: str) -> Manifest:
    try:
        return Manifest.from_json(read_small(Path(path)), path)
    except AtariReplayError as error:
        raise DatasetError(str(error)) from None
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error}); build this checkpoint again") from None
