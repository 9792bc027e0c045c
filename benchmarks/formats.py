"""Measures how fast frames of other formats are built and read, beside 84×84 grey.

One game is collected in each format by the same random play until its frames have as many bytes, then built,
and read by `Transitions` and by stock `load_dataset` with `decode_frames`. Formats take turns in one process
on one core, in reverse order every second turn, and the median of --repeats counts. Rates are megabytes of
pixels per second of processor time, so that formats of different sizes compare; *build* is from the log to a
finished dataset, and *write* only from frames to a shard. The second table divides the rates of formats
measured in the same turn.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import datasets
import numpy as np
import pyarrow as pa
from atari_dqn_replay.builder.assembly.build import build, plan_build
from atari_dqn_replay.builder.collecting.environment import AtariEnvironment
from atari_dqn_replay.builder.collecting.ring_buffer import RingBuffer
from atari_dqn_replay.builder.format.frame_format import FrameFormat
from atari_dqn_replay.builder.format.frames import IMAGE_TYPE
from atari_dqn_replay.builder.format.games import Game, find_game
from atari_dqn_replay.builder.shards.writer import write_steps
from atari_dqn_replay.builder.sources.open import open_source
from common import argument_parser, measure, print_table, scratch_folder

from atari_dqn_replay import Transitions, decode_frames

SCHEMA = pa.schema([("observation", IMAGE_TYPE)])
WHAT = ("write", "build", "load_dataset", "Transitions")


class Measured(NamedTuple):
    """What was measured of one format."""

    seconds: np.ndarray
    """Of processor time, (turns, len(WHAT))."""
    stored: int
    """The bytes of all shards of steps."""


def main() -> None:
    """Measure every format and print the rates."""
    parser = argument_parser(__doc__)
    parser.add_argument("--game", default="pong", help="default: %(default)s")
    parser.add_argument("--megabytes", type=int, default=140, help="of frames (default: %(default)s)")
    parser.add_argument("--formats", nargs="+", default=["grey84", "rgb64"], help="default: %(default)s")
    parser.add_argument("--repeats", type=int, default=7, help="the median counts (default: %(default)s)")
    options = parser.parse_args()
    formats = [FrameFormat.parse(name) for name in options.formats]
    arguments = (find_game(options.game), formats, options.megabytes, options.repeats, options.cache)
    found: dict[str, Measured] = measure(try_formats, *arguments, one_core=True).value
    rates = {each.name: options.megabytes / found[each.name].seconds for each in formats}
    rows = []
    for each in formats:
        medians = np.median(rates[each.name], axis=0)
        size = f"{found[each.name].stored / _steps(each, options.megabytes):,.0f}"
        rows.append([each.describe(), *(f"{rate:,.0f}" for rate in medians), size])
    print_table(["format", *(f"{what}, MB/s" for what in WHAT), "bytes per frame"], rows)
    first, *others = formats
    ratios = []
    for each in others:
        quarters = np.quantile(rates[each.name] / rates[first.name], [0.5, 0.25, 0.75], axis=0).T
        ratios.append([f"{each} / {first}", *("{:.2f} ({:.2f} to {:.2f})".format(*row) for row in quarters)])
    print(f"\nRatios of {options.repeats} turns: the median, and the middle half.\n")
    print_table(["formats", *WHAT], ratios)


def try_formats(
    game: Game, formats: list[FrameFormat], megabytes: int, repeats: int, cache: Path
) -> dict[str, Measured]:
    """Returns what was measured of each format, by its name."""
    datasets.disable_progress_bars()
    with scratch_folder(cache) as folder:
        frames = {
            each.name: _log(game, each, _steps(each, megabytes), folder / each.name) for each in formats
        }
        seconds: dict[str, list[list[float]]] = {each.name: [] for each in formats}
        for turn in range(repeats):
            for each in formats[:: -1 if turn % 2 else 1]:
                seconds[each.name].append(_try(game, each, frames[each.name], folder, turn))
        return {each.name: Measured(np.array(seconds[each.name]), _stored(folder, each)) for each in formats}


def _steps(frame_format: FrameFormat, megabytes: int) -> int:
    return round(megabytes * 1e6 / frame_format.nbytes)


def _stored(folder: Path, frame_format: FrameFormat) -> int:
    """Returns the bytes of the shards that the first turn built."""
    return sum(shard.stat().st_size for shard in (folder / f"{frame_format}-0").rglob("steps-*.parquet"))


def _log(game: Game, frame_format: FrameFormat, steps: int, folder: Path) -> np.ndarray:
    """Write one partial dump of random play, and return its frames."""
    logs = folder / game.name / "1/replay_logs"
    logs.mkdir(parents=True)
    environment = AtariEnvironment(game, frame_format=frame_format)
    random = np.random.default_rng(0)
    ring = RingBuffer(logs, 2 * steps, observation_shape=frame_format.shape, compression=1)
    frames = np.empty((steps, *frame_format.shape), np.uint8)
    frame = environment.reset()
    for step in range(steps):
        action = int(random.integers(len(environment.actions)))
        frames[step] = frame
        after, reward, terminated, truncated = environment.step(action)
        ring.add(frame, action, reward, terminated or truncated)
        frame = environment.reset() if terminated or truncated else after
    ring.finish()
    ring.close()
    return frames


def _try(game: Game, frame_format: FrameFormat, frames: np.ndarray, folder: Path, turn: int) -> list[float]:
    out, shard = folder / f"{frame_format.name}-{turn}", folder / "trial.parquet"
    source = open_source(str(folder / frame_format.name))
    steps = {"observation": frames, "step": np.arange(len(frames))}
    config = f"{game.slug}-full"

    def stream() -> None:
        rows = datasets.load_dataset(str(out), config, split="run_1", streaming=True).with_format("arrow")
        assert sum(len(decode_frames(batch["observation"])) for batch in rows.iter(1024)) == len(frames)

    def batches() -> None:
        reader = Transitions(str(out), config, "run_1", batch_size=32)
        assert sum(len(batch["action"]) for batch in reader) == len(frames)

    return [
        _seconds(lambda: write_steps(shard, [steps], SCHEMA, frame_format=frame_format)),
        _seconds(lambda: build(plan_build(source, [game], out), out)),
        _seconds(stream),
        _seconds(batches),
    ]


def _seconds(do: Callable[[], object]) -> float:
    start = time.process_time()
    do()
    return time.process_time() - start


if __name__ == "__main__":
    main()
