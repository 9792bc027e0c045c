"""Measures what the readers' checks cost: the rates of this checkout beside those of one before the checks.

A checkpoint of --rows rows is made from real play (see `make_log`) and built into a folder by this checkout.
Each reader reads all of it in a process of its own, pinned to one core, and the checkouts take turns. The
figure is the processor's time, of which the least of --repeats counts: another load on the machine makes all
of them larger, and the ratio hardly.

    git worktree add /tmp/earlier 438a36f
    python benchmarks/reader_checks.py --baseline /tmp/earlier
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from atari_dqn_replay.builder.format.games import find_game
from common import argument_parser, make_log, print_table, scratch_folder
from streaming import build_folder

HERE = Path(__file__).resolve().parents[1]

READERS = {
    "Transitions, shuffled": "Transitions(*selection, batch_size=32)",
    "Sequences": "Sequences(*selection, length=20, stride=20, batch_size=32)",
    "Episodes": "Episodes(*selection)",
    "ReplayDataset, first opening": "map(opened, [cache + '-warm', cache])",
    "ReplayDataset, random batches": "gathered(opened(cache))",
}

CHILD = """
import json, os, sys, time
import numpy as np
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from atari_dqn_replay import Episodes, ReplayDataset, Sequences, Transitions
folder, config, cache, reader = sys.argv[1:]
selection = folder, config, "run_1"

def opened(place):
    return ReplayDataset(*selection, cache_dir=place)

def gathered(dataset):
    indices = np.random.default_rng(0).integers(len(dataset), size=(len(dataset) // 32, 32))
    return map(dataset.gather, indices)

batches = iter(eval(reader))
next(batches)  # what is loaded and opened once is not measured
start = time.process_time()
for batch in batches:
    pass
print(json.dumps(time.process_time() - start))
"""


def main() -> None:
    """Run the benchmark."""
    parser = argument_parser(__doc__)
    parser.add_argument("--game", default="breakout", help="default: %(default)s")
    parser.add_argument(
        "--rows", type=int, default=100_000, help="rows of the checkpoint (default: %(default)s)"
    )
    parser.add_argument("--steps", type=int, default=50_000, help="steps to play (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="times to read (default: %(default)s)")
    parser.add_argument("--baseline", type=Path, required=True, help="root folder of an earlier checkout")
    options = parser.parse_args()
    game = find_game(options.game)
    logs = make_log(game, options.rows, options.steps, options.cache)
    checkouts = {"earlier": options.baseline.resolve(), "this": HERE}
    seconds: dict[tuple[str, str], list[float]] = {}
    with scratch_folder(options.cache) as scratch:
        build_folder(logs, game, scratch / "dataset")
        for number in range(options.repeats):
            for reader in READERS:
                for name, checkout in checkouts.items():
                    # The first opening writes what the random batches are read from.
                    cache = scratch / f"{name}-{number}"
                    taken = read_with(checkout, scratch / "dataset", f"{game.slug}-mixed", cache, reader)
                    seconds.setdefault((reader, name), []).append(taken)
    rows = []
    for reader in READERS:
        earlier, this = (options.rows / min(seconds[reader, name]) for name in checkouts)
        rows.append([reader, f"{earlier:,.0f}", f"{this:,.0f}", f"{this / earlier:.2f}"])
    print_table(["reader", "before the checks, rows/s", "with them, rows/s", "ratio"], rows)


def read_with(checkout: Path, folder: Path, config: str, cache: Path, reader: str) -> float:
    """Returns the processor's seconds that a reader of a checkout takes for the whole dataset."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder), config, str(cache), READERS[reader]],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return float(json.loads(done.stdout))


if __name__ == "__main__":
    main()
