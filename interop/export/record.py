"""The record of an export: what makes it go on after a kill, and reports what could not be exact."""

import json
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from ...builder.errors import OutputError
from ...builder.files import replacing
from ...builder.sources.run import Run
from ..published_dataset import PublishedRun

FILE_NAME = "export.json"
"""Lies beside what was exported."""


class ExportRecord:
    """A JSON file with the settings of an export, and an entry for each part of it that is finished.

    It is written when the export begins and after each part, whole or not at all.

    Args:
        path: the file.
        settings: what an export must share with the one that began here to go on with it.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path = path
        self.settings = dict(settings)
        self.parts: dict[str, Any] = {}
        self.remarks: list[str] = []

    @classmethod
    def open(cls, path: Path, settings: Mapping[str, Any], *, others: Iterator[Path]) -> "ExportRecord":
        """Returns the record of an export that begins, or goes on.

        Args:
            path: the file.
            settings: of this export.
            others: files which are there already, and were not exported if there is no record.

        Raises:
            OutputError: what is there was not exported, or with other settings.
        """
        record = cls(path, settings)
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

    def add(self, part: str, entry: Any) -> None:
        """Note that a part is finished."""
        self.parts[part] = entry
        self.save()

    def save(self) -> None:
        """Write the file."""
        parts = dict(sorted(self.parts.items(), key=lambda part: (len(part[0]), part[0])))
        content = {"settings": self.settings, "remarks": self.remarks, "parts": parts}
        with replacing(self.path) as temporary:
            temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    def _read(self) -> None:
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            settings = dict(content["settings"])
            self.parts = {name: dict(part) for name, part in content["parts"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise OutputError(
                f"{self.path}: is no record of an export ({error}); name another folder, or remove it"
            ) from None
        wanted = json.loads(json.dumps(self.settings))
        differing = sorted(name for name in {*settings, *wanted} if settings.get(name) != wanted.get(name))
        if differing:
            name = differing[0]
            raise OutputError(
                f"{self.path}: an export with another {name} began here ({settings.get(name)!r}, now "
                f"{wanted.get(name)!r}); name another folder, or remove what is there"
            )


def made_from(run: Run, checkpoints: Iterable[int]) -> str:
    """Returns a digest that changes when the data of these checkpoints does."""
    if isinstance(run, PublishedRun):
        parts = [[shard.digests for shard in run.manifests[number].shards] for number in checkpoints]
    else:
        parts = sorted(run.file_sizes().items())
    return sha256(repr(parts).encode()).hexdigest()
