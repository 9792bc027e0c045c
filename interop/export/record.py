"""The record of an export: what makes it go on after a kill, and reports what could not be exact."""

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from ...builder.errors import OutputError
from ...builder.files import read_small, replacing
from ...builder.format.records import Record, read_record, record_of, to_json
from ...builder.sources.dataset_repo.run import RepoRun
from ...builder.sources.run import Run

FILE_NAME = "export.json"
"""Lies beside what was exported."""


Part = TypeVar("Part")
"""What is recorded of a finished part."""


class _Content(Record, frozen=True):
    settings: dict[str, Any]
    remarks: list[str]
    parts: dict[str, Any]


class ExportRecord(Generic[Part]):
    """A JSON file with the settings of an export, and an entry for each part of it that is finished.

    It is written when the export begins and after each part, whole or not at all.

    Args:
        path: the file.
        settings: what an export must share with the one that began here to go on with it.
        kind: of the entries.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any], kind: type[Part]) -> None:
        self.path = path
        self.settings = dict(settings)
        self.parts: dict[str, Part] = {}
        self.remarks: list[str] = []
        self._kind = kind

    @classmethod
    def open(
        cls, path: Path, settings: Mapping[str, Any], kind: type[Part], *, others: Iterator[Path]
    ) -> "ExportRecord[Part]":
        """Returns the record of an export that begins, or goes on.

        Args:
            path: the file.
            settings: of this export.
            kind: of the entries.
            others: files which are there already, and were not exported if there is no record.

        Raises:
            OutputError: what is there was not exported, or with other settings.
        """
        record = cls(path, settings, kind)
        if not path.exists():
            if found := next(others, None):
                raise OutputError(
                    f"{found}: is there already, and no {path.name} beside it says that it was exported; "
                    f"name another folder"
                )
            record.save()
            return record
        record._read()
        return record

    def add(self, part: str, entry: Part) -> None:
        """Note that a part is finished."""
        self.parts[part] = entry
        self.save()

    def save(self) -> None:
        """Write the file.

        Raises:
            OutputError: an entry holds what JSON cannot represent: a return that is not a number.
        """
        parts = dict(sorted(self.parts.items(), key=lambda part: (len(part[0]), part[0])))
        try:
            text = to_json(_Content(self.settings, self.remarks, parts))
        except ValueError as error:
            raise OutputError(f"{self.path}: cannot be written ({error})") from None
        with replacing(self.path) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def _read(self) -> None:
        try:
            content = read_record(read_small(self.path), _Content)
            self.parts = {name: record_of(part, self._kind) for name, part in content.parts.items()}
        except ValueError as error:
            raise OutputError(
                f"{self.path}: is not the record of an export ({error}); name another folder, or remove it"
            ) from None
        found, wanted = content.settings, msgspec.to_builtins(self.settings)
        differing = sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
        if differing:
            name = differing[0]
            raise OutputError(
                f"{self.path}: an export with another {name} began here ({found.get(name)!r}, now "
                f"{wanted.get(name)!r}); name another folder, or remove what is there"
            )


def made_from(run: Run, checkpoints: Iterable[int]) -> str:
    """Returns a digest that changes when the data of these checkpoints does."""
    if isinstance(run, RepoRun):
        parts = [[shard.digests for shard in run.manifest(number).shards] for number in checkpoints]
    else:
        parts = sorted(run.file_sizes().items())
    return sha256(repr(parts).encode()).hexdigest()
