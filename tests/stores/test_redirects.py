"""Servers that redirect: another server receives none of the secrets that were meant for the first."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from atari_dqn_replay.builder.errors import SourceError
from atari_dqn_replay.builder.sources.open import open_store
from web_server import Fault, WebServer, running_web

CONTENT = bytes(range(256)) * 400
SECRETS: dict[str, Any] = {
    "headers": {"X-Api-Key": "s3cret", "Authorization": "Bearer s3cret"},
    "cookies": {"session": "s3cret"},
    "client_kwargs": {"headers": {"Private-Token": "s3cret"}, "cookies": {"more": "s3cret"}},
}


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[WebServer, WebServer]]:
    """Two servers of the same file."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/a.gz").write_bytes(CONTENT)
    with running_web(tmp_path) as first, running_web(tmp_path) as second:
        yield first, second


def redirect(server: WebServer, location: str, status: int = 302) -> None:
    fault = Fault("a.gz", times=99, methods=("GET", "HEAD"), status=status, headers={"Location": location})
    server.faults.append(fault)


def read(url: str, options: dict[str, Any] | None = None) -> bytes:
    store = open_store(url, {"patience": 5, **(SECRETS if options is None else options)})
    assert store.size("a.gz") == len(CONTENT)
    with store.open("a.gz") as file:
        return file.read()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_another_server_receives_no_secret(servers: tuple[WebServer, WebServer], status: int) -> None:
    first, second = servers
    redirect(first, f"{second.url}/folder/a.gz", status)
    assert read(f"{first.url}/folder") == CONTENT
    assert all(headers["x-api-key"] == headers["private-token"] == "s3cret" for headers in first.seen)
    assert second.seen
    assert "s3cret" not in str(second.seen)


def test_another_server_receives_no_password_of_the_url(servers: tuple[WebServer, WebServer]) -> None:
    first, second = servers
    redirect(first, f"{second.url}/folder/a.gz")
    assert read(f"http://me:s3cret@127.0.0.1:{first.port}/folder?token=s3cret", {}) == CONTENT
    assert "authorization" in first.seen[0]
    assert "s3cret" not in str(second.requests)
    assert not any("authorization" in headers for headers in second.seen)


def test_the_same_server_receives_them_again(servers: tuple[WebServer, WebServer], tmp_path: Path) -> None:
    first, second = servers
    (tmp_path / "folder/b.bin").write_bytes(CONTENT)
    redirect(first, f"{second.url}/folder/a.gz")
    redirect(second, f"{first.url}/folder/b.bin")
    assert read(f"{first.url}/folder") == CONTENT
    last = [headers for headers, asked in zip(first.seen, first.requests, strict=True) if "b.bin" in asked[1]]
    assert last
    assert all(headers["x-api-key"] == "s3cret" for headers in last)


@pytest.mark.parametrize(
    "location", ["ftp://127.0.0.1/a.gz", "http://[::1", "file:///etc/passwd", "/folder/a.gz"]
)
def test_a_redirect_that_leads_nowhere_is_named(servers: tuple[WebServer, WebServer], location: str) -> None:
    redirect(servers[0], location)
    with pytest.raises(SourceError, match=r"a\.gz: the server redirects"):
        read(f"{servers[0].url}/folder")
