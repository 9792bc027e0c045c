"""Measures how fast frames stream, on one core: from a built folder, and straight from the replay logs.

A log of --rows rows is made from real play (see `make_log`) and built into a folder. Each way of reading it
runs in a separate process pinned to one core, from the first batch to the last, until every frame is a NumPy
array:

- stock `load_dataset(folder, …, streaming=True).with_format("arrow")` and `decode_frames`: no image library;
- stock `load_dataset(folder, …, streaming=True)`, row by row with Pillow (the first --plain-rows rows);
- `AtariDQNReplay(…, source=logs).as_streaming_dataset()`, which recovers the episodes as it reads.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from atari_dqn_replay.builder.assembly.build import build, plan_build
from atari_dqn_replay.builder.format.games import Game, find_game
from atari_dqn_replay.builder.format.layout import split_name
from atari_dqn_replay.builder.sources.open import open_source
from common import RUN, argument_parser, make_log, measure, print_table, scratch_folder

from atari_dqn_replay import AtariDQNReplay, decode_frames


def main() -> None:
    """Stream in every way and print the results."""
    parser = argument_parser(__doc__)
    parser.add_argument("--game", default="pong", help="default: %(default)s")
    parser.add_argument("--rows", type=int, default=200_000, help="of the log (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=100_000, help="that are played (default: %(default)s)")
    parser.add_argument("--plain-rows", type=int, default=20_000, help="default: %(default)s")
    parser.add_argument("--batch-size", type=int, default=1024, help="default: %(default)s")
    options = parser.parse_args()
    game, batch_size = find_game(options.game), options.batch_size
    logs = make_log(game, options.rows, options.steps, options.cache)
    with scratch_folder(options.cache) as scratch:
        folder = scratch / "dataset"
        measure(build_folder, logs, game, folder)
        rates: dict[str, float] = {
            "`load_dataset`, Arrow batches, `decode_frames`": _rate(stream_tables, folder, game, batch_size),
            "`load_dataset`, row by row, Pillow": _rate(stream_rows, folder, game, options.plain_rows),
            "`AtariDQNReplay` from the logs, Arrow batches": _rate(stream_logs, logs, game, batch_size),
        }
    plain = rates["`load_dataset`, row by row, Pillow"]
    rows = [[name, f"{rate:,.0f}", f"{rate / plain:.1f}"] for name, rate in rates.items()]
    print(f"{game}, batches of {batch_size:,}, one core.\n")
    print_table(["", "frames/s", "× row by row"], rows)


def build_folder(logs: Path, game: Game, folder: Path) -> None:
    """Build checkpoint 0 as a dataset repo."""
    build(plan_build(open_source(str(logs)), [game], folder, runs=[RUN], checkpoints=[0]), folder)


def stream_tables(folder: Path, game: Game, batch_size: int) -> float:
    """Returns the frames per second from Arrow batches of the built folder."""
    return _count(_decoded(_open(folder, game), batch_size))


def stream_rows(folder: Path, game: Game, rows: int) -> float:
    """Returns the frames per second from rows of the built folder."""
    return _count(np.asarray(row["observation"])[None] for row in _open(folder, game).take(rows))


def stream_logs(logs: Path, game: Game, batch_size: int) -> float:
    """Returns the frames per second straight from the logs."""
    stream: Any = AtariDQNReplay(f"{game.slug}-mixed", source=logs).as_streaming_dataset(split_name(RUN))
    return _count(_decoded(stream, batch_size))


def _rate(function: Any, *arguments: Any) -> float:
    return measure(function, *arguments, one_core=True).value


def _open(folder: Path, game: Game) -> datasets.IterableDataset:
    return datasets.load_dataset(str(folder), f"{game.slug}-mixed", split=split_name(RUN), streaming=True)


def _decoded(stream: datasets.IterableDataset, batch_size: int) -> Iterator[np.ndarray]:
    for batch in stream.with_format("arrow").iter(batch_size):
        yield decode_frames(batch["observation"])


def _count(blocks: Iterator[np.ndarray]) -> float:
    start = time.perf_counter()
    frames = sum(len(block) for block in blocks)
    return frames / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
