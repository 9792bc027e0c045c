"""Serves one read-only bucket of the Hugging Face Hub on loopback, as far as `HfFileSystem` needs."""

import contextlib
import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from loopback_server import LoopbackServer

BUCKET = "user/mirror"


@contextlib.contextmanager
def running_bucket(folder: Path) -> Iterator[str]:
    """Yield the URL of a Hub whose bucket `user/mirror` contains the folder's files."""
    server = LoopbackServer(type("Handler", (_Handler,), {"folder": folder}))
    with server.running():
        yield server.url


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    folder: Path

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if path == f"/api/buckets/{BUCKET}":
            described = {"id": BUCKET, "private": False, "size": 0, "totalFiles": 0}
            self._send(200, json.dumps({**described, "createdAt": "2026-01-01T00:00:00.000Z"}).encode())
        elif path.startswith(f"/api/buckets/{BUCKET}/tree"):
            self._list(path.removeprefix(f"/api/buckets/{BUCKET}/tree").strip("/"))
        elif path.startswith(f"/buckets/{BUCKET}/resolve/"):
            self._send_file(self.folder / path.removeprefix(f"/buckets/{BUCKET}/resolve/"))
        else:
            self._send(404, b"{}")

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _list(self, prefix: str) -> None:
        folder = self.folder / prefix
        entries = [self._describe(each) for each in sorted(folder.iterdir())] if folder.is_dir() else []
        self._send(200, json.dumps(entries).encode())

    def _describe(self, path: Path) -> dict[str, Any]:
        entry = {"path": path.relative_to(self.folder).as_posix(), "uploadedAt": "2026-01-01T00:00:00.000Z"}
        if path.is_dir():
            return {**entry, "type": "directory"}
        return {**entry, "type": "file", "size": path.stat().st_size, "xetHash": "0" * 64}

    def _send_file(self, file: Path) -> None:
        if not file.is_file():
            self._send(404, b"")
            return
        content = file.read_bytes()
        span = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if span is None:
            self._send(200, content)
            return
        part = content[int(span[1]) : int(span[2]) + 1]
        content_range = f"bytes {span[1]}-{int(span[1]) + len(part) - 1}/{len(content)}"
        self._send(206, part, {"Content-Range": content_range})

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
