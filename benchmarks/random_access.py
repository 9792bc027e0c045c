"""Measures how fast transitions are drawn uniformly at random on one core, and the cost, by number of rows.

For each game and each number of rows a checkpoint is made from real play (see `make_log`) and built into a
folder. `ReplayDataset` returns batches of 32 transitions of four stacked frames and the next four, drawn
uniformly from all of it, in a separate process pinned to one core; rates are per second of that core's time.
*Open first* prepares the frames, *open again* finds them prepared. *Kept* is the file of prepared frames,
which is mapped and shared by all processes; *own memory* is what a process has to itself beyond what it had
before it opened the dataset.

At the largest number of rows, in turns and with the fastest of --repeats, the same is drawn from TorchRL's
memory map and from a list of stacks in memory (see `reader.py`), and, by the clock, from a DataLoader with
two workers on two cores: with the dataset given batches of indices (`batch_size=None`), and with PyTorch's
own collation.
"""

import argparse
import re
import time
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from atari_dqn_replay.builder.format.games import Game, find_game
from atari_dqn_replay.builder.format.layout import split_name
from common import RUN, argument_parser, measure, print_table
from reader import (
    BATCH,
    STACK,
    Result,
    Way,
    add_peer_arguments,
    built_checkpoint,
    by_turns,
    peers,
    print_results,
    run_here,
    seconds_text,
)

from atari_dqn_replay import ReplayDataset


class Scale(NamedTuple):
    """The cost of random access to a number of steps."""

    steps: int
    rate: float
    first: float
    again: float
    kept_bytes: int
    own_bytes: int


def main() -> None:
    """Measure increasing sizes, then compare with other libraries."""
    parser = argument_parser(__doc__)
    parser.add_argument("--games", nargs="+", default=["pong", "seaquest"], help="default: pong seaquest")
    parser.add_argument(
        "--rows", type=int, nargs="+", default=[100_000, 300_000, 1_000_000], help="of the checkpoints"
    )
    add_peer_arguments(parser)
    options = parser.parse_args()
    for game in map(find_game, options.games):
        scales: list[Scale] = []
        results: dict[str, Result] = {}
        for rows in sorted(options.rows):
            with built_checkpoint(game, rows, options.steps, options.cache) as (logs, folder):
                scales.append(scale(folder, game, options.seconds))
                if rows == max(options.rows):
                    results = by_turns(_ways(options, game, logs, folder), options.repeats)
        print(f"{game}, batches of {BATCH}, one core.\n")
        _print_scales(scales)
        print(f"\n{game}: a checkpoint of {max(options.rows):,} rows.\n")
        print_results(
            results,
            ["first batch, s", "peak memory, MB"],
            lambda result: [seconds_text(result.first), f"{result.peak_bytes / 1e6:,.0f}"],
        )
        print()


def scale(folder: Path, game: Game, seconds: float) -> Scale:
    """Returns the cost where one process prepares the frames and another one draws."""
    cache = folder.parent / "cache"
    first, _ = measure(prepare, folder, game, cache, one_core=True)
    (steps, rate, again, kept, own), _ = measure(draw_scaled, folder, game, cache, seconds, one_core=True)
    return Scale(steps, rate, first, again, kept, own)


def prepare(folder: Path, game: Game, cache: Path) -> float:
    """Returns the seconds to open the dataset for the first time."""
    start = time.perf_counter()
    _open(folder, game, cache)
    return time.perf_counter() - start


def draw_scaled(folder: Path, game: Game, cache: Path, seconds: float) -> tuple[int, float, float, int, int]:
    """Draw random batches; return rates and what the dataset and its use add to the process."""
    before, start = _own_bytes(), time.perf_counter()
    dataset = _open(folder, game, cache)
    again = time.perf_counter() - start
    rate = _draw(dataset, seconds)
    return len(dataset), rate, again, dataset.stored_bytes, _own_bytes() - before


def draw(folder: Path, game: Game, cache: Path, seconds: float) -> tuple[float, float, None]:
    """Draw batches by `gather` from a dataset that was opened before."""
    start = time.perf_counter()
    dataset = _open(folder, game, cache)
    dataset.gather(range(BATCH))
    first = time.perf_counter() - start
    return _draw(dataset, seconds), first, None


def load(folder: Path, game: Game, cache: Path, seconds: float, collated: bool) -> tuple[float, float, None]:
    """Draw batches by a DataLoader with two workers."""
    from torch.utils.data import BatchSampler, DataLoader, RandomSampler

    start = time.perf_counter()
    dataset: Any = _open(folder, game, cache)
    order = RandomSampler(dataset)
    given: dict[str, Any] = {"batch_size": BATCH, "sampler": order}
    if not collated:
        given = {"batch_size": None, "sampler": BatchSampler(order, BATCH, drop_last=True)}
    batches = iter(DataLoader(dataset, num_workers=2, multiprocessing_context="fork", **given))
    next(batches)
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        count += len(next(batches)["action"])
    return count / (time.perf_counter() - started), started - start, None


def _ways(options: argparse.Namespace, game: Game, logs: Path, folder: Path) -> dict[str, Way]:
    arguments = (folder, game, folder.parent / "cache", options.seconds)
    workers = partial(run_here, one_core=False)
    return {
        "`ReplayDataset`": partial(run_here, draw, *arguments),
        **peers(options, game, logs, folder),
        "`ReplayDataset`, DataLoader, 2 workers": partial(workers, load, *arguments, False),
        "the same, collated by PyTorch": partial(workers, load, *arguments, True),
    }


def _open(folder: Path, game: Game, cache: Path) -> ReplayDataset:
    name = f"{game.slug}-mixed"
    return ReplayDataset(str(folder), name, split_name(RUN), frame_stack=STACK, cache_dir=cache)


def _draw(dataset: ReplayDataset, seconds: float) -> float:
    random, start, count = np.random.default_rng(0), time.process_time(), 0
    while time.process_time() - start < seconds:
        batch = dataset.gather(random.integers(len(dataset), size=BATCH))
        assert batch["next_observation"].shape == (BATCH, STACK, 84, 84)
        count += BATCH
    return count / (time.process_time() - start)


def _own_bytes() -> int:
    """Returns the memory that is not shared with other processes through a file."""
    (own,) = re.findall(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(own) * 1024


def _print_scales(scales: list[Scale]) -> None:
    heads = ["steps", "transitions/s", "open first, s", "open again, s", "kept, MB", "kept, bytes per step"]
    rows = [
        [
            f"{each.steps:,}",
            f"{each.rate:,.0f}",
            seconds_text(each.first),
            seconds_text(each.again),
            f"{each.kept_bytes / 1e6:,.1f}",
            f"{each.kept_bytes / each.steps:,.0f}",
            f"{each.own_bytes / 1e6:,.1f}",
        ]
        for each in scales
    ]
    print_table([*heads, "own memory, MB"], rows)


if __name__ == "__main__":
    main()
