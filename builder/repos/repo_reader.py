"""A dataset repo read as it is: a listing of its files, and their bytes."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import OutputError


@dataclass(frozen=True)
class ListedFile:
    """What a repo's listing shows of a file."""

    size: int
    """Size in bytes."""
    sha256: str | None = None
    """SHA-256, if it is known without reading the file."""
    blob_id: str | None = None
    """On the Hub, Git's name for the content, or for its pointer if it is in large file storage."""


class NoDatasetError(OutputError):
    """The folder, repo or revision does not exist, or holds nothing of a dataset."""


class UnreadableFileError(Exception):
    """A listed file of a repo cannot be read; others may well be readable."""


class RepoReader(ABC):
    """A dataset repo at one moment."""

    @property
    @abstractmethod
    def address(self) -> str:
        """Where users find it: a path or a URL."""

    @property
    @abstractmethod
    def load_arguments(self) -> dict[str, Any]:
        """The arguments for `load_dataset`, besides a config's name."""

    @property
    @abstractmethod
    def url(self) -> str:
        """The path or URL at which a store has the repo's files, as they are at this moment."""

    @property
    def storage_options(self) -> dict[str, Any]:
        """The options for that store."""
        return {}

    @abstractmethod
    def files(self) -> dict[str, ListedFile]:
        """Returns all files by their path in the repo, without those of Git and other programs.

        Raises:
            NoDatasetError: the repo does not exist.
            OutputError: it cannot be read.
        """

    @abstractmethod
    def read(self, path: str) -> bytes:
        """Returns the content of a small file.

        Raises:
            UnreadableFileError: it cannot be read; the message states why.
            OutputError: the repo can no longer be read at all.
        """

    @abstractmethod
    def fetch(self, path: str) -> AbstractContextManager[Path]:
        """Provide the whole file on this machine's disk while the block lasts.

        Raises:
            UnreadableFileError: it cannot be read; the message states why.
            OutputError: the repo can no longer be read at all.
        """

    @abstractmethod
    def require_answer(self) -> None:
        """Check that the repo can be reached at all.

        Raises:
            NoDatasetError: the repo does not exist.
            OutputError: the repo can no longer be read at all.
        """

    @abstractmethod
    def path_in_repo(self, url: str) -> str:
        """Returns the path in the repo of a data file as `datasets` names it."""
