"""Measures how soon the explorer shows a first frame, how much that reads, and how smoothly it plays.

A checkpoint of --rows rows is made from real play (see `make_log`) and built into a folder, which the local
server serves to headless Chromium; beside it is a synthetic dataset of as many files as the whole collection:
60 games, 5 runs, 50 checkpoints. Needs Node.js, Chromium, and `npm ci` in explorer/web.

- *First frame* is by the clock, from the address to a frame on the canvas, with nothing cached: the median of
  --times openings. *Read* is the bytes received until then, including the page itself;
- during play, *late* is the share of frames that were skipped, because the browser drew too seldom, or waited
  for, because they had not been read yet. A display that draws 60 times a second shows every fourth of 240
  frames a second; all four count as shown.
"""

import contextlib
import json
import shutil
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.explorer.server import ExplorerServer, serve_folder
from common import argument_parser, make_log, print_table, scratch_folder
from streaming import build_folder

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from whole_collection import make_up_whole_collection

MEASURE = Path(__file__).parent.parent / "explorer" / "web" / "benchmark" / "measure.mjs"
SPEEDS = ("15", "60", "240")


def main() -> None:
    """Measure, and print two tables."""
    parser = argument_parser(__doc__)
    parser.add_argument("--game", default="pong")
    parser.add_argument(
        "--rows", type=int, default=1_000_000, help="of the checkpoint (default: %(default)s)"
    )
    parser.add_argument("--steps", type=int, default=30_000, help="really played (default: %(default)s)")
    parser.add_argument("--times", type=int, default=5, help="openings of each (default: %(default)s)")
    parser.add_argument(
        "--seconds", type=int, default=20, help="of play at each speed (default: %(default)s)"
    )
    options = parser.parse_args()
    game = find_game(options.game)
    logs = make_log(game, options.rows, options.steps, options.cache)
    with scratch_folder(options.cache) as scratch:
        build_folder(logs, game, scratch / "built")
        whole = make_up_whole_collection(scratch / "whole", scratch / "example")
        built = _measure(scratch / "built", options.times, options.seconds, SPEEDS)
        collection = _measure(whole, options.times, 0, ())
    opened = ((f"{game}, {options.rows:,} rows", built), ("whole collection, made up", collection))
    print_table(("", "first frame, s", "read, MB"), [_opening(name, found) for name, found in opened])
    print()
    print_table(
        ("frames/s", "shown", "late, %"), [_playing(speed, built["playing"][speed]) for speed in SPEEDS]
    )


def _measure(folder: Path, times: int, seconds: int, speeds: tuple[str, ...]) -> dict[str, Any]:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("Chromium is not installed")
    with _running(serve_folder(folder, hub="https://example.org")) as url:
        command = ["node", str(MEASURE), chromium, url, str(times), str(seconds), *speeds]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


@contextlib.contextmanager
def _running(server: ExplorerServer) -> Iterator[str]:
    with server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.url
        server.shutdown()


def _opening(name: str, found: dict[str, Any]) -> list[str]:
    seconds = statistics.median(each["milliseconds"] for each in found["openings"]) / 1000
    megabytes = max(each["bytes"] for each in found["openings"]) / 1e6
    return [name, f"{seconds:.2f}", f"{megabytes:.2f}"]


def _playing(speed: str, found: dict[str, int]) -> list[str]:
    late = found["skipped"] + found["waits"]
    return [speed, f"{found['shown']:,}", f"{100 * late / max(1, found['shown']):.2f}"]


if __name__ == "__main__":
    main()
