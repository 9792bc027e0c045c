"""The folder through which a publication's workers and its coordinator share what is done."""

import contextlib
import hashlib
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from ..errors import OutputError
from ..files import remove, replacing
from ..format.checkpoint_id import CheckpointId
from ..format.records import AnyRecord, Record, read_record, to_json
from ..network.retrying import RequestFailedError, Result, RetryPolicy
from .pieces import Piece

_PIECE = "piece.json"

PIECES, HEADS = "pieces", "heads"
"""Folders of pieces, and of those of which only the head was made."""


class WorkFolder:
    """A folder that all workers can reach, on a disk or at any URL that fsspec supports.

    Its content is small: pieces without their bodies, and a folder for each job. A piece's record is written
    last.

    Args:
        url: the folder, which is the publication's own; it need not exist.

    Raises:
        OutputError: no file system handles such a URL.
    """

    def __init__(self, url: str) -> None:
        try:
            self._files, self._root = fsspec.url_to_fs(url)
        except (ValueError, ImportError) as error:
            raise OutputError(f"{url}: cannot be a work folder ({error})") from None
        self._root = self._root.rstrip("/")
        self.url = url.rstrip("/") if self.path is None else self._root

    @property
    def path(self) -> Path | None:
        """The folder's path if it is on this machine, or None."""
        return Path(self._root) if isinstance(self._files, LocalFileSystem) else None

    def inner(self, name: str) -> "WorkFolder":
        """Returns a folder in it."""
        return WorkFolder(f"{self.url}/{name}")

    def read(self, name: str) -> bytes | None:
        """Returns a file's content; None if there is none."""
        try:
            return self._ask(lambda: self._files.cat_file(f"{self._root}/{name}"))
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """Write a file; on a disk it appears whole."""
        if self.path is None:
            self._ask(lambda: self._files.pipe_file(f"{self._root}/{name}", content))
        else:
            with replacing(self.path / name) as temporary:
                temporary.write_bytes(content)

    def find(self, folder: str, ending: str = "") -> list[str]:
        """Returns the names of the files anywhere below one of its folders."""
        self._files.invalidate_cache()
        try:
            paths = self._ask(lambda: self._files.find(f"{self._root}/{folder}".rstrip("/")))
        except FileNotFoundError:
            return []
        return sorted(path[len(self._root) + 1 :] for path in paths if path.endswith(ending))

    def remove(self, name: str = "") -> None:
        """Remove a file, a folder, or everything."""
        place = f"{self._root}/{name}".rstrip("/")
        if self.path is not None:
            remove(Path(place))
        else:
            with contextlib.suppress(FileNotFoundError):
                self._ask(lambda: self._files.rm(place, recursive=True))

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """Provide an empty folder on this machine while the block lasts."""
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
        """Store a piece whose files were made in a folder on this machine; its body stays there."""
        place = _place_of(piece)
        for name in piece.files:
            self.write(f"{place}/{name}", (made / name).read_bytes())
        self.write(f"{place}/{_PIECE}", piece.to_json().encode())

    def pieces(self, kind: str = PIECES) -> set[CheckpointId]:
        """Returns the checkpoints whose pieces are there, or of which only the head was made."""
        ending = f"/{_PIECE}"
        places = [name[len(kind) + 1 : -len(ending)] for name in self.find(kind, ending)]
        return {checkpoint for place in places if (checkpoint := CheckpointId.at(place)) is not None}

    def find_piece(self, checkpoint: CheckpointId, kind: str = PIECES) -> Piece | None:
        """Returns a piece's record, if it is there and can be read."""
        name = f"{kind}/{checkpoint.place}/{_PIECE}"
        content = self.read(name)
        try:
            piece = None if content is None else Piece.from_json(content)
            return piece if piece is not None and f"{_place_of(piece)}/{_PIECE}" == name else None
        except ValueError:
            return None

    def read_piece_file(self, piece: Piece, name: str) -> bytes:
        """Returns the content of one of a piece's files.

        Raises:
            OutputError: it is missing, or belongs to another piece.
        """
        path = f"{_place_of(piece)}/{name}"
        content = self.read(path)
        if content is None or hashlib.sha256(content).hexdigest() != piece.files[name]:
            raise OutputError(f"{self.url}/{path}: is gone or damaged; remove {self.url} and publish again")
        return content

    def remove_piece(self, checkpoint: CheckpointId, kind: str = PIECES) -> None:
        """Remove a piece; its record goes first."""
        place = f"{kind}/{checkpoint.place}"
        self.remove(f"{place}/{_PIECE}")
        self.remove(place)

    def note(self, name: str, record: Record) -> None:
        """Write a small record as JSON."""
        self.write(name, to_json(record).encode())

    def notes(self, folder: str, kind: type[AnyRecord]) -> Iterator[AnyRecord]:
        """Yield the records of a kind in a folder; skips files that hold something else, or only a part."""
        for name in self.find(folder, ".json"):
            content = self.read(name)
            with contextlib.suppress(ValueError):
                if content is not None:
                    yield read_record(content, kind)

    def _ask(self, action: Callable[[], Result]) -> Result:
        if self.path is not None:
            return action()
        try:
            return RetryPolicy().call(action, FileNotFoundError, NotADirectoryError)
        except RequestFailedError as error:
            if error.is_final:
                text = f"cannot be used ({error}); check that you may read and write it"
            else:
                text = f"gives no answer ({error.reason}); publish again to go on from here"
            raise OutputError(f"{self.url}: {text}") from None


def _place_of(piece: Piece) -> str:
    return f"{HEADS if piece.uploaded_to is None else PIECES}/{piece.manifest.id.place}"
