"""Measures how fast the original dumps are rewritten from a built dataset, beside Dopamine's way.

A log of two checkpoints is made from real play (see `make_log`) and built into a dataset. Checkpoint 0 is
then exported to the bucket's layout, with either compression; beside it the same four arrays, already in
memory, are written as Dopamine does, by `np.save` into Python's gzip (level 9). Each uses one core; rounds
take turns, and the best of --repeats counts. *Peak memory* is that of the process.
"""

import gzip
import shutil
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from atari_dqn_replay.builder.assembly.build import build, plan_build
from atari_dqn_replay.builder.format.games import Game, find_game
from atari_dqn_replay.builder.sources.open import open_source
from common import RUN, argument_parser, log_folder, make_log, measure, print_table

from atari_dqn_replay import export

ARRAYS = ("observation", "action", "reward", "terminal")


class Result(NamedTuple):
    """The cost of writing one checkpoint."""

    seconds: float
    size: int
    peak_bytes: int


def main() -> None:
    """Export and write, and print the results."""
    parser = argument_parser(__doc__)
    parser.add_argument("--game", default="pong", help="default: %(default)s")
    parser.add_argument("--rows", type=int, default=100_000, help="of a checkpoint (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=30_000, help="that are played (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=2, help="default: %(default)s")
    options = parser.parse_args()
    game = find_game(options.game)
    logs = make_log(game, options.rows, options.steps, options.cache)
    dataset = options.cache / f"export-dataset-{game.slug}-{options.rows}-{options.steps}"
    build(plan_build(open_source(str(logs)), [game], dataset, checkpoints=[0]), dataset)
    out = options.cache / "export-out"
    ways = {
        "export, fast": partial(export_dump, dataset, game, out, "fast"),
        "export, small": partial(export_dump, dataset, game, out, "small"),
        "np.save into gzip 9": partial(save_dump, log_folder(logs, game), out),
    }
    results: dict[str, list[Result]] = {name: [] for name in ways}
    for _ in range(options.repeats):
        for name, way in ways.items():
            shutil.rmtree(out, ignore_errors=True)
            (seconds, size), peak = measure(way, one_core=True)
            results[name].append(Result(seconds, size, peak))
    shutil.rmtree(out)
    best = {name: min(each) for name, each in results.items()}
    slowest = best["np.save into gzip 9"].seconds
    print(f"{game}: a checkpoint of {options.rows:,} rows, run {RUN}.\n")
    print_table(
        ("", "rows/s", "times", "bytes per row", "peak memory, MB"),
        [
            (
                name,
                f"{options.rows / result.seconds:,.0f}",
                f"{slowest / result.seconds:.1f}",
                f"{result.size / options.rows:.0f}",
                f"{result.peak_bytes / 1e6:,.0f}",
            )
            for name, result in best.items()
        ],
    )


def export_dump(dataset: Path, game: Game, out: Path, compression: str) -> tuple[float, int]:
    """Export checkpoint 0; return the seconds and the bytes."""
    began = time.perf_counter()
    export(dataset, f"{game.slug}-full", format="bucket", out=out, compression=compression)
    return time.perf_counter() - began, _size(out)


def save_dump(logs: Path, out: Path) -> tuple[float, int]:
    """Write the arrays as Dopamine does; return the seconds, without loading them, and the bytes."""
    arrays = {}
    for name in ARRAYS:
        with gzip.open(logs / f"$store$_{name}_ckpt.0.gz") as file:
            arrays[name] = np.load(file)
    out.mkdir(parents=True)
    began = time.perf_counter()
    for name, array in arrays.items():
        with (
            (out / f"$store$_{name}_ckpt.0.gz").open("wb") as raw,
            gzip.GzipFile(fileobj=raw, mode="wb") as file,
        ):
            np.save(file, array, allow_pickle=False)
    return time.perf_counter() - began, _size(out)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.gz"))


if __name__ == "__main__":
    main()
