"""A web server on loopback for one user: the page, and a dataset's folder by ranges.

The standard library's server does all that is needed, for it answers a single browser on the same machine:
threads for several requests at once, connections that are kept, and ranges, which are a few lines. So looking
at a dataset installs nothing more.
"""

import os
import re
import stat
import sys
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

from ..builder.errors import AtariReplayError
from ..builder.format.checkpoint_id import CheckpointId
from ..builder.format.layout import CARD, DATA_FOLDERS
from .page_files import MEDIA_TYPES, SETTINGS, page_files, settings_json

LOOPBACK = "127.0.0.1"
DATASET = "dataset/"
"""Below it lie the files of the folder."""

_CONNECT = "connect-src 'self' https: http://127.0.0.1:* http://localhost:*"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src blob:; "
    f"worker-src 'self'; {_CONNECT}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# The worker decompresses with WebAssembly, whose code it carries as a data: URL.
_WORKER_POLICY = f"default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; {_CONNECT} data:"

BLOCK = 2**18
"""Bytes that are read at a time."""

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True)
class Served:
    """What a server shows besides the page."""

    settings: bytes
    folder: Path | None = None
    """Of the dataset; None for one on the Hub, which the browser reads from there."""


class ExplorerServer(ThreadingHTTPServer):
    """Serves the page and a dataset's folder to browsers on this machine.

    Requests by any other host name are refused, so that no web site can reach the dataset by a name that it
    has pointed here (DNS rebinding).

    Args:
        served: what to show.
        port: to listen on; 0 takes a free one.

    Raises:
        AtariReplayError: the port is taken, or not for this user.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, served: Served, port: int = 0) -> None:
        self.served = served
        self.page = page_files()
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except OSError as error:
            raise AtariReplayError(
                f"port {port} cannot be used ({error.strerror}); name another one, or leave out --port"
            ) from None

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{LOOPBACK}:{self.server_address[1]}/"

    @property
    def hosts(self) -> set[str]:
        """The names by which a browser on this machine asks for the page."""
        return {f"{name}:{self.server_address[1]}" for name in (LOOPBACK, "localhost")}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Browsers hang up as they please; anything else is a fault of this server."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def serve_folder(folder: Path, *, hub: str, port: int = 0) -> ExplorerServer:
    """Returns a server that shows a dataset's folder.

    Raises:
        AtariReplayError: there is no dataset, or the port is taken.
    """
    if not (folder / CARD).is_file():
        raise AtariReplayError(
            f"{folder}: holds no dataset, for it has no {CARD}; name a folder that `build` or `publish` wrote"
        )
    folder = folder.resolve()
    settings = settings_json(dataset=DATASET, name=folder.name, hub=hub)
    return ExplorerServer(Served(settings, folder), port)


def serve_repo(repo_id: str, *, hub: str, port: int = 0) -> ExplorerServer:
    """Returns a server that shows a dataset on the Hub, which the browser reads from there.

    Raises:
        AtariReplayError: the port is taken.
    """
    return ExplorerServer(Served(settings_json(dataset=repo_id, hub=hub)), port)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_version = "atari-dqn-replay"
    sys_version = ""

    @property
    def explorer(self) -> ExplorerServer:
        """The server that this request came to."""
        assert isinstance(self.server, ExplorerServer)
        return self.server

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        """The terminal is for the user."""

    def _answer(self) -> None:
        if self.headers.get("Host", "").lower() not in self.explorer.hosts:
            self._send(HTTPStatus.MISDIRECTED_REQUEST, b"this server answers to its own address alone\n")
            return
        path = unquote(urlsplit(self.path).path).removeprefix("/") or "index.html"
        if path == SETTINGS:
            self._send(HTTPStatus.OK, self.explorer.served.settings, path)
        elif path in self.explorer.page:
            self._send(HTTPStatus.OK, self.explorer.page[path].read_bytes(), path)
        elif (file := self._open(path)) is not None:
            with file:
                self._send_file(file, path)
        else:
            self._send(HTTPStatus.NOT_FOUND, b"not found\n")

    def _open(self, path: str) -> BinaryIO | None:
        """Open a file of the dataset; None for whatever is not one, or lies elsewhere by a link."""
        folder = self.explorer.served.folder
        name = path.removeprefix(DATASET)
        if folder is None or name == path or not is_served(name):
            return None
        try:
            place = (folder / name).resolve(strict=True)
            if not place.is_relative_to(folder):
                return None
            handle = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except (OSError, ValueError):
            return None
        file = os.fdopen(handle, "rb")
        if stat.S_ISREG(os.fstat(handle).st_mode):
            return file
        file.close()
        return None

    def _send_file(self, file: BinaryIO, path: str) -> None:
        size = os.fstat(file.fileno()).st_size
        span = find_range(self.headers.get("Range"), size)
        if span is None:
            self._send_head(HTTPStatus.OK, path, size)
            first, length = 0, size
        else:
            first, length = span
            if length == 0:
                self._send_head(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, path, 0, f"bytes */{size}")
                return
            content_range = f"bytes {first}-{first + length - 1}/{size}"
            self._send_head(HTTPStatus.PARTIAL_CONTENT, path, length, content_range)
        if self.command != "HEAD":
            self._copy(file, first, length)

    def _copy(self, file: BinaryIO, first: int, length: int) -> None:
        file.seek(first)
        while length > 0 and (block := file.read(min(length, BLOCK))):
            self.wfile.write(block)
            length -= len(block)
        # A file that became shorter meanwhile must not look whole.
        self.close_connection |= length > 0

    def _send(self, status: HTTPStatus, content: bytes, path: str = "") -> None:
        self._send_head(status, path, len(content))
        if self.command != "HEAD":
            self.wfile.write(content)

    def _send_head(self, status: HTTPStatus, path: str, length: int, content_range: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", MEDIA_TYPES.get(Path(path).suffix, "text/plain; charset=utf-8"))
        self.send_header("Content-Length", str(length))
        self.send_header("Accept-Ranges", "bytes")
        if content_range:
            self.send_header("Content-Range", content_range)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", _WORKER_POLICY if path == "worker.js" else _POLICY)
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()


def is_served(name: str) -> bool:
    """Whether a path in a dataset's folder is of a file that the page reads.

    >>> is_served("manifests/pong/run_1/checkpoint_00.json"), is_served("data/../secret.parquet")
    (True, False)
    """
    if name == CARD:
        return True
    top, *parts = name.split("/")
    is_plain = all(part and not part.startswith(".") and "\\" not in part for part in parts)
    is_read = name.endswith(".parquet") or CheckpointId.of_manifest(name) is not None
    return top in DATA_FOLDERS and bool(parts) and is_plain and is_read


def find_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Returns the first byte and the number of bytes that a Range header asks for.

    None stands for the whole file, as for a header that is absent or of another form; no bytes, for a range
    that the file does not have.

    >>> find_range("bytes=2-4", 10), find_range("bytes=-3", 10), find_range("bytes=10-", 10)
    ((2, 3), (7, 3), (10, 0))
    """
    match = _RANGE.fullmatch(header or "")
    if match is None or match[0] == "bytes=-":
        return None
    if not match[1]:
        length = min(int(match[2]), size)
        return size - length, length
    first = int(match[1])
    last = min(int(match[2]), size - 1) if match[2] else size - 1
    if match[2] and int(match[2]) < first:
        return None
    return first, max(0, last - first + 1)
