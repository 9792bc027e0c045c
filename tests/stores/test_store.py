"""A remote file as one stream: whatever breaks on the way, each byte comes once, or there is one error."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import requests
from atari_dqn_replay.builder.errors import SourceError
from atari_dqn_replay.builder.network.errors import describe_error, is_final, retry_after, status_of
from atari_dqn_replay.builder.network.retrying import Attempts, RequestFailedError, RetryPolicy
from atari_dqn_replay.builder.sources.open import open_store
from atari_dqn_replay.builder.stores.download_cache import Downloads, KeptFile
from atari_dqn_replay.builder.stores.failures import source_error
from atari_dqn_replay.builder.stores.file_version import NO_CHECKSUM, FileVersion, file_version_of
from atari_dqn_replay.builder.stores.resilient_reader import LARGEST_BLOCK, ResilientReader
from botocore.exceptions import ClientError, EndpointConnectionError
from gcsfs.retry import HttpError
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy
from waiting import wait_until
from web_server import Fault, running_web
from yarl import URL

CONTENT = np.random.default_rng(0).bytes(300_000)
QUICK = RetryPolicy(seconds=5, first_wait=0.0001, longest_wait=0.001)
Event = int | Exception


class Script:
    """A store that answers as it was told: a number is how many bytes come next, an error is raised."""

    pinned = False

    def __init__(self, content: bytes, events: list[Event], version: FileVersion) -> None:
        self._content, self._events, self.version = content, events, version
        self._offset = 0
        self.connections = 0
        self.read_bytes = 0

    def connect(self, offset: int) -> "Script":
        self._offset = offset
        self.connections += 1
        return self

    def read(self, most: int) -> bytes:
        event = self._events.pop(0) if self._events else most
        if isinstance(event, Exception):
            raise event
        data = self._content[self._offset : self._offset + min(most, event)]
        self._offset += len(data)
        self.read_bytes += len(data)
        return data

    def close(self) -> None:
        pass

    def reader(self, now: FileVersion | None = None, policy: RetryPolicy = QUICK) -> ResilientReader:
        return ResilientReader(self.connect, lambda: now or self.version, "store://file", policy)


def version_for(content: bytes, algorithm: str = "sha256") -> FileVersion:
    return FileVersion(len(content), "1", (algorithm, hashlib.new(algorithm, content).hexdigest()))


failures = st.sampled_from([ConnectionResetError(), TimeoutError(), aiohttp.ServerDisconnectedError()])
events = st.lists(st.one_of(st.integers(1, 50_000), st.just(0), failures), max_size=25)


@settings(max_examples=100, deadline=None)
@given(events=events, sizes=st.lists(st.integers(500, 100_000), min_size=1, max_size=5))
def test_each_byte_comes_once_however_it_breaks(events: list[Event], sizes: list[int]) -> None:
    reader = Script(CONTENT, events, version_for(CONTENT)).reader()
    got = b""
    for index in range(1000):
        data = reader.read(sizes[index % len(sizes)])
        if not data:
            break
        got += data
    reader.close()
    assert got == CONTENT


def test_a_header_costs_one_block() -> None:
    script = Script(CONTENT, [], version_for(CONTENT))
    reader = script.reader()
    time.sleep(0.05)
    assert script.read_bytes == 0
    reader.read(100)
    time.sleep(0.05)
    assert script.read_bytes <= 1 << 13
    reader.close()


def test_it_reads_ahead_but_not_far() -> None:
    content = bytes(20 * LARGEST_BLOCK)
    script = Script(content, [], FileVersion(len(content)))
    reader = script.reader()
    while script.read_bytes < 8 * LARGEST_BLOCK:
        reader.read(1 << 20)
    taken = script.read_bytes
    time.sleep(0.3)
    assert taken < script.read_bytes + 1 <= taken + 4 * LARGEST_BLOCK + 1
    reader.close()


def test_closing_ends_the_thread() -> None:
    before = threading.active_count()
    readers = [Script(CONTENT, [], version_for(CONTENT)).reader() for _ in range(5)]
    for count, reader in enumerate(readers):
        for _ in range(count):
            reader.read(1)
        reader.close()
    wait_until(lambda: threading.active_count() <= before, "the end of the threads")


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_what_the_store_vouches_for_is_compared(algorithm: str) -> None:
    version = version_for(CONTENT, algorithm)
    assert Script(CONTENT, [], version).reader().readall() == CONTENT
    with pytest.raises(SourceError, match=rf"store://file: arrived damaged: its {algorithm}"):
        Script(b"x" + CONTENT[1:], [], version).reader().readall()
    with pytest.raises(SourceError, match="changed while it was read"):
        Script(b"x" + CONTENT[1:], [], version).reader(now=FileVersion(len(CONTENT), "2")).readall()


def test_a_checksum_that_the_store_takes_back_is_not_held_against_it() -> None:
    version = FileVersion(len(CONTENT), "1", ("md5", "0" * 32))
    now = FileVersion(len(CONTENT), "1", NO_CHECKSUM)
    assert Script(CONTENT, [], version).reader(now=now).readall() == CONTENT


def test_without_a_checksum_the_version_is_asked_again() -> None:
    version = FileVersion(len(CONTENT), "1")
    assert Script(CONTENT, [], version).reader().readall() == CONTENT
    with pytest.raises(SourceError, match="changed while it was read"):
        Script(CONTENT, [], version).reader(now=FileVersion(len(CONTENT), "2")).readall()


def test_more_or_less_than_the_size_is_an_error() -> None:
    with pytest.raises(SourceError, match="300,000 bytes arrived, but the store says that it has 299,999"):
        Script(CONTENT, [], FileVersion(len(CONTENT) - 1)).reader().readall()
    with pytest.raises(SourceError, match=r"given up at byte 300,000.*1 bytes too early"):
        Script(CONTENT, [], FileVersion(len(CONTENT) + 1)).reader(policy=RetryPolicy(0.05, 0.01)).readall()


def test_progress_a_byte_at_a_time_has_an_end_too() -> None:
    events: list[Event] = [each for _ in range(1000) for each in (1, ConnectionResetError())]
    with pytest.raises(SourceError, match="after 200 failures"):
        Script(CONTENT, events, version_for(CONTENT)).reader().readall()


# The retry policy


def test_waits_grow_and_end() -> None:
    attempts = Attempts(RetryPolicy(seconds=0.5, first_wait=0.02))
    start = time.monotonic()
    with pytest.raises(RequestFailedError) as failed:
        for _ in range(100):
            attempts.failed(TimeoutError("slow"))
    assert time.monotonic() - start > 0.1
    assert str(source_error("here", failed.value)).startswith("here: given up after")


def test_what_cannot_pass_is_not_tried_again() -> None:
    calls = []

    def refuse() -> None:
        calls.append(1)
        raise HttpError({"code": 403, "message": "no"})

    with pytest.raises(RequestFailedError, match="403") as failed:
        RetryPolicy().call(refuse)
    assert len(calls) == 1
    assert "here: cannot be read" in str(source_error("here", failed.value))


def test_an_answer_and_a_mistake_are_no_failures_of_the_request() -> None:
    def absent() -> None:
        raise FileNotFoundError("x")

    def mistaken() -> None:
        raise TypeError("x")

    with pytest.raises(FileNotFoundError):
        RetryPolicy().call(absent, FileNotFoundError)
    with pytest.raises(RequestFailedError):
        RetryPolicy().call(absent)
    with pytest.raises(TypeError):
        RetryPolicy().call(mistaken)


def test_a_request_that_fails_a_thousand_times_waits_no_longer() -> None:
    attempts = Attempts(RetryPolicy(seconds=9e9, first_wait=1e-9, longest_wait=1e-9, failures=2000))
    for _ in range(1999):
        attempts.failed(TimeoutError())
    with pytest.raises(RequestFailedError):
        attempts.failed(TimeoutError())


# What libraries raise


def response_error(status: int, headers: dict[str, str] | None = None) -> aiohttp.ClientResponseError:
    url = URL("http://me:s3cret@host/file?sig=s3cret")
    info = aiohttp.RequestInfo(url, "GET", CIMultiDictProxy(CIMultiDict()), url)
    return aiohttp.ClientResponseError(
        info, (), status=status, message="Oops", headers=CIMultiDictProxy(CIMultiDict(headers or {}))
    )


def boto_error(status: int) -> ClientError:
    metadata: Any = {"HTTPStatusCode": status, "HTTPHeaders": {"retry-after": "7"}}
    return ClientError({"Error": {"Code": "x", "Message": "y"}, "ResponseMetadata": metadata}, "GetObject")


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "status", "final"),
    [
        (response_error(503), 503, False),
        (response_error(429), 429, False),
        (response_error(403), 403, True),
        (boto_error(503), 503, False),
        (boto_error(403), 403, True),
        (caused(OSError("slow down"), boto_error(503)), 503, False),
        (HttpError({"code": 502, "message": ""}), 502, False),
        (HttpError({"code": "401", "message": "who"}), 401, True),
        (OSError("Forbidden: b/mine"), 403, True),
        (EndpointConnectionError(endpoint_url="http://host"), None, False),
        (aiohttp.ClientPayloadError("cut"), None, False),
        (requests.ConnectionError("cut"), None, False),
        (ConnectionResetError(), None, False),
        (TimeoutError(), None, False),
        (FileNotFoundError("x"), None, True),
        (PermissionError("x"), None, True),
        (ValueError("requester pays"), None, True),
    ],
    ids=repr,
)
def test_errors_are_understood(error: Exception, status: int | None, final: bool) -> None:
    assert (status_of(error), is_final(error)) == (status, final)


def test_retry_after_is_read_as_seconds_or_as_a_date() -> None:
    assert retry_after(response_error(503, {"Retry-After": "12"})) == 12
    assert retry_after(boto_error(503)) == 7
    assert retry_after(response_error(503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})) == 0
    assert retry_after(response_error(503, {"Retry-After": "soon"})) == 0
    assert retry_after(response_error(503)) is None


@pytest.mark.parametrize(
    "text",
    [
        "Cannot connect to http://me:s3cret@host/x?sig=s3cret",
        "url='https://host/path?X-Amz-Signature=s3cret&a=b'",
        "Authorization: Bearer s3cret",
        "/tokeninfo?access_token=s3cret (Caused by x)",
        "secret=s3cret, password: s3cret",
    ],
)
def test_messages_hide_credentials(text: str) -> None:
    assert "s3cret" not in describe_error(OSError(text))
    assert "s3cret" not in describe_error(response_error(403))


def test_messages_are_one_short_line() -> None:
    assert describe_error(OSError("first\nsecond")) == "first"
    assert describe_error(RuntimeError("")) == "RuntimeError"
    assert len(describe_error(OSError("long " * 1000))) < 210


# Versions


def test_checksums_are_found_where_each_store_puts_them() -> None:
    digest = "00000000000000000000000000000001"
    as_base64 = "AAAAAAAAAAAAAAAAAAAAAQ=="
    assert file_version_of({"size": 1, "md5Hash": as_base64}).checksum == ("md5", digest)
    assert file_version_of({"size": 1, "crc32c": "AAAAAQ==", "md5Hash": as_base64}).checksum == (
        "crc32c",
        "00000001",
    )
    assert file_version_of({"ETag": f'"{digest}"'}, etag_is_md5=True).checksum == ("md5", digest)
    assert file_version_of({"ETag": f'"{digest}-2"'}, etag_is_md5=True).checksum is None
    assert file_version_of({"ETag": f'"{digest}"'}).checksum is None
    assert file_version_of({"lfs": {"sha256": "AB"}}).checksum == ("sha256", "ab")
    assert file_version_of({"md5Hash": "not base64!"}).checksum is None


# Files that are read twice


@pytest.fixture
def downloads(tmp_path: Path) -> Iterator[tuple[Downloads, Callable[[], int]]]:
    """Five files on a web server, and how many bytes it has sent."""
    for number in range(5):
        (tmp_path / f"{number}.gz").write_bytes(bytes([number]) * 50_000)
    with running_web(tmp_path) as server:
        yield Downloads(open_store(server.url)), lambda: sum(server.sent.values())


def test_a_file_that_is_kept_is_downloaded_once(downloads: tuple[Downloads, Callable[[], int]]) -> None:
    files, sent = downloads
    kept = KeptFile(files, "1.gz")
    for _ in range(3):
        with kept.open("1.gz") as file:
            assert file.read() == b"\1" * 50_000
    assert sent() == 50_000
    with kept.open("1.gz") as first, kept.open("1.gz") as second:
        assert first.read(9_000) + first.read(1_000) == second.read(10_000)
        assert second.read() == first.read()
    assert sent() == 50_000


def test_what_was_not_read_to_its_end_is_downloaded_again(
    downloads: tuple[Downloads, Callable[[], int]],
) -> None:
    files, _ = downloads
    kept = KeptFile(files, "1.gz")
    with kept.open("1.gz") as file:
        assert file.read(10) == b"\1" * 10
    with kept.open("1.gz") as file:
        assert file.read() == b"\1" * 50_000


def test_nothing_is_left_on_the_disk(downloads: tuple[Downloads, Callable[[], int]]) -> None:
    """A temporary file lives as long as the one who may read it again."""
    files, _ = downloads
    opened = Path("/proc/self/fd")

    def temporary() -> int:
        links = [str(path.readlink()) for path in opened.iterdir() if path.is_symlink()]
        return sum("(deleted)" in link for link in links)

    before = temporary()
    for number in range(5):
        kept = KeptFile(files, f"{number}.gz")
        with kept.open(f"{number}.gz") as file:
            file.read()
        assert temporary() == before + 1
        del kept, file
    assert temporary() == before


def test_a_local_file_is_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "1.gz").write_bytes(b"1")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    kept = KeptFile(Downloads(open_store(str(tmp_path))), "1.gz")
    for _ in range(2):
        with kept.open("1.gz") as file:
            assert file.read() == b"1"


def test_another_thread_can_end_a_download(tmp_path: Path) -> None:
    """But only that of a user who is alone."""
    (tmp_path / "1.gz").write_bytes(bytes(50_000))
    silence = threading.Event()
    with running_web(tmp_path, faults=[Fault("1.gz", span="bytes=8192-", stall=silence)]) as server:
        files = Downloads(open_store(server.url))
        file = files.open("1.gz")
        for _ in range(2):
            files.hold()
        files.abort()
        assert file.read(8192) == bytes(8192)
        files.release()
        threading.Timer(0.5, files.abort).start()
        with pytest.raises(CancelledError):
            file.read()
        with pytest.raises(CancelledError):
            files.open("1.gz")  # as of a thread that was just opening it
        silence.set()
        files.hold()
        assert files.open("1.gz").read() == bytes(50_000)


@pytest.mark.parametrize("url", ["http://[::1", "https://me:secret@[", "s3://[::1"])
def test_an_address_that_is_none_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(SourceError) as refused:
        open_store(url, {"patience": 0.1}).list("")
    assert str(refused.value).startswith(f"{url.partition(':')[0]}://")
    assert "secret" not in str(refused.value)
