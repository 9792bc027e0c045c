"""Measures the speed and memory of our faces of other libraries, beside the libraries themselves.

A checkpoint of --rows rows is made from real play (see `make_log`) and built into a folder. TorchRL's
`AtariDQNExperienceReplay` and ours, which takes its place, then sample in turns in separate processes, each
pinned to one core: single steps at batch 32, 32 slices of 5 steps, and 32 slices of 20. Ours does so with
frames compressed, and with all frames in memory (`memory_bytes`). Rates are batches per second of that core's
time, the fastest of --repeats; *peak memory* is the largest resident set. TorchRL reads a memory map
that it made from the logs beforehand (7 GB for a million rows), all of which lies in memory.

Then the datasets of d4rl-atari and d3rlpy are loaded: seconds, and peak memory, which for d3rlpy includes a
hundred updates of DiscreteCQL from stacks of four frames.

TorchRL must be installed (`pip install torch==2.13.0 torchrl==0.14.*`). For a million rows it takes 14 to 18
GB of memory, which `--no-torchrl` avoids. d3rlpy pins another gymnasium and is left out where it is not
installed.
"""

import argparse
import os
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from atari_dqn_replay.builder.files import replacing
from atari_dqn_replay.builder.format.games import Game, find_game
from build import GSUTIL
from common import RUN, argument_parser, make_log, measure, print_table, scratch_folder
from streaming import build_folder

MEMORY_BYTES = 8 << 30
"""Enough for the frames of a million steps."""

SAMPLES: dict[str, dict[str, int]] = {
    "32 single steps": {"batch_size": 32},
    "32 slices of 5": {"batch_size": 160, "slice_len": 5},
    "32 slices of 20": {"batch_size": 640, "slice_len": 20},
}


def main() -> None:
    """Sample with both, then load, and print the results."""
    parser = argument_parser(__doc__)
    parser.add_argument("--game", default="pong", help="default: %(default)s")
    parser.add_argument("--rows", type=int, default=100_000, help="of the checkpoint (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=30_000, help="that are played (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=3, help="of each run (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=2, help="the fastest counts (default: %(default)s)")
    parser.add_argument(
        "--torchrl", action=argparse.BooleanOptionalAction, default=True, help="compare with its own class"
    )
    options = parser.parse_args()
    game = find_game(options.game)
    logs = make_log(game, options.rows, options.steps, options.cache)
    with scratch_folder(options.cache) as scratch:
        folder = scratch / "dataset"
        measure(build_folder, logs, game, folder)
        print(f"{game}: a checkpoint of {options.rows:,} rows, batches per second, one core.\n")
        if options.torchrl:
            _compare_sampling(logs, game, folder, scratch / "frames", options)
        _load(game, folder, scratch / "frames")


def _compare_sampling(logs: Path, game: Game, folder: Path, cache: Path, options: argparse.Namespace) -> None:
    map_of_torchrl = _prepare_torchrl(logs, game, options.cache)
    rows = []
    for name, sampling in SAMPLES.items():
        ways = {
            "ours": partial(sample_ours, folder, game, cache, sampling, options.seconds, 0),
            "in memory": partial(sample_ours, folder, game, cache, sampling, options.seconds, MEMORY_BYTES),
            "theirs": partial(sample_torchrl, map_of_torchrl, game, sampling, options.seconds),
        }
        found: dict[str, list[Any]] = {way: [] for way in ways}
        for _ in range(options.repeats):
            for way, sample in ways.items():
                found[way].append(measure(sample, one_core=True))
        ours, held, theirs = (max(found[way]) for way in ways)
        rows.append(
            [
                name,
                f"{ours.value:,.0f} ({ours.value / theirs.value:.1f} ×)",
                f"{held.value:,.0f} ({held.value / theirs.value:.1f} ×)",
                f"{theirs.value:,.0f}",
                f"{ours.peak_bytes / 1e6:,.0f}",
                f"{held.peak_bytes / 1e6:,.0f}",
                f"{theirs.peak_bytes / 1e6:,.0f}",
            ]
        )
    heads = ["", "batches/s", "in memory", "TorchRL", "peak memory, MB", "in memory, MB", "TorchRL, MB"]
    print_table(heads, rows)
    print()


def _load(game: Game, folder: Path, cache: Path) -> None:
    ways = {
        "d4rl-atari's `get_dataset`": partial(load_d4rl, folder, game, cache, False),
        "the same, lazy": partial(load_d4rl, folder, game, cache, True),
    }
    if find_spec("d3rlpy"):
        ways["d3rlpy's `get_atari`, and 100 updates"] = partial(train_d3rlpy, folder, game, cache)
    rows = []
    for name, load in ways.items():
        seconds, peak = measure(load, one_core=True)
        rows.append([name, f"{seconds:.1f}", f"{peak / 1e6:,.0f}"])
    print_table(["", "seconds", "peak memory, MB"], rows)


def sample_ours(
    folder: Path, game: Game, cache: Path, sampling: dict[str, int], seconds: float, memory_bytes: int
) -> float:
    """Returns the batches per second of the class that takes the place of TorchRL's."""
    from atari_dqn_replay.interop.torchrl import AtariDQNExperienceReplay

    options: dict[str, Any] = {"root": cache, "dataset": folder, "memory_bytes": memory_bytes, **sampling}
    return _rate(AtariDQNExperienceReplay(f"{game}/{RUN}", **options), seconds)


def sample_torchrl(root: Path, game: Game, sampling: dict[str, int], seconds: float) -> float:
    """Returns the batches per second of TorchRL's own class."""
    for path in root.rglob("*.memmap"):
        with path.open("rb") as file:
            while file.read(1 << 24):  # so that disk speed is not measured
                pass
    return _rate(_open_torchrl(root, game, **sampling), seconds)


def load_d4rl(folder: Path, game: Game, cache: Path, lazy: bool) -> float:
    """Returns the seconds until d4rl-atari's dataset is loaded."""
    from atari_dqn_replay.interop.d4rl_atari import OfflineAtariEnv

    env = OfflineAtariEnv(game.slug, RUN, "mixed", dataset=folder, lazy=lazy, cache_dir=cache)
    start = time.perf_counter()
    found = env.get_dataset()
    assert found["observations"][len(found["actions"]) // 2].shape == (1, 84, 84)
    return time.perf_counter() - start


def train_d3rlpy(folder: Path, game: Game, cache: Path) -> float:
    """Returns the seconds that it takes to load d3rlpy's dataset, and to train on it a little."""
    import d3rlpy  # pyright: ignore[reportMissingImports]
    from atari_dqn_replay.interop.d3rlpy import get_atari

    start = time.perf_counter()
    dataset, _ = get_atari(f"{game.slug}-mixed-v{RUN - 1}", 4, dataset=folder, cache_dir=cache)
    scaler = d3rlpy.preprocessing.PixelObservationScaler()
    cql = d3rlpy.algos.DiscreteCQLConfig(batch_size=32, observation_scaler=scaler).create()
    cql.fit(dataset, n_steps=100, n_steps_per_epoch=100, logger_adapter=d3rlpy.logging.NoopAdapterFactory())
    return time.perf_counter() - start


def _rate(replay: Any, seconds: float) -> float:
    import torch

    torch.set_num_threads(1)
    replay.sample()
    count, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        replay.sample()
        count += 1
    return count / (time.process_time() - start)


def _open_torchrl(root: Path, game: Game, **options: Any) -> Any:
    os.environ["RL_LOGGING_LEVEL"] = "ERROR"  # it logs to stdout, where the table goes
    from torchrl.data.datasets import AtariDQNExperienceReplay

    AtariDQNExperienceReplay._max_runs = 1  # pyright: ignore[reportAttributeAccessIssue]
    return AtariDQNExperienceReplay(f"{game}/{RUN}", root=root, **options)


def _prepare_torchrl(logs: Path, game: Game, cache: Path) -> Path:
    """Returns the folder of TorchRL's memory map of the logs, made once for each cache."""
    root = cache / f"torchrl-{logs.name}"
    if not root.exists():
        with replacing(root) as temporary:
            measure(_run_gsutil_stand_in, logs, game, temporary)
    return root


def _run_gsutil_stand_in(logs: Path, game: Game, root: Path) -> None:
    gsutil = root / "bin" / "gsutil"
    gsutil.parent.mkdir(parents=True)
    gsutil.write_text(GSUTIL)
    gsutil.chmod(0o755)
    os.environ["PATH"] = f"{gsutil.parent}{os.pathsep}{os.environ['PATH']}"
    os.environ["REPLAY_LOGS"] = str(logs)
    _open_torchrl(root, game)


if __name__ == "__main__":
    main()
