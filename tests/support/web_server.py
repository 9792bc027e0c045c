"""Runs a web server on loopback that serves a folder, and misbehaves on request.

It counts what it sends, so that tests can check how often each byte was requested.
"""

import base64
import contextlib
import mimetypes
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from loopback_server import LoopbackServer

CHUNK = 1 << 14


@dataclass
class Fault:
    """A fault in the next requests whose path contains `path`; GET only, unless stated otherwise."""

    path: str = ""
    span: str = ""
    """The required beginning of the Range header."""
    times: int = 1
    methods: tuple[str, ...] = ("GET",)
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut_after: int | None = None
    """The number of bytes of the body after which the connection is closed."""
    declare: int | None = None
    """The Content-Length to claim instead of the true one."""
    pause: float = 0.0
    """Seconds to wait before each chunk of 16 KiB."""
    stall: threading.Event | None = None
    """An event until which nothing is sent."""

    def fits(self, method: str, path: str, span: str) -> bool:
        return self.times > 0 and method in self.methods and self.path in path and span.startswith(self.span)


@dataclass
class WebServer:
    """The server and its switches, which may be changed while it runs."""

    folder: Path
    ranges: bool = True
    listing: bool = True
    head: bool = True
    etags: bool = True
    password: str | None = None
    faults: list[Fault] = field(default_factory=list)
    extra_links: list[str] = field(default_factory=list)
    """Names to add to every listing."""
    gzip_encoding: bool = False
    """Whether to declare `.gz` files as an encoding of their content, as some servers do."""
    chunked: bool = False
    """Whether to omit Content-Length."""
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    """The method, path and Range of each request."""
    seen: list[dict[str, str]] = field(default_factory=list)
    """The headers of each request, by lower-case name."""
    sent: Counter[str] = field(default_factory=Counter)
    """The bytes sent in the bodies of GET responses, by path."""
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def take_fault(self, method: str, path: str, span: str) -> Fault:
        for fault in self.faults:
            if fault.fits(method, path, span):
                fault.times -= 1
                return fault
        return Fault()


@contextlib.contextmanager
def running_web(folder: Path, **switches: Any) -> Iterator[WebServer]:
    """Run a server on a free port until the block ends."""
    web = WebServer(folder, **switches)
    server = LoopbackServer(type("Handler", (_Handler,), {"web": web}))
    web.port = server.server_address[1]
    with server.running():
        yield web


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    web: WebServer

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self) -> None:
        web, path = self.web, unquote(urlsplit(self.path).path)
        web.seen.append({name.lower(): value for name, value in self.headers.items()})
        web.requests.append((self.command, path, self.headers.get("Range")))
        fault = web.take_fault(self.command, path, self.headers.get("Range", ""))
        if fault.stall is not None:
            fault.stall.wait(120)
        if fault.status is not None:
            self._send(fault.status, fault.body, fault.headers, fault)
        elif web.password is not None and not self._is_let_in():
            self._send(401, b"no", {"WWW-Authenticate": "Basic"})
        elif self.command == "HEAD" and not web.head:
            self._send(405, b"")
        elif (web.folder / path.lstrip("/")).is_dir():
            self._send_listing(path)
        else:
            self._send_file(web.folder / path.lstrip("/"), fault)

    def _is_let_in(self) -> bool:
        scheme, _, value = self.headers.get("Authorization", "").partition(" ")
        if scheme == "Basic":
            value = base64.b64decode(value).decode().partition(":")[2]
        return value == self.web.password

    def _send_listing(self, path: str) -> None:
        if not self.web.listing:
            self._send(403, b"Forbidden")
            return
        folder = self.web.folder / path.lstrip("/")
        names = [each.name + ("/" if each.is_dir() else "") for each in sorted(folder.iterdir())]
        links = ["../", "?C=N;O=D", *self.web.extra_links, *map(quote, names)]
        page = "".join(f'<li><a href="{link}">{link}</a></li>' for link in links)
        self._send(200, f"<html><body>{page}</body></html>".encode(), {"Content-Type": "text/html"})

    def _send_file(self, file: Path, fault: Fault) -> None:
        if not file.is_file():
            self._send(404, b"Not Found")
            return
        content = file.read_bytes()
        headers = {"Content-Type": mimetypes.guess_type(file.name)[0] or "application/octet-stream"}
        if self.web.etags:
            headers["ETag"] = f'"{file.stat().st_mtime_ns:x}-{len(content):x}"'
        if self.web.gzip_encoding:
            headers["Content-Encoding"] = "gzip"
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if span is None or not self.web.ranges:
            self._send(200, content, headers, fault)
            return
        start, stop = int(span[1]), min(len(content), int(span[2]) + 1 if span[2] else len(content))
        if start >= len(content):
            self._send(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            return
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
        self._send(206, content[start:stop], headers, fault)

    def _send(
        self, status: int, body: bytes, headers: dict[str, str] | None = None, fault: Fault | None = None
    ) -> None:
        fault = fault or Fault()
        chunked = self.web.chunked and status == 200 and self.command == "GET"
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif not (self.web.chunked and self.command == "HEAD"):
            self.send_header("Content-Length", str(len(body) if fault.declare is None else fault.declare))
        self.end_headers()
        if self.command == "HEAD":
            return
        rest = body if fault.cut_after is None else body[: fault.cut_after]
        with contextlib.suppress(ConnectionError):
            self._send_body(rest, fault, chunked)
        if fault.cut_after is not None or fault.declare is not None:
            self.close_connection = True

    def _send_body(self, body: bytes, fault: Fault, chunked: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        for start in range(0, len(body), CHUNK):
            if fault.pause:
                time.sleep(fault.pause)
            piece = body[start : start + CHUNK]
            self.web.sent[path] += len(piece)  # before the client can look
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        if chunked and fault.cut_after is None:
            self.wfile.write(b"0\r\n\r\n")
