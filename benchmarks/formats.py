"""Measures how fast frames of other formats are built and read, beside 84×84 grey.

One game is collected in each format by the same random play, then built, and read by `Transitions` and by
stock `load_dataset` with `decode_frames`. Formats take turns in one process on one core, and the best of
--repeats counts. Rates are megabytes of pixels per second of processor time, so that formats of different
sizes compare; *build* is from the log to a finished dataset, and *write* only from frames to a shard.
"""

import time
from collections.abc import Callable
from pathlib import Path

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


def main() -> None:
    """Measure every format and print the rates."""
    parser = argument_parser(__doc__)
    parser.add_argument("--game", default="pong", help="default: %(default)s")
    parser.add_argument("--steps", type=int, default=20_000, help="of each format (default: %(default)s)")
    parser.add_argument("--formats", nargs="+", default=["grey84", "rgb64"], help="default: %(default)s")
    parser.add_argument("--repeats", type=int, default=3, help="the best counts (default: %(default)s)")
    options = parser.parse_args()
    formats = [FrameFormat.parse(name) for name in options.formats]
    arguments = (find_game(options.game), formats, options.steps, options.repeats, options.cache)
    seconds: dict[str, list[float]] = measure(try_formats, *arguments, one_core=True).value
    rows = []
    for frame_format in formats:
        megabytes = options.steps * frame_format.nbytes / 1e6
        rates = [megabytes / each for each in seconds[frame_format.name][:-1]]
        size = f"{seconds[frame_format.name][-1]:,.0f}"
        rows.append([frame_format.describe(), *(f"{rate:,.0f}" for rate in rates), size])
    print_table(["format", *(f"{what}, MB/s" for what in WHAT), "bytes per frame"], rows)


def try_formats(
    game: Game, formats: list[FrameFormat], steps: int, repeats: int, cache: Path
) -> dict[str, list[float]]:
    """Returns for each format the seconds of each of WHAT, and then the bytes of a stored frame."""
    datasets.disable_progress_bars()
    with scratch_folder(cache) as folder:
        frames = {each.name: _log(game, each, steps, folder / each.name) for each in formats}
        best = {each.name: [float("inf")] * len(WHAT) for each in formats}
        for turn in range(repeats):
            for each in formats:
                best[each.name] = list(
                    map(min, best[each.name], _try(game, each, frames[each.name], folder, turn))
                )
        for each in formats:
            shards = sorted((folder / f"{each.name}-0").rglob("steps-*.parquet"))
            best[each.name].append(sum(shard.stat().st_size for shard in shards) / steps)
        return best


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
