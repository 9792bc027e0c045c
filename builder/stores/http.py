"""Reads folders on web servers, with or without ranges, and with or without a listing."""

import contextlib
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import aiohttp
import yarl
from fsspec.asyn import sync
from fsspec.implementations.http import HTTPFileSystem

from ..errors import CannotListError, SourceError
from ..network.errors import describe_error
from .file_version import FileVersion, file_version_of
from .resilient_reader import FIRST_BLOCK, Connection
from .store import Store
from .web_page import names_in_page

STALL = 60.0
"""Seconds without a byte after which a connection is considered dead."""
LARGEST_LISTING = 1 << 24
"""The most bytes read of a folder's listing."""
MOST_REDIRECTS = 10
_REDIRECTS = (301, 302, 303, 307, 308)
_SECRET_OPTIONS = ("headers", "auth", "cookies", "cookie_jar", "params")
"""Options of requests and sessions that may hold a secret of the user's, meant for one server."""
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")

Result = TypeVar("Result")


class HttpStore(Store):
    """A folder on a web server. fsspec keeps the session; this class makes the requests in it.

    Options are those of fsspec's HTTPFileSystem: `client_kwargs` for aiohttp's session, others for each
    request, e.g. `headers`. The URL may contain a user and password, or a query with a token. Where a server
    sends requests on to another one, that one receives none of these.
    """

    def _file_system(self, url: str, options: dict[str, Any]) -> tuple[Any, str]:
        given = dict(options.pop("client_kwargs", {}))
        stall = min(STALL, self.policy.seconds)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=stall, sock_read=stall)
        # Bytes as stored: some servers declare `.gz` files as an encoding of their content.
        client = {"timeout": timeout, "auto_decompress": False, **given}
        parts = urlsplit(url)
        self._query = parts.query
        fs = HTTPFileSystem(client_kwargs=client, skip_instance_cache=True, **options)
        self._elsewhere = HTTPFileSystem(
            client_kwargs=_without_secrets(client), skip_instance_cache=True, **_without_secrets(options)
        )
        return fs, urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))

    def _names(self, folder: str) -> Sequence[str]:
        """Returns the names on the page that the server shows for a folder.

        Raises:
            CannotListError: the server shows no listing.
        """
        try:
            return self._ask(lambda: self._sync(lambda: self._read_page(folder)), folder, "listed")
        except FileNotFoundError:
            raise CannotListError(f"{self.describe(folder)}: no such folder, or it is not listed") from None

    async def _read_page(self, folder: str) -> Sequence[str]:
        async with await self._send("GET", f"{folder}/" if folder else "/") as response:
            if response.status in (403, 404, 405, 410):
                # Most servers answer 403 for a folder without an index.
                raise CannotListError(f"{self.describe(folder)}: not listed ({response.status})")
            response.raise_for_status()
            if "html" not in response.headers.get("Content-Type", "html"):
                raise CannotListError(f"{self.describe(folder)}: not listed (no web page)")
            page = await response.content.read(LARGEST_LISTING)
            while chunk := await response.content.read(LARGEST_LISTING):
                page += chunk
                if len(page) > LARGEST_LISTING:
                    raise SourceError(f"{self.describe(folder)}: its listing has no end")
            names = names_in_page(page.decode("utf-8", "replace"), str(response.url))
        if not names:
            raise CannotListError(f"{self.describe(folder)}: not listed (a page without links to files)")
        return names

    def _current_version(self, path: str) -> FileVersion:
        return self._sync(lambda: self._head(path))

    def _version(self, path: str) -> FileVersion:
        full = self._full(path)
        if full not in self._versions:
            self._versions[full] = self._ask(lambda: self._current_version(path), path)
        return self._versions[full]

    async def _head(self, path: str) -> FileVersion:
        """Returns a file's version by HEAD or, if that is not allowed, by a GET of one byte."""
        async with await self._send("HEAD", path) as response:
            if response.status not in (403, 405, 501):
                _raise_for_status(response)
                return _version_of_response(response)
        async with await self._send("GET", path, {"Range": "bytes=0-0"}) as response:
            _raise_for_status(response)
            return _version_of_response(response)

    def _connect(self, path: str, offset: int) -> Connection:
        return _Response(self, path, offset)

    def _denied(self, verb: str, error: Exception) -> str:
        return (
            f"cannot be {verb} ({describe_error(error)}); give a user and a password in the URL, or a "
            f'header: --storage-option headers=\'{{"Authorization": "Bearer …"}}\''
        )

    def _sync(self, start: Callable[[], Awaitable[Result]]) -> Result:
        async def run() -> Result:
            return await start()

        return sync(self.fs.loop, run)  # pyright: ignore[reportReturnType]

    def _url(self, path: str) -> yarl.URL:
        full = f"{self.root}{path}" if path == "/" else f"{self.root}/{path}"
        parts = urlsplit(full)
        quoted = quote(unquote(parts.path), safe="/$~!*'(),;:@&=+")
        return yarl.URL(urlunsplit((parts.scheme, parts.netloc, quoted, self._query, "")), encoded=True)

    async def _send(
        self, method: str, path: str, headers: Mapping[str, str] | None = None
    ) -> aiohttp.ClientResponse:
        """Returns the response to a request, after redirects; another server is sent no secrets."""
        own = {"Accept-Encoding": "identity", **(headers or {})}
        origin = url = self._url(path)
        for _ in range(MOST_REDIRECTS):
            fs = self.fs if _is_same_server(origin, url) else self._elsewhere
            session = await fs.set_session()
            options = {**fs.kwargs, "headers": {**fs.kwargs.get("headers", {}), **own}}
            response = await session.request(method, url, **{**options, "allow_redirects": False})
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or location is None:
                return response
            response.close()
            url = self._following(path, url, location)
            if _is_same_server(origin, url):
                url = url.with_user(origin.user).with_password(origin.password)
        raise SourceError(f"{self.describe(path)}: the server redirects more than {MOST_REDIRECTS} times")

    def _following(self, path: str, url: yarl.URL, location: str) -> yarl.URL:
        with contextlib.suppress(ValueError):
            following = url.join(yarl.URL(location)).with_fragment(None)
            if following.scheme in ("http", "https") and following.host:
                return following
        raise SourceError(
            f"{self.describe(path)}: the server redirects to {location[:100]!r}; expected a URL of http(s)"
        )


def _without_secrets(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in _SECRET_OPTIONS}


def _is_same_server(origin: yarl.URL, url: yarl.URL) -> bool:
    """Returns whether a URL is on the server that the user named, or is its encrypted form."""
    is_encrypted_form = (origin.scheme, url.scheme) == ("http", "https") and origin.host == url.host
    return url.origin() == origin.origin() or is_encrypted_form


class _Response:
    """A file from an offset on, from one response, or two: the first bytes are requested separately.

    A server without ranges sends the whole file; then bytes before the offset are read and dropped.
    """

    pinned = True

    def __init__(self, store: HttpStore, path: str, offset: int) -> None:
        self._store, self._path, self._offset = store, path, offset
        self._response: aiohttp.ClientResponse | None = None
        self._more_follows = False
        """Whether the response is only the first part."""
        self.version = FileVersion(None)

    def read(self, most: int) -> bytes:
        """Returns the next bytes, at most `most`."""
        return self._store._sync(lambda: self._read(most))

    def close(self) -> None:
        """Close the connection."""
        if self._response is not None:
            self._store.fs.loop.call_soon_threadsafe(self._response.close)

    async def _read(self, most: int) -> bytes:
        while True:
            if self._response is None:
                ended = self.version.size is not None and self._offset >= self.version.size
                self._response = None if ended else await self._get()
                if self._response is None:
                    return b""
            data = await self._read_response(self._response, most)
            if data or not self._more_follows:
                return data
            self._response.close()
            self._response = None

    async def _read_response(self, response: aiohttp.ClientResponse, most: int) -> bytes:
        """Returns at most `most` bytes, fewer only at the response's end, so that few calls cross threads."""
        pieces, count = [], 0
        try:
            while count < most and (piece := await response.content.read(most - count)):
                pieces.append(piece)
                count += len(piece)
        except Exception:
            if not pieces:
                raise
            # Bytes received before the failure count; the next read meets the same failure.
        self._offset += count
        return b"".join(pieces)

    async def _get(self) -> aiohttp.ClientResponse | None:
        """Returns the response for the file from the offset on; None if nothing is there."""
        response = await self._ask(f"bytes={self._offset}-{FIRST_BLOCK - 1 if self._offset == 0 else ''}")
        try:
            if response.status == 416:
                response.close()
                if self._offset:
                    total = response.headers.get("Content-Range", "").rpartition("/")[2]
                    self.version = FileVersion(int(total)) if total.isdigit() else self.version
                    return None
                response = await self._ask(None)  # an empty file has no ranges
            _raise_for_status(response)
            version = _version_of_response(response)
            if self.version.size is None or not self.version.agrees(version):
                self.version = version  # the reader notices if it has changed
            await self._go_to_offset(response)
        except BaseException:
            response.close()
            raise
        return response

    async def _ask(self, byte_range: str | None) -> aiohttp.ClientResponse:
        headers = {} if byte_range is None else {"Range": byte_range}
        return await self._store._send("GET", self._path, headers)

    async def _go_to_offset(self, response: aiohttp.ClientResponse) -> None:
        self._more_follows = False
        if response.status == 206:
            part = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if part is None or int(part[1]) != self._offset:
                raise SourceError(f"{self._store.describe(self._path)}: the server sends another range")
            self._more_follows = self._offset == 0
            return
        left = self._offset
        while left:
            skipped = len(await response.content.read(left))
            if not skipped:
                raise ConnectionError("the connection ended too early")
            left -= skipped


def _raise_for_status(response: aiohttp.ClientResponse) -> None:
    if response.status in (404, 410):
        raise FileNotFoundError(str(response.status))
    response.raise_for_status()


def _version_of_response(response: aiohttp.ClientResponse) -> FileVersion:
    headers = response.headers
    size = headers.get("Content-Length")
    if response.status == 206:
        part = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
        size = part[2] if part and part[2] != "*" else None
    known: dict[str, Any] = {name: headers[name] for name in ("ETag", "Last-Modified") if name in headers}
    for value in headers.getall("x-goog-hash", []):  # Google's, also over plain HTTP
        for item in value.split(","):
            algorithm, _, digest = item.strip().partition("=")
            known[{"crc32c": "crc32c", "md5": "md5Hash"}.get(algorithm, "")] = digest
    if response.status == 200 and "Content-MD5" in headers:
        known["Content-MD5"] = headers["Content-MD5"]
    return file_version_of({**known, "size": size if size is None or size.isdigit() else None})
