"""How a checkpoint is built, beside TorchRL's preprocessing of the very same files.

Two consecutive checkpoints of --rows rows are made from real play (see `make_log`), written as the original
files were. Then the engines by turns, each in a process of its own, turn checkpoint 0 into what they store:
`builder.build` into Parquet (reading on into checkpoint 1, where the last episode ends), and TorchRL's
`AtariDQNExperienceReplay` into memory-mapped arrays. *Peak memory* is the process's largest resident set.

TorchRL calls `gsutil`; a script put first on PATH stands in for it and copies the local files. TorchRL must
be there (`pip install torch==2.13.0 torchrl==0.14.*`) and takes 14 GB of memory for a million rows;
--skip-torchrl does without.
"""

import os
import time
from pathlib import Path
from typing import NamedTuple

from atari_dqn_replay.builder.assembly.build import build, plan_build
from atari_dqn_replay.builder.format.games import Game, find_game
from atari_dqn_replay.builder.sources.open import open_source
from common import (
    PLAYER,
    RANDOM,
    RUN,
    argument_parser,
    folder_bytes,
    log_folder,
    make_log,
    measure,
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


class Result(NamedTuple):
    """What an engine needed."""

    seconds: float
    peak_bytes: int
    disk_bytes: int


def main() -> None:
    """Build with both engines."""
    parser = argument_parser(__doc__)
    parser.add_argument("--game", default="pong", help="default: %(default)s")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of a checkpoint (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=120_000, help="that are played (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=2, help="the fastest counts (default: %(default)s)")
    parser.add_argument(
        "--policy", choices=(PLAYER, RANDOM), default=PLAYER, help="what plays (default: %(default)s)"
    )
    parser.add_argument("--skip-torchrl", action="store_true", help="measure the builder alone")
    options = parser.parse_args()
    game = find_game(options.game)
    logs = make_log(game, options.rows, options.steps, options.cache, policy=options.policy)
    engines = {"atari-dqn-replay": run_builder, "TorchRL": run_torchrl}
    if options.skip_torchrl:
        del engines["TorchRL"]
    results: dict[str, list[Result]] = {name: [] for name in engines}
    for _ in range(options.repeats):
        for name, engine in engines.items():
            with scratch_folder(options.cache) as folder:
                seconds, peak_bytes = measure(engine, logs, game, folder)
                results[name].append(Result(seconds, peak_bytes, folder_bytes(folder / "out")))
    best = {name: min(of_engine) for name, of_engine in results.items()}
    _print(game, options.rows, folder_bytes(log_folder(logs, game), "*_ckpt.0.gz"), best)


def run_builder(logs: Path, game: Game, folder: Path) -> float:
    """Seconds to build checkpoint 0 as a user does."""
    start = time.perf_counter()
    out = folder / "out"
    build(plan_build(open_source(str(logs)), [game], out, runs=[RUN], checkpoints=[0]), out)
    return time.perf_counter() - start


def run_torchrl(logs: Path, game: Game, folder: Path) -> float:
    """Seconds that TorchRL takes for checkpoint 0."""
    os.environ["RL_LOGGING_LEVEL"] = "ERROR"  # it logs to stdout, where the table goes
    from torchrl.data.datasets import AtariDQNExperienceReplay  # pyright: ignore[reportMissingImports]

    gsutil = folder / "bin" / "gsutil"
    gsutil.parent.mkdir()
    gsutil.write_text(GSUTIL)
    gsutil.chmod(0o755)
    os.environ["PATH"] = f"{gsutil.parent}{os.pathsep}{os.environ['PATH']}"
    os.environ["REPLAY_LOGS"] = str(logs)
    AtariDQNExperienceReplay._max_runs = 1  # checkpoints from the first
    start = time.perf_counter()
    AtariDQNExperienceReplay(f"{game}/{RUN}", root=folder / "out")
    return time.perf_counter() - start


def _print(game: Game, rows: int, source_bytes: int, results: dict[str, Result]) -> None:
    print(f"{game}: a checkpoint of {rows:,} rows, {source_bytes / 1e6:,.1f} MB at the source.\n")
    cells = [
        [
            name,
            f"{rows / result.seconds:,.0f}",
            f"{result.peak_bytes / 1e6:,.0f}",
            f"{result.disk_bytes / 1e6:,.1f}",
            f"{result.disk_bytes / rows:,.1f}",
            f"{result.disk_bytes / source_bytes:.2f}",
        ]
        for name, result in results.items()
    ]
    if "TorchRL" in results:
        mine, peer = results["atari-dqn-replay"], results["TorchRL"]
        ratios = (
            f"{peer.seconds / mine.seconds:.1f} ×",
            *(f"1/{theirs / ours:,.0f}" for ours, theirs in zip(mine[1:], peer[1:], strict=True)),
            "",
            "",
        )
        cells.append(["ratio", *ratios])
    heads = ["", "rows/s", "peak memory, MB", "on disk, MB", "bytes per row", "of the source's bytes"]
    print_table(heads, cells)


if __name__ == "__main__":
    main()
