"""A dataset repo that is read as it is: a listing of its files, and their bytes."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import OutputError


@dataclass(frozen=True)
class ListedFile:
    """What a repo's listing tells of a file."""

    size: int
    """Bytes."""
    sha256: str | None = None
    """Where it is known without reading the file."""
    blob_id: str | None = None
    """Git's name for the content, or for its pointer if it lies in large file storage; on the Hub."""


class NoDatasetError(OutputError):
    """There is no such folder, repo or revision, or nothing of a dataset in it."""


class UnreadableFileError(Exception):
    """One file of a repo that is listed and cannot be had; the others may well be."""


class RepoReader(ABC):
    """A dataset repo at one moment."""

    @property
    @abstractmethod
    def address(self) -> str:
        """Where users find it: a path or a URL."""

    @property
    @abstractmethod
    def load_arguments(self) -> dict[str, Any]:
        """What to call `load_dataset` with, besides a config's name."""

    @abstractmethod
    def files(self) -> dict[str, ListedFile]:
        """All files by their path in the repo, without those of git and of other programs.

        Raises:
            NoDatasetError: there is no such repo.
            OutputError: it cannot be read.
        """

    @abstractmethod
    def read(self, path: str) -> bytes:
        """The content of a small file.

        Raises:
            UnreadableFileError: why it cannot be had.
            OutputError: nothing can be had of this repo any more.
        """

    @abstractmethod
    def fetch(self, path: str) -> AbstractContextManager[Path]:
        """The whole file on this machine's disk, for as long as the block lasts.

        Raises:
            UnreadableFileError: why it cannot be had.
            OutputError: nothing can be had of this repo any more.
        """

    @abstractmethod
    def require_answer(self) -> None:
        """See whether the repo can be reached at all.

        Raises:
            NoDatasetError: there is no such repo.
            OutputError: nothing can be had of this repo any more.
        """

    @abstractmethod
    def path_in_repo(self, url: str) -> str:
        """The path in the repo of a data file as `datasets` names it."""
