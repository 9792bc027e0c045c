"""Measures how fast shuffled transitions stream from a built folder on one core, beside other ways.

For each game a checkpoint of --rows rows is made from real play (see `make_log`) and built into a folder.
Each way returns batches of 32 transitions of four stacked frames and the next four, in a separate process
pinned to one core; the ways take turns, and the fastest of --repeats counts:

- `Transitions`, shuffled, with its default options, over one epoch. *Resume* is the time from opening a
  reader in the middle of the epoch to its first batch;
- TorchRL's `AtariDQNExperienceReplay`: 32 slices of five frames from its memory map, with its own sampler.
  It runs with --torchrl-python, an interpreter that has torchrl 0.14; to prepare its 7 GB for a million rows
  it takes 14 GB of memory, once for each --cache. They are read once before, so that they lie in memory;
- a list of stacks, as d4rl-atari makes it: views of one array, all of it in memory; a batch is `np.stack` of
  random items. --skip-list does without its 8 GB;
- plain `load_dataset(…, streaming=True)` row by row (the first --plain-rows): single frames, in order.

Rates are per second of one core's time, whatever else the machine does, from the start of the iteration on;
*first batch* is by the clock, from opening. *Peak memory* is the process's largest resident set, including
Python and its libraries.
"""

import argparse
import contextlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import datasets
import numpy as np
from atari_dqn_replay.builder.files import replacing
from atari_dqn_replay.builder.format.games import Game, find_game
from atari_dqn_replay.builder.format.layout import split_name
from build import GSUTIL
from common import RUN, argument_parser, make_log, measure, print_table, scratch_folder
from streaming import build_folder

from atari_dqn_replay import Transitions, decode_frames

if find_spec("torch") is not None:
    # Anyone who trains with it has already loaded it, so this is not measured.
    import torch.utils.data  # noqa: F401

BATCH = 32
STACK = 4
TORCHRL_NAME = "TorchRL, slices of 5"
PLAIN_NAME = "`load_dataset`, row by row"

TORCHRL = """
import json, os, re, sys, time
game, root, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
os.environ["RL_LOGGING_LEVEL"] = "ERROR"
import torch
from torchrl.data.datasets import AtariDQNExperienceReplay
torch.set_num_threads(1)
for folder, _, names in os.walk(root if seconds else "none"):
    for name in names:
        with open(os.path.join(folder, name), "rb") as file:
            while file.read(1 << 24):  # no rate of the disk is measured, where memory holds it all
                pass
AtariDQNExperienceReplay._max_runs = 1
start = time.perf_counter()
replay = AtariDQNExperienceReplay(game, root=root, batch_size=32 * 5, slice_len=5)
replay.sample()
first = time.perf_counter() - start
count, start = 0, time.process_time()
while seconds and time.process_time() - start < seconds:
    assert replay.sample()["observation"].shape == (160, 84, 84)
    count += 32
rate = count / max(time.process_time() - start, 1e-9)
peak = re.findall(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[0]
print(json.dumps([rate, first, None, int(peak) * 1024]))
"""


class Result(NamedTuple):
    """The result of one way of reading."""

    rate: float
    """Transitions per second."""
    first: float
    """Seconds from opening to the first batch."""
    resume: float | None
    """Seconds from resuming in the middle of an epoch to the next batch."""
    peak_bytes: int


Way = Callable[[], Result]


def main() -> None:
    """Stream in every way and print the results."""
    parser = argument_parser(__doc__)
    parser.add_argument("--games", nargs="+", default=["pong", "seaquest"], help="default: pong seaquest")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of a checkpoint (default: %(default)s)")
    parser.add_argument("--plain-rows", type=int, default=20_000, help="default: %(default)s")
    add_peer_arguments(parser)
    options = parser.parse_args()
    for game in map(find_game, options.games):
        with built_checkpoint(game, options.rows, options.steps, options.cache) as (logs, folder):
            ways: dict[str, Way] = {
                "`Transitions`, shuffled": partial(run_here, stream_transitions, folder, game),
                **peers(options, game, logs, folder),
                "`load_dataset`, row by row": partial(
                    run_here, stream_rows, folder, game, options.plain_rows
                ),
            }
            results = by_turns(ways, options.repeats)
        print(f"{game}: a checkpoint of {options.rows:,} rows, batches of {BATCH}, one core.\n")
        print_results(
            results,
            ["first batch, s", "resume, s", "peak memory, MB"],
            lambda result: [
                seconds_text(result.first),
                seconds_text(result.resume),
                f"{result.peak_bytes / 1e6:,.0f}",
            ],
        )
        print()


def add_peer_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the ways that are compared with our reader."""
    parser.add_argument("--steps", type=int, default=120_000, help="that are played (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=8, help="of each peer's run (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=2, help="the fastest counts (default: %(default)s)")
    parser.add_argument("--torchrl-python", type=Path, help="an interpreter with torchrl 0.14")
    parser.add_argument("--skip-list", action="store_true", help="leave out the list of stacks in memory")


@contextlib.contextmanager
def built_checkpoint(game: Game, rows: int, steps: int, cache: Path) -> Iterator[tuple[Path, Path]]:
    """Yield a log, and a dataset repo with its checkpoint 0, which is removed at the end."""
    logs = make_log(game, rows, steps, cache)
    with scratch_folder(cache) as scratch:
        measure(build_folder, logs, game, scratch / "dataset")
        yield logs, scratch / "dataset"


def peers(options: argparse.Namespace, game: Game, logs: Path, folder: Path) -> dict[str, Way]:
    """Returns other libraries' ways to batches of transitions drawn at random, by name."""
    ways: dict[str, Way] = {}
    if options.torchrl_python:
        ways[TORCHRL_NAME] = partial(run_torchrl, options, game, logs)
    if not options.skip_list:
        ways["list of stacks in memory"] = partial(run_here, sample_list, folder, game, options.seconds)
    return ways


def by_turns(ways: dict[str, Way], repeats: int) -> dict[str, Result]:
    """Returns the fastest result of each way; the ways take turns."""
    results: dict[str, list[Result]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            results[name].append(way())
    return {name: max(of_way) for name, of_way in results.items()}


def run_here(
    function: Callable[..., tuple[float, float, float | None]], *arguments: Any, one_core: bool = True
) -> Result:
    """Returns the result of a way that is one of our functions, run in a separate process."""
    (rate, first, resume), peak_bytes = measure(function, *arguments, one_core=one_core)
    return Result(rate, first, resume, peak_bytes)


def stream_transitions(folder: Path, game: Game) -> tuple[float, float, float]:
    """Stream one epoch, then resume a reader in its middle."""
    start = time.perf_counter()
    batches = _open_transitions(folder, game)
    opened = time.process_time()
    count, first = 0, 0.0
    for batch in batches:
        first = first or time.perf_counter() - start
        count += len(batch["action"])
    seconds = time.process_time() - opened
    start = time.perf_counter()
    resumed = _open_transitions(folder, game)
    resumed.load_state_dict({**resumed.state_dict(), "batch": len(resumed) // 2})
    next(iter(resumed))
    return count / seconds, first, time.perf_counter() - start


def stream_rows(folder: Path, game: Game, rows: int) -> tuple[float, float, None]:
    """Stream single frames, decoded with Pillow."""
    start = time.perf_counter()
    stream: Any = _open_stream(folder, game)
    opened, first, count = time.process_time(), 0.0, 0
    for row in stream.take(rows):
        assert np.asarray(row["observation"]).shape == (84, 84)
        count += 1
        if count == BATCH:
            first = time.perf_counter() - start
    return count / (time.process_time() - opened), first, None


def sample_list(folder: Path, game: Game, seconds: float) -> tuple[float, float, None]:
    """Sample random items of a list of stacks."""
    start = time.perf_counter()
    stacks = _list_of_stacks(folder, game)
    random, first, count = np.random.default_rng(0), 0.0, 0
    loaded = time.process_time()
    while time.process_time() - loaded < seconds:
        indices = random.integers(len(stacks) - 1, size=BATCH).tolist()
        observation = np.stack([stacks[index] for index in indices])
        following = np.stack([stacks[index + 1] for index in indices])
        assert observation.shape == following.shape == (BATCH, STACK, 84, 84)
        first = first or time.perf_counter() - start
        count += BATCH
    return count / (time.process_time() - loaded), first, None


def run_torchrl(options: argparse.Namespace, game: Game, logs: Path) -> Result:
    """Returns TorchRL's result; its memory map is made the first time."""
    root = options.cache / f"torchrl-{logs.name}" / game.name
    if not root.exists():
        with replacing(root) as temporary:
            _call_torchrl(options, game, logs, temporary, 0)
    return Result(*_call_torchrl(options, game, logs, root, options.seconds))


def print_results(
    results: dict[str, Result], heads: Sequence[str], cells: Callable[[Result], list[str]]
) -> None:
    """Print a row for each way: its rate, the ratio to TorchRL's, and more cells."""
    peer = results.get(TORCHRL_NAME)
    rows = [
        [name, f"{result.rate:,.0f}", f"{result.rate / peer.rate:.1f}" if peer else "–", *cells(result)]
        for name, result in results.items()
    ]
    print_table(["", "transitions/s", "× TorchRL", *heads], rows)


def seconds_text(seconds: float | None) -> str:
    """Returns a duration as the text of a table cell."""
    return "–" if seconds is None else f"{seconds:.2f}"


def _open_transitions(folder: Path, game: Game) -> Transitions:
    name = f"{game.slug}-mixed"
    return Transitions(str(folder), name, split_name(RUN), batch_size=BATCH, frame_stack=STACK)


def _open_stream(folder: Path, game: Game) -> datasets.IterableDataset:
    return datasets.load_dataset(str(folder), f"{game.slug}-mixed", split=split_name(RUN), streaming=True)


def _list_of_stacks(folder: Path, game: Game) -> list[np.ndarray]:
    """Returns stacks as d4rl-atari makes them: views of one array, except an episode's first steps."""
    rows = sum(int(json.loads(path.read_text())["step_counts"]["steps"]) for path in _manifests(folder, game))
    frames, step, at = np.empty((rows, 84, 84), np.uint8), np.empty(rows, np.int64), 0
    batch: Any
    for batch in _open_stream(folder, game).with_format("arrow").iter(2048):
        to = at + len(batch)
        frames[at:to], step[at:to] = decode_frames(batch["observation"]), batch["step"].to_numpy()
        at = to
    blank = np.zeros((STACK, 84, 84), np.uint8)
    return [
        frames[row - STACK + 1 : row + 1]
        if number >= STACK - 1
        else np.concatenate([blank[number + 1 :], frames[row - number : row + 1]])
        for row, number in enumerate(step.tolist())
    ]


def _manifests(folder: Path, game: Game) -> list[Path]:
    return sorted((folder / "manifests" / game.slug).rglob("*.json"))


def _call_torchrl(options: argparse.Namespace, game: Game, logs: Path, root: Path, seconds: float) -> Any:
    with scratch_folder(options.cache) as scratch:
        gsutil = scratch / "gsutil"
        gsutil.write_text(GSUTIL)
        gsutil.chmod(0o755)
        path = f"{scratch}{os.pathsep}{os.environ['PATH']}"
        command = [options.torchrl_python, "-W", "ignore", "-c", TORCHRL, f"{game}/{RUN}", root, str(seconds)]
        done = subprocess.run(
            ["taskset", "-c", str(min(os.sched_getaffinity(0))), *command],
            env={**os.environ, "PATH": path, "REPLAY_LOGS": str(logs)},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
