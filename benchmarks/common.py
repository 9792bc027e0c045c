"""Provides what the benchmarks share: real play, replay logs made from it, measured processes, tables."""

import argparse
import contextlib
import functools
import gc
import itertools
import multiprocessing
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from atari_dqn_replay.builder.collecting.environment import AtariEnvironment
from atari_dqn_replay.builder.collecting.ring_buffer import RingBuffer
from atari_dqn_replay.builder.files import replacing
from atari_dqn_replay.builder.format.games import Game
from atari_dqn_replay.builder.format.protocol import TIME_LIMIT
from atari_dqn_replay.builder.format.provenance import COLLECTED, FILE_NAME, Provenance
from atari_dqn_replay.builder.terminal.progress import progress_bar
from numpy.typing import NDArray

GZIP_LEVEL = 9
"""Python's default level, with which the original files were written."""

RUN = 1
"""The run in a benchmark's log."""


class Pursuit(NamedTuple):
    """How to play well: keep the paddle at the ball. Addresses are locations in the console's RAM."""

    ball: int
    paddle: int
    larger: str
    """The action that increases the paddle's coordinate."""
    smaller: str


PURSUITS = {
    "Pong": Pursuit(ball=54, paddle=51, larger="LEFT", smaller="RIGHT"),
    "Breakout": Pursuit(ball=99, paddle=72, larger="RIGHT", smaller="LEFT"),
}

PLAYER, RANDOM = "player", "random"
"""The policies."""

SKILLS = {PLAYER: (0.0, 0.5, 0.8), RANDOM: (0.0,)}
"""How often the ball is pursued instead of acting at random; episodes take turns."""


@dataclass(frozen=True)
class Play:
    """Whole episodes, one after another, as arrays with one row per step."""

    observation: NDArray[np.uint8]
    action: NDArray[np.int32]
    reward: NDArray[np.float32]
    terminal: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.action)

    @property
    def episodes(self) -> list[range]:
        """The rows of each episode."""
        stops = [int(row) + 1 for row in np.flatnonzero(self.terminal)]
        return [range(start, stop) for start, stop in itertools.pairwise([0, *stops])]


def load_play(game: Game, steps: int, cache: Path, *, policy: str = PLAYER) -> Play:
    """Returns `steps` or more steps of a game under the dataset's protocol, played once, kept in `cache`."""
    folder = cache / f"play-{game.slug}-{steps}{'' if policy == PLAYER else f'-{policy}'}"
    if not folder.exists():
        with replacing(folder) as temporary:
            temporary.mkdir()
            for name, array in vars(_play(game, steps, SKILLS[policy])).items():
                np.save(temporary / f"{name}.npy", array)
    return Play(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in Play.__annotations__))


def make_log(
    game: Game, rows: int, steps: int, cache: Path, *, policy: str = PLAYER, dumps: int = 2, rest: int = 0
) -> Path:
    """Make consecutive checkpoints of `rows` rows each, keep them in `cache`, and return the source's root.

    With `rest`, training ends that many rows after the last checkpoint, with a final, partial dump.

    Playing millions of steps would take an hour. So `steps` real ones are repeated until all checkpoints are
    full, with the episodes in a different order each time. Neither gzip, whose window is 32 KB, nor zstd,
    whose window here is at most a row group, reaches so far back: they find no more similarity than in as
    much play.
    """
    length = "" if (dumps, rest) == (2, 0) else f"-{dumps}-{rest}"
    root = cache / f"log-{rows}-{steps}{length}{'' if policy == PLAYER else f'-{policy}'}"
    run = root / game.name / str(RUN)
    if not run.exists():
        play = load_play(game, steps, cache, policy=policy)
        played = "random, pursuit" if policy == PLAYER else policy
        provenance = Provenance(COLLECTED, {"collector": "benchmarks/common.py", "policy": played})
        with replacing(run) as temporary:
            _fill_log(play, temporary / "replay_logs", rows, f"log {game}", dumps, rest)
            (temporary / "replay_logs" / FILE_NAME).write_text(provenance.to_json(), encoding="utf-8")
    return root


def log_folder(root: Path, game: Game) -> Path:
    """Returns the folder of the files of a log made by `make_log`."""
    return root / game.name / str(RUN) / "replay_logs"


class Measured(NamedTuple):
    """A child process's return value and its peak memory."""

    value: Any
    peak_bytes: int


def measure(function: Callable[..., Any], *arguments: Any, one_core: bool = False) -> Measured:
    """Call a module's function in a separate process, optionally pinned to one core."""
    cores = os.sched_getaffinity(0)
    if one_core:
        os.sched_setaffinity(0, {min(cores)})
    try:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
            return executor.submit(_measured, function, arguments).result()
    finally:
        os.sched_setaffinity(0, cores)


def folder_bytes(folder: Path, pattern: str = "**/*") -> int:
    """Returns the total bytes of the files below a folder."""
    return sum(path.stat().st_size for path in folder.glob(pattern) if path.is_file())


@functools.cache
def print_machine() -> None:
    """Print, once, what the figures depend on: the processor, its caches, and the current load."""
    (processor, *_) = [*re.findall(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text()), "unknown"]
    caches = []
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        if kind != "Instruction":
            caches.append(f"L{level} {size}")
    load, _, _ = os.getloadavg()
    print(
        f"{processor}, {len(os.sched_getaffinity(0))} cores, caches {', '.join(caches) or 'unknown'}; "
        f"load {load:.1f}\n"
    )


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table, the first column left-aligned; before the first table, print the machine."""
    print_machine()
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    print("\n".join(f"| {' | '.join(line)} |" for line in lines), flush=True)


def argument_parser(description: str | None) -> argparse.ArgumentParser:
    """Returns a parser with the arguments of all benchmarks; `description` is the module's docstring."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(tempfile.gettempdir()) / "atari-dqn-replay-benchmarks",
        help="where played games and replay logs are kept for the next time (default: %(default)s)",
    )
    return parser


@contextlib.contextmanager
def scratch_folder(cache: Path) -> Iterator[Path]:
    """Yield a temporary folder beside the cache, so on the same disk; it is removed at the end."""
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        yield Path(folder)


def _play(game: Game, steps: int, skills_in_turn: Sequence[float]) -> Play:
    environment, random = AtariEnvironment(game), np.random.default_rng(0)
    rows = steps + TIME_LIMIT
    observation = np.empty((rows, 84, 84), np.uint8)
    action, reward, terminal = np.empty(rows, np.int32), np.empty(rows, np.float32), np.zeros(rows, np.uint8)
    skills = itertools.cycle(skills_in_turn)
    row = 0
    with progress_bar(total=steps, description=f"play {game}", unit=" steps") as bar:
        while row < steps:
            frame, skill, ended = environment.reset(), next(skills), False
            while not ended:
                observation[row], action[row] = frame, _choose(environment, game, skill, random)
                frame, reward[row], terminated, truncated = environment.step(action[row])
                terminal[row] = ended = terminated or truncated
                row += 1
                bar.update(1)
    return Play(observation[:row], action[:row], reward[:row], terminal[:row])


def _choose(environment: AtariEnvironment, game: Game, skill: float, random: np.random.Generator) -> int:
    pursuit = PURSUITS.get(game.name)
    if pursuit is None or random.random() >= skill:
        return int(random.integers(len(environment.actions)))
    ram = environment.ram
    action = pursuit.larger if ram[pursuit.ball] > ram[pursuit.paddle] else pursuit.smaller
    return environment.actions.index(action)


def _fill_log(play: Play, folder: Path, rows: int, description: str, dumps: int, rest: int) -> None:
    ring = RingBuffer(folder, rows, compression=GZIP_LEVEL)
    with progress_bar(total=dumps * rows + rest, description=description, unit=" rows") as bar:
        for row in _shuffled_rows(play):
            ring.add(
                play.observation[row],
                int(play.action[row]),
                float(play.reward[row]),
                bool(play.terminal[row]),
            )
            bar.update(1)
            if ring.dumps == dumps and ring.add_count >= dumps * rows - 1 + rest:
                break
    if rest:
        ring.finish()
    ring.flush()


def _shuffled_rows(play: Play) -> Iterator[int]:
    """Yield rows of the episodes without end: all of them in one order, then all in another, …"""
    episodes, random = play.episodes, np.random.default_rng(0)
    while True:
        for index in random.permutation(len(episodes)):
            yield from episodes[index]


def _measured(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Measured:
    value = function(*arguments)
    gc.collect()  # a stream that was left midway may abort the process at exit (huggingface/datasets#7566)
    # Not getrusage, whose maximum is inherited from the parent.
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return Measured(value, int(peak) * 1024)
