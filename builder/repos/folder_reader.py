"""Reads a dataset repo in a folder."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import OutputError
from ..files import TEMPORARY_SUFFIX, read_small
from ..format.layout import DATA_FOLDERS
from .repo_reader import ListedFile, NoDatasetError, RepoReader, UnreadableFileError


@dataclass(frozen=True)
class FolderReader(RepoReader):
    """A folder that holds a dataset repo."""

    folder: Path

    @property
    def address(self) -> str:
        """The folder's path."""
        return str(self.folder)

    @property
    def load_arguments(self) -> dict[str, Any]:
        """The folder, as `load_dataset` takes it."""
        return {"path": self._root}

    @property
    def url(self) -> str:
        """The folder's path."""
        return str(self.folder)

    def files(self) -> dict[str, ListedFile]:
        """Returns all files; of hidden folders, only those in which a build or a publication works.

        Raises:
            NoDatasetError: the folder does not exist.
            OutputError: it cannot be read.
        """
        self.require_answer()
        try:
            return dict(self._walk())
        except OSError as error:
            raise OutputError(
                f"{error.filename or self.folder}: cannot be read ({error.strerror}); check that you may"
            ) from None

    def read(self, path: str) -> bytes:
        """Returns the content of a small file."""
        try:
            return read_small(self._place(path))
        except OSError as error:
            raise UnreadableFileError(error.strerror) from None

    @contextlib.contextmanager
    def fetch(self, path: str) -> Iterator[Path]:
        """Yield the path of the file itself."""
        place = self._place(path)
        if not place.is_file():  # a pipe would wait for a writer, a device never end
            raise UnreadableFileError("not a regular file" if place.exists() else "it is gone")
        if not os.access(place, os.R_OK):
            raise UnreadableFileError("no permission")
        yield place

    def require_answer(self) -> None:
        """Check that the folder exists."""
        if not self.folder.is_dir():
            raise NoDatasetError(f"{self.folder}: no such folder; name one that `publish` or `build` wrote")

    def path_in_repo(self, url: str) -> str:
        """Returns the path below the folder of a local path."""
        return url.removeprefix(f"{self._root}/")

    @property
    def _root(self) -> str:
        return self.folder.resolve().as_posix()

    def _place(self, path: str) -> Path:
        if path.startswith("/") or ".." in path.split("/"):
            raise UnreadableFileError("leads out of the folder")
        return self.folder / path

    def _walk(self) -> Iterator[tuple[str, ListedFile]]:
        for place, folders, names in os.walk(self.folder, onerror=_raise):
            below = Path(place).relative_to(self.folder)
            if below.parts[:1] not in [(top,) for top in DATA_FOLDERS]:
                folders[:] = [name for name in folders if name[0] != "." or name.endswith(TEMPORARY_SUFFIX)]
            for name in names:
                with contextlib.suppress(FileNotFoundError):  # a link to nothing
                    yield (below / name).as_posix(), ListedFile((Path(place) / name).stat().st_size)


def _raise(error: OSError) -> None:
    raise error
