"""Measures publishing straight from a source: one and more workers, cost per checkpoint, disk and memory.

*Workers*: --large checkpoints of --rows rows of real play (see `make_log`) are published into a folder. One
worker pinned to one core is compared with two on two cores; since a worker with both cores uses them too, one
on two cores is shown as well. *Busy* is processor time over elapsed time: 2 is the most that two cores give.

*Cost*: 1, 10, 25 and 50 checkpoints of --small rows, to a folder and to the test Hub on loopback: seconds and
requests for each.

*Disk* is the most that lay in the work folder and in the folder for temporary files; *memory* is the most of
the coordinator and of one worker.
"""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from atari_dqn_replay.builder.format.games import Game, find_game
from common import argument_parser, log_folder, make_log, print_table, scratch_folder

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))
from hub_server import running_hub

COMMAND = [sys.executable, "-m", "atari_dqn_replay_command", "publish", "all"]


class Result(NamedTuple):
    """The cost of one publication."""

    seconds: float
    processor_seconds: float
    work_bytes: int
    memory_bytes: int


def main() -> None:
    """Publish with one and two workers, then with more and more checkpoints, and print the results."""
    parser = argument_parser(__doc__)
    parser.add_argument("--game", default="pong", help="default: %(default)s")
    parser.add_argument(
        "--rows", type=int, default=1_000_000, help="of a large checkpoint (default: %(default)s)"
    )
    parser.add_argument(
        "--large", type=int, default=4, help="checkpoints of that size (default: %(default)s)"
    )
    parser.add_argument("--small", type=int, default=2_000, help="rows of a small one (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=120_000, help="that are played (default: %(default)s)")
    options = parser.parse_args()
    game = find_game(options.game)
    with scratch_folder(options.cache) as scratch:
        large = make_log(game, options.rows, options.steps, options.cache)
        source = _repeat(large, game, scratch / "large", runs=options.large // 2)
        show_workers(source, scratch, rows=options.rows * 2 * (options.large // 2))
        small = make_log(game, options.small, 20_000, options.cache)
        show_costs(small, game, scratch)


def show_workers(source: Path, scratch: Path, rows: int) -> None:
    """Print the cost of one worker on a core, one on both, and two on both."""
    results = {}
    for name, cores, workers in (
        ("1 worker, 1 core", 1, 1),
        ("2 workers, 2 cores", 2, 2),
        ("1 worker, 2 cores", 2, 1),
    ):
        out = scratch / "out"
        results[name] = _publish(
            ["--source", str(source), "--to", str(out), "--workers", str(workers)], out, cores
        )
        shutil.rmtree(out)
    slowest = results["1 worker, 1 core"].seconds
    print_table(
        ["", "rows/s", "times", "busy", "disk, MB", "memory of a process, MB"],
        [
            [
                name,
                f"{rows / each.seconds:,.0f}",
                f"{slowest / each.seconds:.2f}",
                f"{each.processor_seconds / each.seconds:.2f}",
                f"{each.work_bytes / 1e6:.1f}",
                f"{each.memory_bytes / 1e6:.0f}",
            ]
            for name, each in results.items()
        ],
    )


def show_costs(log: Path, game: Game, scratch: Path) -> None:
    """Print the cost of more and more checkpoints, to a folder and to the test Hub."""
    rows = []
    for runs in (1, 5, 13, 25):
        source = _repeat(log, game, scratch / f"small-{runs}", runs=runs)
        out = scratch / "out"
        folder = _publish(["--source", str(source), "--to", str(out)], out, 2)
        shutil.rmtree(out)
        with running_hub() as hub:
            work = scratch / "work"
            arguments = ["--source", str(source), "--repo-id", "user/replay", "--work", str(work)]
            on_hub = _publish(arguments, work, 2, environment=hub.environment())
            requests = len(hub.requests)
        rows.append(
            [
                str(2 * runs),
                f"{1000 * folder.seconds / (2 * runs):.0f}",
                f"{1000 * on_hub.seconds / (2 * runs):.0f}",
                f"{requests / (2 * runs):.1f}",
            ]
        )
    print_table(["checkpoints", "folder, ms each", "Hub, ms each", "requests each"], rows)


def _repeat(log: Path, game: Game, root: Path, runs: int) -> Path:
    """Make a source of several runs, all copies of the same log."""
    for run in range(1, runs + 1):
        folder = root / game.name / str(run)
        folder.mkdir(parents=True)
        (folder / "replay_logs").symlink_to(log_folder(log, game))
    return root


def _publish(
    arguments: list[str], watched: Path, cores: int, environment: dict[str, str] | None = None
) -> Result:
    """Run the command on `cores` cores and return its cost."""
    temporary = watched.parent / "temporary"
    temporary.mkdir(exist_ok=True)
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    began = time.perf_counter()
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        env={**os.environ, **(environment or {}), "TMPDIR": str(temporary)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, allowed),
    )
    with _watching(process.pid, watched, temporary) as peaks:
        if process.wait():
            sys.exit(f"{' '.join(arguments)}: failed")
    seconds = time.perf_counter() - began
    return Result(seconds, peaks["ticks"] / os.sysconf("SC_CLK_TCK"), peaks["disk"], peaks["memory"])


@contextmanager
def _watching(process: int, watched: Path, temporary: Path) -> Iterator[dict[str, int]]:
    """Yield the peak disk and memory use, and the processor time, observed while the block runs."""
    peaks = {"disk": 0, "memory": 0, "ticks": 0}
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.05):
            work = watched / ".work.incomplete" if (watched / ".work.incomplete").exists() else watched
            peaks["disk"] = max(peaks["disk"], _disk(work) + _disk(temporary))
            family = _family(process)
            peaks["memory"] = max([peaks["memory"], *map(_memory, family)])
            peaks["ticks"] = max(peaks["ticks"], sum(map(_ticks, family)))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peaks
    finally:
        stop.set()
        thread.join()


def _disk(folder: Path) -> int:
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                size += (Path(place) / name).stat().st_blocks * 512
    return size


def _family(process: int) -> list[int]:
    """Returns a process and its descendants."""
    family = [process]
    for parent in family:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            with suppress(OSError):
                family += map(int, task.read_text().split())
    return family


def _ticks(process: int) -> int:
    """Returns the processor time of a process and of its children that have ended."""
    with suppress(OSError, ValueError):
        return sum(map(int, Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:15]))
    return 0


def _memory(process: int) -> int:
    """Returns the peak memory of the process so far."""
    with suppress(OSError, ValueError):
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
        return int(found[1]) * 1024 if found else 0
    return 0


if __name__ == "__main__":
    main()
