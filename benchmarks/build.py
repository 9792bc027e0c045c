"""Times building a checkpoint by the command, beside TorchRL's preprocessing of the very same files.

Two consecutive checkpoints of --rows rows are made from real play (see `make_log`), written as the original
files were. Then the engines take turns, each as the whole process that a user starts, to turn checkpoint 0
into what they store: `atari-dqn-replay build` into Parquet, with each --compression (reading on into
checkpoint 1, where the last episode ends), and a script with TorchRL's `AtariDQNExperienceReplay` into
memory-mapped arrays. *Processor* is the time of all cores together. *Start* is the part of it that the same
command takes with --version, and TorchRL's script for its imports; it is included. *Peak memory* is the
largest resident set.

On a machine with other users, elapsed time says little: compare processor time.

TorchRL calls `gsutil`; a script put first on PATH replaces it and copies the local files. TorchRL must be
installed (`pip install torch==2.13.0 torchrl==0.14.*`) and takes 14 to 18 GB of memory for a million rows;
--skip-torchrl does without.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from atari_dqn_replay.builder.format.compression import COMPRESSIONS
from atari_dqn_replay.builder.format.games import Game, find_game
from common import (
    PLAYER,
    RANDOM,
    RUN,
    argument_parser,
    folder_bytes,
    log_folder,
    make_log,
    print_table,
    scratch_folder,
)

GSUTIL = """\
#!/bin/sh
# version | -m ls -R gs://<bucket>/dqn/<game>/<run>/replay_logs | -m cp <files> <folder>
[ "$1" = -m ] && shift
case $1 in
ls) find "$REPLAY_LOGS/${3#gs://*/dqn/}" -name '*.gz' ;;
cp) shift && cp "$@" ;;
esac
"""

TORCHRL_IMPORT = "from torchrl.data.datasets import AtariDQNExperienceReplay"
TORCHRL = f"""
import sys
{TORCHRL_IMPORT}
AtariDQNExperienceReplay._max_runs = 1  # checkpoints from the first
AtariDQNExperienceReplay(sys.argv[1], root=sys.argv[2])
"""

LAUNCHER = """
import json, os, sys, time
start = time.perf_counter()
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)])
_, status, used = os.wait4(pid, 0)
seconds = time.perf_counter() - start
print(json.dumps([os.waitstatus_to_exitcode(status), seconds, used.ru_utime + used.ru_stime, used.ru_maxrss]))
"""
"""Runs a command from a small process: the kernel counts a parent's memory as its child's own."""

COMMAND = str(Path(sys.executable).with_name("atari-dqn-replay"))


class Cost(NamedTuple):
    """The cost of a process."""

    seconds: float
    processor_seconds: float
    peak_bytes: int


class Result(NamedTuple):
    """The cost of an engine, start included."""

    cost: Cost
    start: Cost
    disk_bytes: int


def main() -> None:
    """Build with all engines and print the results."""
    parser = argument_parser(__doc__)
    parser.add_argument("--game", default="pong", help="default: %(default)s")
    parser.add_argument(
        "--rows",
        type=int,
        nargs="+",
        default=[100_000, 1_000_000],
        help="of a checkpoint (default: 100000 1000000)",
    )
    parser.add_argument("--steps", type=int, default=120_000, help="that are played (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=2, help="the fastest counts (default: %(default)s)")
    parser.add_argument(
        "--policy", choices=(PLAYER, RANDOM), default=PLAYER, help="what plays (default: %(default)s)"
    )
    parser.add_argument("--skip-torchrl", action="store_true", help="measure the builder alone")
    options = parser.parse_args()
    game = find_game(options.game)
    for rows in options.rows:
        logs = make_log(game, rows, options.steps, options.cache, policy=options.policy)
        results = try_engines(logs, game, options)
        _print(game, rows, folder_bytes(log_folder(logs, game), "*_ckpt.0.gz"), results)


def try_engines(logs: Path, game: Game, options: argparse.Namespace) -> dict[str, Result]:
    """Returns each engine's best result."""
    results: dict[str, list[Result]] = {}
    for _ in range(options.repeats):
        for compression in COMPRESSIONS:
            with scratch_folder(options.cache) as folder:
                result = run_builder(logs, game, folder, compression)
                results.setdefault(f"`--compression {compression}`", []).append(result)
        if not options.skip_torchrl:
            with scratch_folder(options.cache) as folder:
                results.setdefault("TorchRL", []).append(run_torchrl(logs, game, folder))
    return {name: min(of_engine) for name, of_engine in results.items()}


def run_builder(logs: Path, game: Game, folder: Path, compression: str) -> Result:
    """Returns what a user's command takes for checkpoint 0."""
    selection = ("--runs", str(RUN), "--checkpoints", "0", "--compression", compression)
    start = run([COMMAND, "--version"])
    cost = run([COMMAND, "build", game.slug, "--source", str(logs), "--out", str(folder / "out"), *selection])
    return Result(cost, start, folder_bytes(folder / "out"))


def run_torchrl(logs: Path, game: Game, folder: Path) -> Result:
    """Returns what a user's TorchRL script takes for checkpoint 0."""
    gsutil = folder / "bin" / "gsutil"
    gsutil.parent.mkdir()
    gsutil.write_text(GSUTIL)
    gsutil.chmod(0o755)
    path = f"{gsutil.parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "REPLAY_LOGS": str(logs), "RL_LOGGING_LEVEL": "ERROR"}
    start = run([sys.executable, "-c", TORCHRL_IMPORT], environment)
    script = [sys.executable, "-c", TORCHRL, f"{game}/{RUN}", str(folder / "out")]
    return Result(run(script, environment), start, folder_bytes(folder / "out"))


def run(command: Sequence[str], environment: dict[str, str] | None = None) -> Cost:
    """Run a command to its end and return its cost.

    Raises:
        RuntimeError: the command failed.
    """
    launched = subprocess.run(
        [sys.executable, "-ISc", LAUNCHER, *command],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    code, seconds, processor_seconds, peak_kilobytes = json.loads(launched.stdout)
    if code:
        raise RuntimeError(f"{' '.join(command)} ended with {code}: {launched.stderr[-2000:]}")
    return Cost(seconds, processor_seconds, peak_kilobytes * 1024)


def _print(game: Game, rows: int, source_bytes: int, results: dict[str, Result]) -> None:
    print(f"\n{game}: a checkpoint of {rows:,} rows, {source_bytes / 1e6:,.1f} MB at the source.\n")
    peer = results.get("TorchRL")
    cells = []
    for name, result in results.items():
        cost = result.cost
        of_peer = ("", "")
        if peer is not None and result is not peer:
            of_peer = (
                f" ({peer.cost.seconds / cost.seconds:.1f} ×)",
                f" ({peer.cost.processor_seconds / cost.processor_seconds:.1f} ×)",
            )
        cells.append(
            [
                name,
                f"{cost.seconds:,.1f}",
                f"{cost.processor_seconds:,.1f}",
                f"{result.start.processor_seconds:,.1f}",
                f"{rows / cost.seconds:,.0f}{of_peer[0]}",
                f"{rows / cost.processor_seconds:,.0f}{of_peer[1]}",
                f"{cost.peak_bytes / 1e6:,.0f}",
                f"{result.disk_bytes / rows:,.1f}",
                f"{result.disk_bytes / source_bytes:.2f}",
            ]
        )
    print_table(
        [
            "",
            "elapsed, s",
            "processor, s",
            "of which start, s",
            "rows/s",
            "rows per s of processor time",
            "peak memory, MB",
            "bytes per row",
            "of the source's bytes",
        ],
        cells,
    )


if __name__ == "__main__":
    main()
