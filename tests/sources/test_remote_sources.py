"""A mirror is the same wherever it lies: real emulators and servers, asked by unmodified clients.

The log is `data/three_laps`, which none of this project's code wrote.
"""

import base64
import contextlib
import hashlib
import itertools
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from atari_dqn_replay.builder.assembly.build import build, plan_build
from atari_dqn_replay.builder.errors import SourceError, UnknownNameError
from atari_dqn_replay.builder.format.compression import FAST
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.format.manifest import Manifest
from atari_dqn_replay.builder.sources.open import open_source, open_store
from atari_dqn_replay.builder.stores.http import STALL
from bucket_server import BUCKET, running_bucket
from command import Fork, run
from hub_server import HubServer
from huggingface_hub import HfApi
from logs import Played, write_log
from paths import SKIPPED_LAP, THREE_LAPS
from waiting import wait_until
from web_server import Fault, WebServer, running_web

from atari_dqn_replay import AtariDQNReplay

pytestmark = pytest.mark.slow

LOGS = "dqn/Breakout/1/replay_logs"
BREAKOUT = find_game("breakout")
FRAMES = "$store$_observation_ckpt.1.gz"
SOURCE_BYTES = sum(path.stat().st_size for path in THREE_LAPS.rglob("*.gz") if "invalid" not in path.name)
Tree = dict[str, str]
Place = tuple[str, dict[str, Any]]
"""A URL and its storage options."""


def tree_of(folder: Path) -> Tree:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def build_from(place: Place, out: Path, **selection: Any) -> Tree:
    url, options = place
    build(plan_build(open_source(url, options), [BREAKOUT], out, compression=FAST, **selection), out)
    return tree_of(out)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return build_from((str(THREE_LAPS), {}), tmp_path_factory.mktemp("local") / "out")


# Where a mirror may lie


# The stores' libraries take seconds to import, in each process that collects these tests.


def google_client(endpoint: str) -> Any:
    from gcsfs.core import GCSFileSystem

    return GCSFileSystem(token="anon", endpoint_url=endpoint, skip_instance_cache=True)


@contextlib.contextmanager
def running_google(folder: Path) -> Iterator[str]:
    """The endpoint of an emulator of Google Cloud Storage; its empty bucket `mirror` lies in the folder."""
    from gcp_storage_emulator.server import create_server

    server = create_server("127.0.0.1", 0, in_memory=False, data_dir=str(folder), default_bucket="mirror")
    server.start()
    try:
        yield f"http://127.0.0.1:{server._api._httpd.server_address[1]}"  # pyright: ignore
    finally:
        server.stop()


@pytest.fixture(scope="module")
def google(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of an emulator with the log in its bucket `mirror`."""
    with running_google(tmp_path_factory.mktemp("google")) as endpoint:
        for path in (THREE_LAPS / LOGS).iterdir():
            google_client(endpoint).pipe_file(f"mirror/{LOGS}/{path.name}", path.read_bytes())
        yield endpoint


def amazon_client(endpoint: str) -> Any:
    from s3fs import S3FileSystem

    return S3FileSystem(key="id", secret="secret", endpoint_url=endpoint, skip_instance_cache=True)


@pytest.fixture(scope="module")
def amazon() -> Iterator[str]:
    """The endpoint of an emulator of S3: the log is in the bucket `mirror`, where only its owner may read,
    and in `public`, where all may.
    """
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    fs = amazon_client(endpoint)
    for bucket, options in (("mirror", {}), ("public", {"ACL": "public-read"})):
        fs.mkdir(bucket)
        for path in (THREE_LAPS / LOGS).iterdir():
            fs.call_s3(
                "put_object", Bucket=bucket, Key=f"{LOGS}/{path.name}", Body=path.read_bytes(), **options
            )
    yield endpoint
    server.stop()


@contextlib.contextmanager
def web(path: str = "", **switches: Any) -> Iterator[Place]:
    with running_web(THREE_LAPS, **switches) as server:
        yield f"{server.url}{path}", {}


@contextlib.contextmanager
def google_bucket(request: pytest.FixtureRequest, path: str, **options: Any) -> Iterator[Place]:
    yield f"gs://mirror{path}", {"endpoint_url": request.getfixturevalue("google"), **options}


@contextlib.contextmanager
def amazon_bucket(request: pytest.FixtureRequest, path: str, **options: Any) -> Iterator[Place]:
    yield f"s3://{path}", {"endpoint_url": request.getfixturevalue("amazon"), **options}


@contextlib.contextmanager
def hub_dataset(request: pytest.FixtureRequest) -> Iterator[Place]:
    hub: HubServer = request.getfixturevalue("hub")
    api = HfApi(endpoint=hub.url, token=hub.token)
    api.create_repo("user/mirror", repo_type="dataset", private=True)
    api.upload_folder(folder_path=THREE_LAPS / "dqn", repo_id="user/mirror", repo_type="dataset")
    yield "hf://datasets/user/mirror", {"endpoint": hub.url, "token": hub.token}


@contextlib.contextmanager
def hub_bucket() -> Iterator[Place]:
    with running_bucket(THREE_LAPS) as endpoint:
        yield f"hf://buckets/{BUCKET}", {"endpoint": endpoint, "token": "hf_of_the_tests"}


PLACES: dict[str, Callable[[pytest.FixtureRequest], contextlib.AbstractContextManager[Place]]] = {
    "http": lambda _: web(),
    "http, the folder dqn": lambda _: web("/dqn/"),
    "http without ranges": lambda _: web(ranges=False),
    "http without a listing": lambda _: web(listing=False),
    "http without a listing, the folder dqn": lambda _: web("/dqn", listing=False),
    "http with nothing": lambda _: web(listing=False, ranges=False, head=False, etags=False),
    "http in chunks": lambda _: web(chunked=True),
    "http, gz declared as an encoding": lambda _: web(gzip_encoding=True),
    "gs, anonymous": lambda request: google_bucket(request, "/dqn", token="anon"),
    "gs, credentials looked for": lambda request: google_bucket(request, ""),
    "s3": lambda request: amazon_bucket(request, "mirror", key="id", secret="secret"),
    "s3, public": lambda request: amazon_bucket(request, "public/dqn", anon=True),
    "hf dataset": hub_dataset,
    "hf bucket": lambda _: hub_bucket(),
}


@pytest.mark.parametrize("name", PLACES)
def test_the_same_log_gives_the_same_bytes(
    name: str, request: pytest.FixtureRequest, local: Tree, tmp_path: Path
) -> None:
    with PLACES[name](request) as place:
        assert build_from(place, tmp_path / "out") == local


def test_a_log_with_a_hole_gives_the_same_bytes(tmp_path: Path) -> None:
    expected = build_from((str(SKIPPED_LAP), {}), tmp_path / "local")
    with running_web(SKIPPED_LAP) as server:
        assert build_from((server.url, {}), tmp_path / "remote") == expected
        part = build_from((server.url, {}), tmp_path / "parts", checkpoints=[5])
        assert {each for each in part.items() if not each[0].endswith("README.md")} <= {*expected.items()}


@pytest.mark.parametrize("name", ["http", "gs, anonymous", "s3", "hf dataset"])
def test_the_builder_takes_storage_options(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    played = np.load(THREE_LAPS / "played.npz")
    with PLACES[name](request) as (url, options):
        builder = AtariDQNReplay(
            "breakout-full", source=url, storage_options=options, cache_dir=str(tmp_path)
        )
        stream: Any = builder.as_streaming_dataset(split="run_1")
        actions = [
            row for batch in stream.with_format("arrow").iter(batch_size=999) for row in batch["action"]
        ]
    assert [action.as_py() for action in actions] == played["action"].tolist()


def test_inspect_takes_storage_options(google: str) -> None:
    options = ["--storage-option", "token=anon", "--storage-option", f"endpoint_url={google}"]
    assert run("inspect", "gs://mirror", *options).stdout == run("inspect", THREE_LAPS).stdout


def test_two_processes_prepare_from_a_server(tmp_path: Path) -> None:
    with running_web(THREE_LAPS) as server:
        builder = AtariDQNReplay("breakout-full", source=server.url, cache_dir=str(tmp_path))
        builder.download_and_prepare(num_proc=2)
        dataset: Any = builder.as_dataset(split="run_1")
    assert len(dataset) == 9500


@pytest.mark.parametrize("slug", [False, True])
@pytest.mark.parametrize("subfolder", [False, True])
@pytest.mark.parametrize("listing", [False, True])
def test_layouts_seen_in_the_wild(slug: bool, subfolder: bool, listing: bool, tmp_path: Path) -> None:
    run_folder = tmp_path / "root" / ("breakout" if slug else "Breakout") / "1"
    shutil.copytree(THREE_LAPS / LOGS, run_folder / "replay_logs" if subfolder else run_folder)
    with running_web(tmp_path / "root", listing=listing) as server:
        for source in (open_source(server.url), open_source(str(tmp_path / "root"))):
            assert source.runs(BREAKOUT) == [1]
            assert source.open_run(BREAKOUT, 1).checkpoints == [0, 1, 2, 3]


# What goes over the network


@pytest.mark.parametrize("listing", [False, True])
def test_every_byte_is_downloaded_once(listing: bool, tmp_path: Path) -> None:
    with running_web(THREE_LAPS, listing=listing) as server:
        build_from((server.url, {}), tmp_path / "out")
        assert SOURCE_BYTES <= sum(server.sent.values()) <= 1.1 * SOURCE_BYTES


def test_looking_at_headers_costs_little() -> None:
    with running_web(THREE_LAPS) as server:
        run = open_source(server.url).open_run(BREAKOUT, 1)
        assert run.remarks() == ["checkpoint 3 is the final, partial dump"]
        assert all(run.file_sizes().values())
        assert sum(server.sent.values()) < 0.06 * SOURCE_BYTES


def test_probing_is_bounded() -> None:
    with running_web(THREE_LAPS, listing=False) as server:
        open_source(server.url).open_run(BREAKOUT, 1)
        assert len(server.requests) < 250
        server.requests.clear()
        source = open_source(server.url)
        assert source.runs(BREAKOUT) == [1]
        source.open_run(BREAKOUT, 1)
        assert len(server.requests) < 500
        asked = len(server.requests)
        source.open_run(BREAKOUT, 1).file_sizes()
        assert len(server.requests) <= asked + 2  # its provenance
        with pytest.raises(SourceError, match="no Pong under the names"):
            source.runs(find_game("pong"))
        assert len(server.requests) < asked + 170
        with pytest.raises(SourceError, match="shows no listing"):
            source.games()
        with pytest.raises(UnknownNameError, match="has run 1 of Breakout"):
            source.open_run(BREAKOUT, 3)


def test_a_source_that_grew_is_seen_by_the_next_look(google: str, tmp_path: Path) -> None:
    fs = google_client(google)
    options = {"token": "anon", "endpoint_url": google}
    name = "$store$_action_ckpt.0.gz"
    fs.pipe_file(f"mirror/grows/Pong/1/{name}", (THREE_LAPS / LOGS / name).read_bytes())
    before = open_source("gs://mirror/grows", options)
    assert before.runs(find_game("pong")) == [1]
    stamp = before.fingerprint(find_game("pong"), [1])
    fs.pipe_file(f"mirror/grows/Pong/1/{name}", (THREE_LAPS / LOGS / name.replace("0", "1")).read_bytes())
    assert open_source("gs://mirror/grows", options).fingerprint(find_game("pong"), [1]) != stamp


# A bad network


FAULTS: dict[str, Callable[[], list[Fault]]] = {
    "cut in the middle": lambda: [Fault(FRAMES, times=3, cut_after=50_000)],
    "cut at the first byte": lambda: [Fault(FRAMES, times=2, cut_after=0)],
    "cut in every file": lambda: [
        Fault(path.name, cut_after=100)
        for path in (THREE_LAPS / LOGS).iterdir()
        if "invalid" not in path.name
    ],
    "cut before the last byte": lambda: [Fault("ckpt.2.gz", times=4, cut_after=210_000)],
    "too many requests": lambda: [Fault(".gz", times=4, status=429, methods=("GET", "HEAD"))],
    "too many requests, with a time": lambda: [
        Fault(FRAMES, times=1, status=429, headers={"Retry-After": "1"})
    ],
    "unavailable": lambda: [Fault("", times=4, status=503, methods=("GET", "HEAD"))],
    "an error page": lambda: [Fault(FRAMES, times=2, status=502, body=b"<html>Bad Gateway</html>")],
    "slow": lambda: [Fault(FRAMES, times=1, pause=0.02)],
}


@pytest.mark.parametrize(
    ("name", "ranges"),
    [*((name, True) for name in FAULTS), *((name, False) for name in FAULTS if name.startswith("cut"))],
)
def test_a_bad_network_changes_nothing(name: str, ranges: bool, local: Tree, tmp_path: Path) -> None:
    faults = FAULTS[name]()
    with running_web(THREE_LAPS, ranges=ranges, faults=faults) as server:
        assert build_from((server.url, {}), tmp_path / "out") == local
        assert sum(fault.times for fault in faults) == 0, "the fault did not happen"


def test_a_length_that_is_too_large_is_mended_or_refused(local: Tree, tmp_path: Path) -> None:
    with running_web(THREE_LAPS, faults=[Fault(FRAMES, declare=10_000_000)]) as server:
        assert build_from((server.url, {}), tmp_path / "out") == local
    fault = Fault(FRAMES, declare=10_000_000, times=3)  # of the looks at its header, too
    with running_web(THREE_LAPS, ranges=False, faults=[fault]) as server, pytest.raises(SourceError) as error:
        build_from((server.url, {}), tmp_path / "other")
    assert "it had 10,000,000 bytes" in str(error.value)


def test_a_connection_that_breaks_is_taken_up_where_it_broke(local: Tree, tmp_path: Path) -> None:
    with running_web(THREE_LAPS, faults=[Fault(FRAMES, times=5, cut_after=30_000)]) as server:
        assert build_from((server.url, {}), tmp_path / "out") == local
        assert sum(server.sent.values()) <= 1.1 * SOURCE_BYTES


def test_retry_after_is_heeded(tmp_path: Path) -> None:
    fault = Fault(FRAMES, times=1, status=503, headers={"Retry-After": "2"})
    with running_web(THREE_LAPS, faults=[fault]) as server:
        store = open_store(f"{server.url}/{LOGS}")
        with store.open(FRAMES) as file:
            assert file.read() == (THREE_LAPS / LOGS / FRAMES).read_bytes()


GIVEN_UP: dict[str, Callable[[], Fault]] = {
    "always unavailable": lambda: Fault(FRAMES, times=10_000, status=503),
    "always cut": lambda: Fault(FRAMES, times=10_000, cut_after=0),
    "back in an hour": lambda: Fault(FRAMES, times=10_000, status=429, headers={"Retry-After": "3600"}),
    "silent": lambda: Fault(FRAMES, times=10_000, stall=threading.Event()),
}


@pytest.mark.parametrize("name", GIVEN_UP)
def test_it_gives_up_with_one_clear_error(name: str, tmp_path: Path) -> None:
    fault = GIVEN_UP[name]()
    with running_web(THREE_LAPS, faults=[fault]) as server:
        url = server.url.replace("://", "://me:s3cret@")
        arguments = ["build", "breakout", "--source", url, "--out", tmp_path / "out"]
        done = run(*arguments, "--storage-option", "patience=1.5")
        if fault.stall is not None:
            fault.stall.set()
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert f"{server.url}/{LOGS}/{FRAMES}: given up" in line
    assert "same command again" in line
    assert "s3cret" not in done.stderr
    assert ("3,600 s" in line) == (name == "back in an hour")
    assert not list((tmp_path / "out").glob("[!.]*"))


SILENT: dict[str, tuple[str, Fault]] = {
    "to the first question": ("inspect", Fault(times=100)),
    "about sizes": ("inspect", Fault(".gz", methods=("HEAD",), times=100)),
    "in headers": ("inspect", Fault(".gz", times=100)),
    "in mid-file": ("build", Fault(FRAMES, span="bytes=8192-")),
    "where the last episode ends": ("build one", Fault("observation_ckpt.2", span="bytes=8192-")),
    "in two files at once": ("build one", Fault("observation_ckpt", span="bytes=8192-", times=2)),
}


@pytest.mark.parametrize("where", SILENT)
def test_ctrl_c_stops_at_once_though_the_server_is_silent(where: str, tmp_path: Path) -> None:
    silence = threading.Event()
    command, fault = SILENT[where]
    fault = replace(fault, stall=silence)
    build = ["build", "breakout", "--out", tmp_path / "out"]
    arguments = {
        "inspect": ["inspect"],
        "build": [*build, "--source"],
        "build one": [*build, "--checkpoints", "1", "--source"],
    }[command]
    with running_web(THREE_LAPS, faults=[fault]) as server:
        process = Fork(*arguments, server.url)
        times = fault.times
        wait_until(lambda: fault.times < times, "the first request")
        time.sleep(0.5)
        process.interrupt()
        begun = time.monotonic()
        _, errors = process.end()
        seconds = time.monotonic() - begun
        silence.set()
    assert (process.returncode, "Traceback" in errors) == (130, False)
    assert seconds < STALL / 2


@pytest.mark.parametrize("ranges", [True, False])
def test_a_file_that_changes_while_it_is_read_is_not_mixed(ranges: bool, tmp_path: Path) -> None:
    shutil.copytree(THREE_LAPS, tmp_path / "source")
    file = tmp_path / "source" / LOGS / FRAMES
    with running_web(tmp_path / "source", ranges=ranges, faults=[Fault(FRAMES, cut_after=100_000)]) as server:
        server.faults.append(Fault(FRAMES, cut_after=100_000))  # of the second part, where there are ranges
        store = open_store(f"{server.url}/{LOGS}", {"patience": 5})
        with store.open(FRAMES) as reader:
            reader.read(9000)
            file.write_bytes((THREE_LAPS / LOGS / FRAMES.replace("1", "2")).read_bytes())
            with pytest.raises(SourceError, match="changed while it was read"):
                while reader.read(1 << 16):
                    pass


def test_a_wrong_range_is_not_taken() -> None:
    body = (THREE_LAPS / LOGS / FRAMES).read_bytes()[:8192]
    wrong = Fault(FRAMES, status=206, headers={"Content-Range": "bytes 100-8291/213000"}, body=body)
    with running_web(THREE_LAPS, faults=[wrong]) as server:
        reader = open_store(f"{server.url}/{LOGS}").open(FRAMES)
        with pytest.raises(SourceError, match="another range"):
            reader.read(10)


# What stores vouch for


@pytest.mark.parametrize("header", ["crc32c", "md5", "Content-MD5"])
def test_a_file_that_is_not_what_the_server_vouches_for_is_refused(header: str) -> None:
    wrong = base64.b64encode(b"\0" * (4 if header == "crc32c" else 16)).decode()
    headers = {"Content-MD5": wrong} if header == "Content-MD5" else {"x-goog-hash": f"{header}={wrong}"}
    body = (THREE_LAPS / LOGS / FRAMES).read_bytes()
    with running_web(THREE_LAPS, faults=[Fault(FRAMES, status=200, headers=headers, body=body)]) as server:
        reader = open_store(f"{server.url}/{LOGS}").open(FRAMES)
        with pytest.raises(SourceError, match="arrived damaged"):
            reader.read()


def test_a_bit_that_flips_in_googles_bucket_is_seen(tmp_path: Path) -> None:
    """In the middle of incompressible bytes: gzip's own checksum is not asked."""
    with running_google(tmp_path) as endpoint:
        content = np.random.default_rng(0).bytes(100_000)
        google_client(endpoint).pipe_file("mirror/a.gz", content)
        (stored,) = (
            path for path in tmp_path.rglob("a.gz*") if path.is_file() and path.stat().st_size == 100_000
        )
        stored.write_bytes(content[:50_000] + bytes([content[50_000] ^ 1]) + content[50_001:])
        reader = open_store("gs://mirror", {"token": "anon", "endpoint_url": endpoint}).open("a.gz")
        with pytest.raises(SourceError, match=r"gs://mirror/a\.gz: arrived damaged: its crc32c is"):
            reader.read()


def test_an_object_on_s3_that_is_replaced_is_not_mixed(amazon: str) -> None:
    fs = amazon_client(amazon)
    options = {"key": "id", "secret": "secret", "endpoint_url": amazon}
    fs.call_s3("put_object", Bucket="mirror", Key="changes/a.gz", Body=b"a" * 100_000)
    store = open_store("s3://mirror/changes", options)
    assert store.list("") == ["a.gz"]
    reader = store.open("a.gz")
    assert reader.read(100) == b"a" * 100
    fs.call_s3("put_object", Bucket="mirror", Key="changes/a.gz", Body=b"b" * 100_000)
    with pytest.raises(SourceError, match="changed while it was read"):
        reader.read()


def test_an_object_uploaded_in_parts_is_read(amazon: str) -> None:
    fs = amazon_client(amazon)
    content = np.random.default_rng(0).bytes(6 << 20)
    with fs.open("mirror/parts/a.gz", "wb", block_size=5 << 20) as file:
        file.write(content[: 5 << 20])
        file.write(content[5 << 20 :])
    store = open_store("s3://mirror/parts", {"key": "id", "secret": "secret", "endpoint_url": amazon})
    with store.open("a.gz") as reader:
        assert reader.read() == content


def test_the_manifest_records_what_was_read_remotely(tmp_path: Path) -> None:
    with running_web(THREE_LAPS) as server:
        build_from((server.url, {}), tmp_path / "out", checkpoints=[0])
    (path,) = (tmp_path / "out").glob("manifests/*/*/*.json")
    for source in Manifest.from_json(path.read_bytes(), str(path)).sources:
        content = (THREE_LAPS / "dqn" / source.path).read_bytes()
        assert (source.size, source.sha256) == (len(content), hashlib.sha256(content).hexdigest())


# Credentials, and doors that are closed


def test_a_password_in_the_url_is_used_and_never_shown(tmp_path: Path) -> None:
    with running_web(THREE_LAPS, password="s3cret") as server:
        url = server.url.replace("://", "://me:s3cret@")
        done = run("inspect", url)
        assert (done.returncode, "0-3" in done.stdout) == (0, True)
        closed = run("inspect", server.url.replace("://", "://me:wr0ng@"))
        assert closed.returncode == 1
        assert "401" in closed.stderr
        header = {"headers": {"Authorization": "Bearer s3cret"}}
        assert open_source(server.url, header).games() == [BREAKOUT]
    assert "s3cret" not in done.stdout + done.stderr
    assert "wr0ng" not in closed.stdout + closed.stderr


def test_a_token_in_the_query_goes_along_and_is_never_shown() -> None:
    with running_web(THREE_LAPS) as server:
        source = open_source(f"{server.url}/dqn?sig=s3cret")
        assert source.games() == [BREAKOUT]
        assert "s3cret" not in source.describe()
        assert "s3cret" not in source.open_run(BREAKOUT, 1).where


@pytest.mark.parametrize("status", [401, 403])
def test_the_closed_public_bucket_is_told_from_others(status: int) -> None:
    body = json.dumps(
        {"error": {"code": status, "message": "Anonymous caller does not have access"}}
    ).encode()
    with running_web(THREE_LAPS, faults=[Fault("/b/", times=1000, status=status, body=body)]) as server:
        options = {"token": "anon", "endpoint_url": server.url}
        with pytest.raises(SourceError, match=f"closed to the public since 2025.*{status}.*docs/sources.md"):
            open_source("gs://atari-replay-datasets/dqn", options)
        with pytest.raises(SourceError, match=rf"gs://mine: cannot be listed \(.*{status}.*give credentials"):
            open_source("gs://mine", options)


def test_a_service_account_file_is_used(google: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as error:
        open_source("gs://mirror", {"token": str(tmp_path / "no-such-key.json"), "endpoint_url": google})
    assert "no-such-key.json: no such file" in str(error.value)


def test_a_private_dataset_needs_its_token(hub: HubServer) -> None:
    HfApi(endpoint=hub.url, token=hub.token).create_repo("user/mirror", repo_type="dataset", private=True)
    for options in ({"token": False}, {"token": "hf_of_another"}):
        with pytest.raises(SourceError) as error:
            open_source("hf://datasets/user/mirror", {"endpoint": hub.url, **options})
        assert "hf://datasets/user/mirror" in str(error.value)
        assert "hf_of_another" not in str(error.value)
        assert "\n" not in str(error.value)


def test_wrong_s3_keys_are_named_without_them(amazon: str) -> None:
    with pytest.raises(SourceError) as error:
        open_source("s3://mirror", {"endpoint_url": amazon, "anon": True}).open_run(BREAKOUT, 1).remarks()
    assert "s3://mirror" in str(error.value)


def test_a_server_that_is_not_there_is_named_soon() -> None:
    with pytest.raises(SourceError, match=r"http://127.0.0.1:1/dqn: given up"):
        open_source("http://me:s3cret@127.0.0.1:1/dqn", {"patience": 1})


# Hostile servers


def test_links_lead_nowhere_else(tmp_path: Path) -> None:
    links = [
        "../../../../etc/passwd",
        "/etc/passwd",
        "//example.invalid/dqn/Pong/",
        "http://example.invalid/Pong/",
        "%2e%2e/Pong/",
        "..%2fPong/",
        "Pong%00/",
        "javascript:alert(1)",
        "http://[broken",
    ]
    with running_web(THREE_LAPS, extra_links=links) as server:
        assert open_source(server.url).games() == [BREAKOUT]
        source = open_source(server.url)
        assert source.runs(BREAKOUT) == [1]
        asked = {path for _, path, _ in server.requests}
    assert not any(".." in path or "passwd" in path or "Pong" in path for path in asked)


def test_object_names_lead_nowhere_else(amazon: str) -> None:
    fs = amazon_client(amazon)
    for key in ("odd/Pong/../x", "odd/Pong//y", "odd/Pong/1/.", "odd/Pong/\\etc", "odd/../z"):
        fs.call_s3("put_object", Bucket="mirror", Key=key, Body=b"")
    store = open_store("s3://mirror/odd", {"key": "id", "secret": "secret", "endpoint_url": amazon})
    assert store.list("") == ["Pong"]
    assert store.list("Pong") == ["1"]


def hostile(
    content: bytes, tmp_path: Path, name: str = FRAMES
) -> contextlib.AbstractContextManager[WebServer]:
    shutil.copytree(THREE_LAPS, tmp_path / "source")
    (tmp_path / "source" / LOGS / name).write_bytes(content)
    return running_web(tmp_path / "source")


def gzipped_npy(header: bytes, body: bytes = b"") -> bytes:
    import gzip

    raw = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + body
    return gzip.compress(raw)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: b"", "holds nothing"),
        (lambda: b"<html>please log in</html>", "begins with b'<html>'"),
        (
            lambda: gzipped_npy(b"{'descr': '|O', 'fortran_order': False, 'shape': (3000, 84, 84), }\n"),
            "pickled",
        ),
        (
            lambda: gzipped_npy(
                b"{'descr': '|u1', 'fortran_order': False, 'shape': (10000000000, 84, 84), }\n"
            ),
            "rows",
        ),
        (
            lambda: gzipped_npy(b"{'descr': '|u1', 'fortran_order': False, 'shape': (3000, 84, 84), }\n"),
            "ends after 0",
        ),
        (
            lambda: gzipped_npy(
                b"{'descr': '|u1', 'fortran_order': False, 'shape': (3000, 84, 84), }\n", bytes(60 << 20)
            ),
            "more than the 3,000 rows",
        ),
    ],
    ids=["empty", "a page", "pickled", "terabytes", "no rows", "without an end"],
)
def test_hostile_files_are_refused(make: Callable[[], bytes], says: str, tmp_path: Path) -> None:
    with hostile(make(), tmp_path) as server, pytest.raises(SourceError) as error:
        build_from((server.url, {"patience": 3}), tmp_path / "out")
    assert says in str(error.value)
    assert server.url in str(error.value)


# d4rl-atari's download cache


def as_d4rl_cache(root: Path, epochs: tuple[int, ...]) -> Path:
    for epoch in epochs:
        folder = root / "Breakout" / "1" / str(epoch)
        folder.mkdir(parents=True)
        for array in ("observation", "action", "reward", "terminal"):
            shutil.copy(THREE_LAPS / LOGS / f"$store$_{array}_ckpt.{epoch}.gz", folder / f"{array}.gz")
    return root


CAPACITY = 60


def played_as_d4rl_cache(root: Path, epochs: tuple[int, ...]) -> Played:
    """A log of three full laps and a part of a fourth, of which some epochs are in the cache."""
    log = write_log(root / "logs", [20, 40, 33, 10, 50, 47], capacity=CAPACITY)
    assert log.files == (0, 1, 2, 3)
    for epoch in epochs:
        folder = root / "cache" / "Pong" / "1" / str(epoch)
        folder.mkdir(parents=True)
        for array in ("observation", "action", "reward", "terminal"):
            shutil.copy(log.folder / f"$store$_{array}_ckpt.{epoch}.gz", folder / f"{array}.gz")
    return log


@pytest.mark.parametrize("epochs", [(0, 1, 2, 3), (0,), (1,), (2,), (3,), (1, 3), (2, 3)])
def test_a_d4rl_cache_gives_whole_episodes_and_marks_what_is_cut(
    epochs: tuple[int, ...], tmp_path: Path
) -> None:
    log = played_as_d4rl_cache(tmp_path, epochs)
    run = open_source(str(tmp_path / "cache")).open_run(log.game, 1)
    assert (run.checkpoints, run.partial_checkpoints()) == (list(epochs), [3] * (3 in epochs))
    assert any("no add_count" in remark for remark in run.remarks())
    ends = [0, *np.flatnonzero(log.terminal) + 1]
    whole = {log.observation[start:end].tobytes() for start, end in itertools.pairwise(ends)}
    reader, steps = run.reader(), 0
    for number in epochs:
        for episode in reader.checkpoint(number).episodes():
            frames = np.concatenate(list(episode.frames)).tobytes()
            steps += len(episode)
            assert frames in log.observation.tobytes()
            assert (frames in whole) or not episode.complete
    reader.close()
    stored = [index for index, files in enumerate(log.stored) if set(files) & set(epochs)]
    assert steps == len(stored)


def test_a_partial_epoch_in_mid_episode_is_known_by_the_epoch_before(tmp_path: Path) -> None:
    source = open_source(str(as_d4rl_cache(tmp_path, (2, 3))))
    assert source.open_run(BREAKOUT, 1).partial_checkpoints() == [3]


def test_a_d4rl_cache_says_in_the_manifest_what_is_assumed(tmp_path: Path) -> None:
    source = str(as_d4rl_cache(tmp_path / "cache", (1, 2)))
    build_from((source, {}), tmp_path / "out")
    for path in (tmp_path / "out").glob("manifests/*/*/*.json"):
        details = Manifest.from_json(path.read_bytes(), str(path)).provenance.details
        assert "d4rl-atari" in details["layout"]
        assert "only where" in details["assumed"]
    assert "d4rl-atari" in (tmp_path / "out" / "games" / "breakout" / "README.md").read_text()
