"""The folder through which a publication's workers and its coordinator tell each other what is done."""

import contextlib
import json
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from ..errors import OutputError
from ..files import remove, replacing
from ..games import Game
from ..layout import checkpoint_folder
from .pieces import BODY, Piece

_PIECE = "piece.json"


class WorkFolder:
    """A folder that all workers see, on a disk or behind any URL that fsspec knows.

    What lies there is small: pieces without their bodies, records of failures and of progress. Files appear
    whole, and a piece's record comes last.

    Args:
        url: the folder; it need not exist.

    Raises:
        OutputError: there is no such kind of URL.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            self._files, self._root = fsspec.url_to_fs(url)
        except (ValueError, ImportError) as error:
            raise OutputError(f"{url}: cannot be a work folder ({error})") from None
        self._root = self._root.rstrip("/")
        if self.path is not None:
            self.url = self._root

    @property
    def path(self) -> Path | None:
        """Where it lies on this machine, if it does."""
        return Path(self._root) if isinstance(self._files, LocalFileSystem) else None

    def read(self, name: str) -> bytes | None:
        """A file's content; None if there is none."""
        try:
            return self._files.cat_file(f"{self._root}/{name}")
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """Write a file, which appears whole."""
        if self.path is None:
            self._files.pipe_file(f"{self._root}/{name}", content)
        else:
            with replacing(self.path / name) as temporary:
                temporary.write_bytes(content)

    def find(self, folder: str) -> list[str]:
        """Names of the files anywhere below one of its folders."""
        self._files.invalidate_cache()
        with contextlib.suppress(FileNotFoundError):
            return sorted(path[len(self._root) + 1 :] for path in self._files.find(f"{self._root}/{folder}"))
        return []

    def remove(self, name: str = "") -> None:
        """Remove a file or a folder, or all of it."""
        place = f"{self._root}/{name}".rstrip("/")
        if self.path is not None:
            remove(Path(place))
        else:
            with contextlib.suppress(FileNotFoundError):
                self._files.rm(place, recursive=True)

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """An empty folder on this machine for as long as the block lasts."""
        if self.path is None:
            with tempfile.TemporaryDirectory() as folder:
                yield Path(folder)
            return
        folder = self.path / "scratch" / uuid.uuid4().hex
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def put_piece(self, piece: Piece, made: Path) -> None:
        """Take over a piece whose files were made in a folder on this machine; its body stays there."""
        place = _place(piece.manifest.find_game(), piece.manifest.run, piece.manifest.checkpoint)
        for path in made.iterdir():
            if path.name != BODY:
                self.write(f"{place}/{path.name}", path.read_bytes())
        self.write(f"{place}/{_PIECE}", piece.to_json().encode())

    def pieces(self) -> list[tuple[str, int, int]]:
        """The game's slug, the run and the checkpoint of each piece that is there."""
        found = [name.split("/") for name in self.find("pieces") if name.endswith(f"/{_PIECE}")]
        return [
            (slug, int(run.removeprefix("run_")), int(checkpoint.removeprefix("checkpoint_")))
            for _, slug, run, checkpoint, _ in found
        ]

    def find_piece(self, game: Game, run: int, checkpoint: int) -> Piece | None:
        """A piece's record, if it is there and can be read."""
        name = f"{_place(game, run, checkpoint)}/{_PIECE}"
        content = self.read(name)
        try:
            return None if content is None else Piece.from_json(content, f"{self.url}/{name}")
        except (OutputError, ValueError, KeyError, TypeError):
            return None

    def read_piece_file(self, piece: Piece, name: str) -> bytes:
        """The content of one of a piece's files.

        Raises:
            OutputError: it is gone.
        """
        manifest = piece.manifest
        place = _place(manifest.find_game(), manifest.run, manifest.checkpoint)
        content = self.read(f"{place}/{name}")
        if content is None:
            raise OutputError(f"{self.url}/{place}/{name}: is gone; remove {self.url} and publish again")
        return content

    def remove_piece(self, game: Game, run: int, checkpoint: int) -> None:
        """Remove a piece; its record goes first."""
        place = _place(game, run, checkpoint)
        self.remove(f"{place}/{_PIECE}")
        self.remove(place)

    def note(self, name: str, record: dict[str, Any]) -> None:
        """Write a small record as JSON."""
        self.write(name, json.dumps(record).encode())

    def notes(self, folder: str) -> Iterator[dict[str, Any]]:
        """The records in a folder."""
        for name in self.find(folder):
            content = self.read(name)
            with contextlib.suppress(ValueError):
                if content is not None and name.endswith(".json"):
                    yield json.loads(content)


def _place(game: Game, run: int, checkpoint: int) -> str:
    return checkpoint_folder(game, run, checkpoint).replace("data/", "pieces/", 1)
