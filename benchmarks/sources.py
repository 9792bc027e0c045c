"""Measures how fast a checkpoint is built from a server, beside the same build from the local disk.

A log of two checkpoints is made from real play (see `make_log`), and put on a web server with ranges, on one
without, and into gcp-storage-emulator, each in a separate process on loopback. The build is `builder.build`
of checkpoint 0, which also reads on into checkpoint 1; all places take turns, and the best of --repeats
counts. *Raw* is how fast the same reader downloads the same files when nothing else is done: where it is near
the build's own need, the server is the limit. *Fetched* is what the server sent, as a share of the files'
bytes. *Peak memory* is that of the process that builds, without the server.

The emulator must be installed: pip install gcp-storage-emulator.
"""

import contextlib
import multiprocessing
import os
import re
import sys
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any, NamedTuple

from atari_dqn_replay.builder.assembly.build import build, plan_build
from atari_dqn_replay.builder.format.games import Game, find_game
from atari_dqn_replay.builder.sources.open import open_source, open_store
from common import RUN, argument_parser, log_folder, make_log, measure, print_table, scratch_folder

CHUNK = 1 << 18
BUCKET = "mirror"


class Place(NamedTuple):
    """A location of the log."""

    url: str
    options: dict[str, Any]
    sent: "Synchronized[int] | None" = None


class Result(NamedTuple):
    """The cost of a build from there."""

    seconds: float
    peak_bytes: int
    raw_bytes_per_second: float
    fetched: float | None


def main() -> None:
    """Build from every place and print the results."""
    parser = argument_parser(__doc__)
    parser.add_argument("--game", default="pong", help="default: %(default)s")
    parser.add_argument("--rows", type=int, default=200_000, help="of a checkpoint (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=60_000, help="that are played (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="default: %(default)s")
    options = parser.parse_args()
    game = find_game(options.game)
    logs = make_log(game, options.rows, options.steps, options.cache)
    folder = log_folder(logs, game)
    size = sum(path.stat().st_size for path in folder.glob("*.gz") if "invalid" not in path.name)
    with contextlib.ExitStack() as stack:
        places = {
            "local disk": Place(str(logs), {}),
            "web server": stack.enter_context(web_server(logs, ranges=True)),
            "web server without ranges": stack.enter_context(web_server(logs, ranges=False)),
            "gcp-storage-emulator": stack.enter_context(google_emulator(logs, options.cache)),
        }
        results: dict[str, list[Result]] = {name: [] for name in places}
        for _ in range(options.repeats):
            for name, place in places.items():
                results[name].append(run(place, game, folder, size, options.cache))
    print(f"{game}: two checkpoints of {options.rows:,} rows, {size / 1e6:,.1f} MB; the first is built.\n")
    _print(options.rows, {name: min(each) for name, each in results.items()})


def run(place: Place, game: Game, logs: Path, size: int, cache: Path) -> Result:
    """Run one build and one bare download, and return the result."""
    before = place.sent.value if place.sent is not None else 0
    with scratch_folder(cache) as out:
        seconds, peak = measure(build_first, place.url, place.options, game, out)
    fetched = (place.sent.value - before) / size if place.sent is not None else None
    names = [f"{game.name}/{RUN}/replay_logs/{path.name}" for path in sorted(logs.glob("*.gz"))]
    download, _ = measure(read_all, place.url, place.options, names)
    return Result(seconds, peak, download, fetched)


def build_first(url: str, options: dict[str, Any], game: Game, out: Path) -> float:
    """Returns the seconds to build checkpoint 0 as a user does."""
    start = time.perf_counter()
    build(
        plan_build(open_source(url, options), [game], out / "out", runs=[RUN], checkpoints=[0]), out / "out"
    )
    return time.perf_counter() - start


def read_all(url: str, options: dict[str, Any], names: list[str]) -> float:
    """Returns the bytes per second of reading the files one after another."""
    store = open_store(url, options)
    size, start = 0, time.perf_counter()
    for name in names:
        with store.open(name) as file:
            while data := file.read(1 << 20):
                size += len(data)
    return size / (time.perf_counter() - start)


class Handler(SimpleHTTPRequestHandler):
    """Serves the files of a folder, with or without ranges."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, *arguments: Any, ranges: bool, sent: "Synchronized[int]", **options: Any) -> None:
        self._ranges, self._sent = ranges, sent
        super().__init__(*arguments, **options)

    def do_GET(self) -> None:  # noqa: D102
        path = Path(self.translate_path(self.path))
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not path.is_file():
            super().do_GET()
            return
        size = path.stat().st_size
        start, stop = 0, size
        if span is not None and self._ranges:
            start, stop = int(span[1]), min(size, int(span[2]) + 1 if span[2] else size)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(stop - start))
        self.end_headers()
        self._send(path, start, stop)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: D102
        pass

    def _send(self, path: Path, start: int, stop: int) -> None:
        with path.open("rb") as file, contextlib.suppress(ConnectionError):
            file.seek(start)
            while start < stop:
                data = file.read(min(CHUNK, stop - start))
                self.wfile.write(data)
                start += len(data)
                with self._sent.get_lock():
                    self._sent.value += len(data)


@contextlib.contextmanager
def web_server(logs: Path, *, ranges: bool) -> Iterator[Place]:
    """Run a web server that counts the bytes it sends."""
    context = multiprocessing.get_context("spawn")
    sent, port = context.Value("q", 0), context.Value("i", 0)
    process = context.Process(target=serve, args=(logs, ranges, sent, port), daemon=True)
    with _running(process, port):
        yield Place(f"http://127.0.0.1:{port.value}", {}, sent)


def serve(logs: Path, ranges: bool, sent: "Synchronized[int]", port: "Synchronized[int]") -> None:
    """Serve until the process is ended."""
    handler = partial(Handler, directory=str(logs), ranges=ranges, sent=sent)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    port.value = server.server_address[1]
    server.serve_forever()


@contextlib.contextmanager
def google_emulator(logs: Path, cache: Path) -> Iterator[Place]:
    """Run an emulator of Google Cloud Storage, with the log in a bucket."""
    from gcsfs.core import GCSFileSystem

    context = multiprocessing.get_context("spawn")
    port = context.Value("i", 0)
    with scratch_folder(cache) as folder:
        process = context.Process(target=emulate, args=(folder, port), daemon=True)
        with _running(process, port):
            endpoint = f"http://127.0.0.1:{port.value}"
            fs: Any = GCSFileSystem(token="anon", endpoint_url=endpoint)
            for path in logs.rglob("*ckpt*.gz"):
                fs.pipe_file(f"{BUCKET}/{path.relative_to(logs)}", path.read_bytes())
            yield Place(f"gs://{BUCKET}", {"token": "anon", "endpoint_url": endpoint})


def emulate(folder: Path, port: "Synchronized[int]") -> None:
    """Emulate until the process is ended."""
    from gcp_storage_emulator.server import create_server

    sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - it reports every client that disconnects
    server = create_server("127.0.0.1", 0, in_memory=False, data_dir=str(folder), default_bucket=BUCKET)
    server.start()
    port.value = server._api._httpd.server_address[1]  # pyright: ignore[reportOptionalMemberAccess]
    time.sleep(1e6)


@contextlib.contextmanager
def _running(process: Any, port: "Synchronized[int]") -> Iterator[None]:
    process.start()
    try:
        deadline = time.monotonic() + 60
        while not port.value and time.monotonic() < deadline:
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.join()


def _print(rows: int, results: dict[str, Result]) -> None:
    local = results["local disk"].seconds
    cells = [
        [
            name,
            f"{rows / result.seconds:,.0f}",
            f"{local / result.seconds:.2f}",
            f"{result.peak_bytes / 1e6:,.0f}",
            "" if result.fetched is None else f"{result.fetched:.2f}",
            f"{result.raw_bytes_per_second / 1e6:,.0f}",
        ]
        for name, result in results.items()
    ]
    print_table(["", "rows/s", "of local", "peak memory, MB", "fetched", "raw, MB/s"], cells)


if __name__ == "__main__":
    main()
