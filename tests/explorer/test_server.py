"""The local server: a folder's files by ranges, and nothing else of the machine."""

import http.client
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from atari_dqn_replay.builder.errors import AtariReplayError
from atari_dqn_replay.explorer.explore import open_server
from atari_dqn_replay.explorer.page_files import page_files
from atari_dqn_replay.explorer.server import ExplorerServer, find_range, is_served
from command import run, start
from hypothesis import given
from hypothesis import strategies as st

SHARD = "data/pong/run_1/checkpoint_00/steps-00000-of-00001.parquet"
CONTENT = bytes(range(256)) * 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that looks like a dataset: what its files hold is the page's business."""
    dataset = tmp_path / "dataset"
    (dataset / SHARD).parent.mkdir(parents=True)
    (dataset / SHARD).write_bytes(CONTENT)
    (dataset / "README.md").write_text("---\npretty_name: A dataset\n---\n")
    (dataset / "notes.txt").write_text("not of the dataset")
    (tmp_path / "secret.parquet").write_text("secret")
    return dataset


@pytest.fixture
def server(folder: Path) -> Iterator[ExplorerServer]:
    with open_server(str(folder)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server
        server.shutdown()


def get(
    server: ExplorerServer, path: str, method: str = "GET", **headers: str
) -> tuple[int, bytes, http.client.HTTPMessage]:
    """Ask for a path just as it is written: other clients tidy it up."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
    connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, content, response.headers


def test_the_page_comes_with_a_strict_policy(server: ExplorerServer) -> None:
    status, content, headers = get(server, "/?game=pong")
    assert (status, content) == (200, page_files()["index.html"].read_bytes())
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in headers


def test_a_range_is_the_bytes_that_were_asked_for(server: ExplorerServer) -> None:
    status, content, headers = get(server, f"/dataset/{SHARD}", Range="bytes=100-299")
    assert (status, content) == (206, CONTENT[100:300])
    assert headers["Content-Range"] == f"bytes 100-299/{len(CONTENT)}"
    assert get(server, f"/dataset/{SHARD}", Range="bytes=-7")[1] == CONTENT[-7:]
    assert get(server, f"/dataset/{SHARD}", Range="bytes=10000-")[1] == CONTENT[10000:]
    assert get(server, f"/dataset/{SHARD}")[:2] == (200, CONTENT)


def test_a_range_beyond_the_file_is_refused(server: ExplorerServer) -> None:
    status, content, headers = get(server, f"/dataset/{SHARD}", Range=f"bytes={len(CONTENT)}-")
    assert (status, content, headers["Content-Range"]) == (416, b"", f"bytes */{len(CONTENT)}")


def test_head_sends_no_content(server: ExplorerServer) -> None:
    status, content, headers = get(server, f"/dataset/{SHARD}", "HEAD")
    assert (status, content, headers["Content-Length"]) == (200, b"", str(len(CONTENT)))


@given(st.binary(min_size=1, max_size=50), st.integers(0, 60), st.integers(0, 60))
def test_ranges_are_slices(content: bytes, first: int, last: int) -> None:
    span = find_range(f"bytes={first}-{last}", len(content))
    if last < first:
        assert span is None  # no range at all: the whole file
    else:
        assert span is not None
        assert content[span[0] :][: span[1]] == content[first : last + 1]


@pytest.mark.parametrize(
    "path",
    [
        "/dataset/notes.txt",
        "/dataset/../secret.parquet",
        "/dataset/data/../../secret.parquet",
        "/dataset/data/%2e%2e/%2e%2e/secret.parquet",
        "/dataset/data/..%2f..%2fsecret.parquet",
        "/dataset/data/..%5c..%5csecret.parquet",
        "/dataset/data//etc/passwd.parquet",
        "/dataset//etc/passwd",
        "/dataset/data/a%00.parquet",
        "/dataset/manifests/.hidden/run_1/checkpoint_00.json",
        "/dataset/manifests/pong/run_1/notes.json",
        "/dataset/data",
        "/dataset/",
        "/dataset",
        "/server.py",
        "/../server.py",
        "/web/package.json",
        "//etc/passwd",
    ],
)
def test_nothing_but_the_page_and_the_dataset_is_served(server: ExplorerServer, path: str) -> None:
    assert get(server, path)[:2] == (404, b"not found\n")


@given(st.lists(st.sampled_from(["data", "episodes", "..", ".", "", "x", "\\", "x.parquet"]), min_size=1))
def test_a_name_that_is_served_never_climbs(parts: list[str]) -> None:
    name = "/".join(parts)
    if is_served(name):
        assert Path("/root", name).resolve().is_relative_to("/root")
        assert ".." not in parts and "" not in parts


def test_links_lead_nowhere_else(server: ExplorerServer, folder: Path) -> None:
    outside = folder.parent / "secret.parquet"
    (folder / "data/pong/linked.parquet").symlink_to(outside)
    (folder / "data/out").symlink_to(folder.parent)
    (folder / "data/pong/again.parquet").symlink_to(folder / SHARD)
    assert get(server, "/dataset/data/pong/linked.parquet")[0] == 404
    assert get(server, "/dataset/data/out/secret.parquet")[0] == 404
    assert get(server, "/dataset/data/pong/again.parquet")[:2] == (200, CONTENT)


def test_what_is_no_file_keeps_nobody_waiting(server: ExplorerServer, folder: Path) -> None:
    os.mkfifo(folder / "data/pong/pipe.parquet")
    assert get(server, "/dataset/data/pong/pipe.parquet")[0] == 404


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1", "", "127.0.0.1.evil.example"]
)
def test_a_web_site_that_points_its_name_here_gets_nothing(server: ExplorerServer, host: str) -> None:
    for path in ("/", f"/dataset/{SHARD}", "/explorer.json"):
        status, content, _ = get(server, path, Host=host)
        assert (status, content) == (421, b"this server answers to its own address alone\n")


def test_localhost_is_a_name_of_its_own(server: ExplorerServer) -> None:
    assert get(server, "/", Host=f"localhost:{server.server_address[1]}")[0] == 200


def test_it_listens_on_loopback_alone(server: ExplorerServer) -> None:
    assert server.server_address[0] == "127.0.0.1"


def test_methods_that_change_something_do_not_exist(server: ExplorerServer) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert get(server, f"/dataset/{SHARD}", method)[0] == 501


def test_a_folder_without_a_card_is_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(AtariReplayError, match=r"holds no dataset, for it has no README\.md"):
        open_server(str(tmp_path))


def test_what_is_neither_a_folder_nor_a_repo_is_refused() -> None:
    done = run("explore", "no-such-folder", "--no-browser")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no-such-folder: there is no such folder, and it is no dataset on the Hub" in done.stderr


def test_a_port_that_is_taken_is_told(server: ExplorerServer, folder: Path) -> None:
    port = server.server_address[1]
    with pytest.raises(AtariReplayError, match=f"port {port} cannot be used .* leave out --port"):
        open_server(str(folder), port=port)


def test_the_command_prints_where_the_page_is_and_ends_with_ctrl_c(folder: Path) -> None:
    process = start("explore", folder, "--no-browser")
    assert process.stdout is not None
    line = process.stdout.readline()
    port = int(line.split("http://127.0.0.1:")[1].split("/")[0])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/explorer.json")
    assert b'"name": "dataset"' in connection.getresponse().read()
    process.send_signal(2)
    assert process.communicate(timeout=30) == ("stopped\n", "")
    assert process.returncode == 0
