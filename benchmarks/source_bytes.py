"""Measures what reading the source costs a build: processor time per million rows, by checkout.

A log of three full dumps and a final, partial one is made from real play (see `make_log`). Selections of its
checkpoints are built from each checkout in turns, in a separate process, and the processor time of the build
(user and system, all threads, imports excluded) is divided by the rows of the selection. *Read* is how many
bytes of the source's files the build read, as a multiple of the selection's own.

On a noisy machine ratios are more reliable than times: the checkouts take turns, and the least of --repeats
counts.

    git worktree add /tmp/earlier COMMIT
    python benchmarks/source_bytes.py --baseline /tmp/earlier
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from atari_dqn_replay.builder.format.games import Game, find_game
from common import argument_parser, log_folder, make_log, print_table, scratch_folder

HERE = Path(__file__).resolve().parent.parent
DUMPS = 3
"""The number of full dumps; the partial one after them has this number."""

SELECTIONS = {
    "a checkpoint in the middle": (1,),
    "the last complete checkpoint": (2,),
    "the last two": (2, 3),
    "the whole run": (0, 1, 2, 3),
}

CHILD = """
import json, os, resource, sys
source, out, game, checkpoints = sys.argv[1:]
try:
    from atari_dqn_replay.builder.assembly.build import build, plan_build
    from atari_dqn_replay.builder.format.games import find_game
    from atari_dqn_replay.builder.sources.open import open_source
except ImportError:  # as the tree was before it had rooms
    from atari_dqn_replay.builder.build import build, plan_build
    from atari_dqn_replay.builder.games import find_game
    from atari_dqn_replay.builder.sources import open_source
from pathlib import Path
from fsspec.implementations.local import LocalFileOpener

def used():
    of = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in of)

bytes_read, close = [0], LocalFileOpener.close

def counting_close(self):
    # Files of a source are read forwards, so that where one is closed shows how much of it was read.
    if self.path.startswith(source) and not self.closed:
        bytes_read[0] += self.f.tell()
    close(self)

LocalFileOpener.close = counting_close
before = used()
plan = plan_build(open_source(source), [find_game(game)], Path(out), checkpoints=json.loads(checkpoints))
build(plan, Path(out))
print(json.dumps([used() - before, bytes_read[0]]))
"""


class Cost(NamedTuple):
    """The cost of one build."""

    processor_seconds: float
    bytes_read: int


def main() -> None:
    """Build the selections with each checkout and print the results."""
    parser = argument_parser(__doc__)
    parser.add_argument("--game", default="pong", help="default: %(default)s")
    parser.add_argument("--rows", type=int, default=200_000, help="of a checkpoint (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=60_000, help="that are played (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="the least counts (default: %(default)s)")
    parser.add_argument("--baseline", type=Path, help="root folder of an earlier checkout")
    parser.add_argument("--only", choices=SELECTIONS, action="append", help="measure only this selection")
    options = parser.parse_args()
    game = find_game(options.game)
    rest = options.rows * 2 // 5
    logs = make_log(game, options.rows, options.steps, options.cache, dumps=DUMPS, rest=rest)
    checkouts = {"this": HERE}
    if options.baseline is not None:
        checkouts = {"earlier": options.baseline.resolve(), **checkouts}
    chosen = options.only or list(SELECTIONS)
    costs: dict[tuple[str, str], list[Cost]] = {}
    for _ in range(options.repeats):
        for selection in chosen:
            for name, checkout in checkouts.items():
                cost = build_with(checkout, logs, game, SELECTIONS[selection], options.cache)
                costs.setdefault((selection, name), []).append(cost)
    print(f"{game}: dumps of {options.rows:,} rows, and a final one with {rest:,} new rows.\n")
    _print(chosen, list(checkouts), logs, game, options.rows, rest, costs)


def build_with(checkout: Path, logs: Path, game: Game, checkpoints: tuple[int, ...], cache: Path) -> Cost:
    """Build some checkpoints as `atari-dqn-replay build` does, and return the cost."""
    with scratch_folder(cache) as folder:
        arguments = [str(logs), str(folder / "out"), game.slug, json.dumps(checkpoints)]
        done = subprocess.run(
            [sys.executable, "-c", CHILD, *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(checkout)},
            stdout=subprocess.PIPE,
            check=True,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    return Cost(*json.loads(done.stdout.splitlines()[-1]))


def _print(
    selections: list[str],
    checkouts: list[str],
    logs: Path,
    game: Game,
    rows: int,
    rest: int,
    costs: dict[tuple[str, str], list[Cost]],
) -> None:
    cells = []
    for selection in selections:
        numbers = SELECTIONS[selection]
        built = sum(rest if number == DUMPS else rows for number in numbers)
        files = [
            path for number in numbers for path in log_folder(logs, game).glob(f"*store*_ckpt.{number}.gz")
        ]
        size = sum(path.stat().st_size for path in files)
        seconds = {name: min(costs[selection, name]).processor_seconds for name in checkouts}
        read = {name: min(each.bytes_read for each in costs[selection, name]) / size for name in checkouts}
        cells.append(
            [
                selection,
                *(f"{seconds[name] / built * 1e6:.1f}" for name in checkouts),
                f"{seconds['this'] / seconds[checkouts[0]]:.2f}",
                *(f"{read[name]:.2f}" for name in checkouts),
            ]
        )
    heads = [
        "built",
        *(f"{name}, s per million rows" for name in checkouts),
        "ratio",
        *(f"{name}, read" for name in checkouts),
    ]
    print_table(heads, cells)


if __name__ == "__main__":
    main()
