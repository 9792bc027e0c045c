"""Newly played replay logs: an agent plays a game, and it is logged as the original was."""

import contextlib
import hashlib
import math
import multiprocessing
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import AtariReplayError, OutputError
from ..files import replacing
from ..format.games import Game
from ..format.layout import MOST_CHECKPOINT
from ..format.protocol import FRAME_SHAPE, FRAME_SKIP, STACK_SIZE, STICKY_ACTION_PROBABILITY, TIME_LIMIT
from ..format.provenance import COLLECTED, FILE_NAME, Provenance
from ..terminal.progress import progress_bar
from .environment import AtariEnvironment, rom_of
from .players import STRETCH, Agent, random_shares
from .ring_buffer import RingBuffer, clip

SMALLEST_CHECKPOINT = 10
"""Rows; in less there is no room for a last file that is only partly new."""

LARGEST_RUN = 99
"""A source's runs have one or two digits, and the column `run` has one byte."""

LONGEST_ADD = STACK_SIZE
"""Rows that adding one transition can write, padding included."""

UNCOMPARED = ("collector",)
"""Details of a log that may differ from the settings in hand when both are the same collection."""


@dataclass(frozen=True)
class Job:
    """One log to collect; the arguments of `collect`."""

    game: Game
    out: Path
    policy: str = "random"
    checkpoints: int = 50
    checkpoint_size: int = 10_000
    run: int = 1
    seed: int = 0
    record: Path | None = None
    time_limit: int = TIME_LIMIT

    @property
    def folder(self) -> Path:
        """Where the log goes: `<out>/<Game>/<run>/replay_logs`, as in the bucket."""
        return self.out / self.game.name / str(self.run) / "replay_logs"


@dataclass(frozen=True)
class Collected:
    """What came of a job."""

    job: Job
    transitions: int = 0
    """That were played, padding not counted; 0 if the log was there already."""
    returns: dict[int, list[float]] = field(default_factory=dict)
    """For each checkpoint: returns, as logged, of the episodes that began in it and came to an end."""
    already_there: bool = False
    """The same log was complete before; nothing was done."""

    def __str__(self) -> str:
        if self.already_there:
            return f"{self.job.folder}: already there, collected with the same settings"
        lines = [
            f"checkpoint {number}: {len(returns)} episodes, mean return {np.mean(returns):.1f}"
            for number, returns in sorted(self.returns.items())
        ]
        head = f"{self.job.folder}: {self.job.checkpoints} checkpoints of {self.job.checkpoint_size:,} rows"
        return "\n".join([f"{head} and a partial one, {self.transitions:,} transitions", *lines])


def collect(
    game: Game,
    out: Path,
    *,
    policy: str = "random",
    checkpoints: int = 50,
    checkpoint_size: int = 10_000,
    run: int = 1,
    seed: int = 0,
    record: Path | None = None,
    time_limit: int = TIME_LIMIT,
) -> Collected:
    """Play a game and log it in the layout and by the rules of the DQN Replay Dataset.

    The agent plays until `checkpoints` laps were dumped (a lap that the rules skip is played and lost, and
    does not count), and on into the next lap: to the first end of an episode after a quarter of it, or, if
    there is none, to a few rows before its end. Then comes the last dump, which is partial. So an episode
    that began in the last full checkpoint is logged whole if it is shorter than a lap. The same arguments
    give the same bytes.

    The log's folder appears when the log is complete; until then it is called `replay_logs.incomplete`, and
    a rerun starts from the beginning. It holds `provenance.json` as well, which says that this is not the
    original dataset. If the very same log is there already, nothing is done.

    Args:
        game: which one.
        out: root folder of the logs; the log goes to `<out>/<Game>/<run>/replay_logs`.
        policy: `random`, uniformly; or `player`, see `players.Agent` and `players.random_shares`.
        checkpoints: laps to dump, besides the last, partial one.
        checkpoint_size: rows of the ring, about 7 KB of memory each; 1,000,000 in the original.
        run: number of the run; each run plays differently.
        seed: of all that chance decides.
        record: an `.npz` for what was played, in order and without padding: observation (n, 84, 84) uint8,
            action (n,) int32, reward (n,) float32, clipped, and terminal (n,) bool. All of it is held in
            memory, so this is for small logs.
        time_limit: agent steps after which an episode is cut off.

    Raises:
        UnknownNameError: no such policy, or no player for this game.
        OutputError: a number is too small or too large; the folder holds something else; or it cannot be
            written.
    """
    return _collect_here(Job(game, out, policy, checkpoints, checkpoint_size, run, seed, record, time_limit))


def collect_many(jobs: Sequence[Job], workers: int = 1) -> list[Collected]:
    """Run several jobs, each as `collect` does, up to `workers` at once in processes of their own.

    Raises:
        AtariReplayError: what `collect` raises, of the first job that failed; the others are stopped, and
            leave nothing behind unless they are complete.
    """
    if workers <= 1 or len(jobs) <= 1:
        return [_collect_here(job) for job in jobs]
    # A forked child would inherit the locks of whatever threads the caller's libraries run.
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    with ProcessPoolExecutor(min(workers, len(jobs)), context, _begin_worker, (stop,)) as pool:
        try:
            with _children_without_ctrl_c():
                futures = [pool.submit(_collect_in_worker, job) for job in jobs]
            return [future.result() for future in progress_bar(futures, description="collect", unit="log")]
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


def _collect_here(job: Job) -> Collected:
    total = job.checkpoints * job.checkpoint_size
    with progress_bar(description=f"collect {job.game.slug} run {job.run}", unit="row", total=total) as bar:
        return _collect(job, bar.update)


@contextlib.contextmanager
def _children_without_ctrl_c() -> Iterator[None]:
    """Processes that are started in this block never see Ctrl-C, not even while they import.

    They inherit that the signal is blocked; for this process it waits until the block ends.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_stop: Event | None = None
"""Set when this worker is to leave its job."""


def _begin_worker(stop: Event) -> None:
    global _stop
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted too, and sets `stop`


def _collect_in_worker(job: Job) -> Collected:
    def stop_if_told(_rows: int) -> None:
        if _stop is not None and _stop.is_set():
            raise KeyboardInterrupt

    return _collect(job, stop_if_told)


def _collect(job: Job, after_step: Callable[[int], object]) -> Collected:
    """Do the job; `after_step` is called with the number of rows that a step has written."""
    _check(job)
    stream = _Stream(job)
    provenance = Provenance(COLLECTED, _details(job))
    if _is_there(job, provenance) and (job.record is None or job.record.exists()):
        return Collected(job, already_there=True)
    try:
        with _removing_empty_parents(job), replacing(job.folder) as folder:
            folder.mkdir()
            (folder / FILE_NAME).write_text(provenance.to_json(), encoding="utf-8")
            stream.play_into(_ring(folder, job.checkpoint_size), after_step)
            if job.record is not None:
                stream.save_record(job.record)
    except OSError as error:
        raise OutputError(f"cannot write the log {job.folder}: {error}") from error
    return Collected(job, stream.transitions, stream.returns)


def _ring(folder: Path, size: int) -> RingBuffer:
    try:
        return RingBuffer(folder, size)
    except (MemoryError, ValueError):  # the latter beyond what NumPy can count
        needed = size * math.prod(FRAME_SHAPE) / 1e9
        raise OutputError(
            f"checkpoint size {size:,} is too large: the ring would need {needed:,.0f} GB of memory"
        ) from None


@contextlib.contextmanager
def _removing_empty_parents(job: Job) -> Iterator[None]:
    """Where the block fails, leave no empty folders: a source would take them for a run without files."""
    was_there = job.out.exists()
    try:
        yield
    except BaseException:
        run = job.folder.parent
        for folder in (run, run.parent) if was_there else (run, run.parent, job.out):
            with contextlib.suppress(OSError):  # it is not empty
                folder.rmdir()
        raise


def _check(job: Job) -> None:
    if re.match(r"[a-z][a-z0-9+]+:/", str(job.out)):  # a Path makes one slash of a URL's two
        raise OutputError(f"{job.out}: logs are collected into a local folder; copy them from there")
    # As many full checkpoints as the last, partial one has for a number.
    for name, value, least, most in (
        ("checkpoints", job.checkpoints, 1, MOST_CHECKPOINT),
        ("checkpoint size", job.checkpoint_size, SMALLEST_CHECKPOINT, None),
        ("run", job.run, 1, LARGEST_RUN),
        ("seed", job.seed, 0, None),
        ("time limit", job.time_limit, 1, None),
    ):
        if value < least:
            raise OutputError(f"{name} {value} is too small: expected {least} or more")
        if most is not None and value > most:
            raise OutputError(f"{name} {value} is too large: expected {most} or less")


def _is_there(job: Job, provenance: Provenance) -> bool:
    """Whether the very same log is complete.

    Raises:
        OutputError: something else is in its place.
    """
    if not job.folder.exists() or (job.folder.is_dir() and not any(job.folder.iterdir())):
        return False
    advice = "choose another --out or --run, or remove it"
    try:
        text = (job.folder / FILE_NAME).read_text(encoding="utf-8")
        there = Provenance.from_json(text, str(job.folder / FILE_NAME))
    except (OSError, ValueError, AtariReplayError):
        raise OutputError(f"{job.folder} holds something that was not collected here: {advice}") from None
    keys = {*there.details, *provenance.details}.difference(UNCOMPARED)
    differing = sorted(key for key in keys if there.details.get(key) != provenance.details.get(key))
    if differing:
        raise OutputError(f"{job.folder} holds a log with other settings ({', '.join(differing)}): {advice}")
    return True


def _details(job: Job) -> dict[str, Any]:
    schedule = "all actions at random"
    if job.policy == "player":
        shares = random_shares(job.policy, job.checkpoints)
        schedule = (
            f"share of random play {shares[0]:g} in checkpoint 0, falling evenly to {shares[-1]:g} in "
            f"checkpoint {job.checkpoints - 1}, in stretches of {STRETCH} steps"
        )
    return {
        "collector": f"atari-dqn-replay {_own_version()}",
        "game": job.game.name,
        "run": job.run,
        "seed": job.seed,
        "policy": {"random": "uniform random", "player": f"hand-written player of {job.game}"}[job.policy],
        "schedule": schedule,
        "checkpoints": job.checkpoints,
        "checkpoint_size": job.checkpoint_size,
        "ale_py": version("ale-py"),
        "rom_md5": hashlib.md5(rom_of(job.game).read_bytes(), usedforsecurity=False).hexdigest(),
        "reward_clipping": [-1, 1],
        "protocol": {
            "sticky_action_probability": STICKY_ACTION_PROBABILITY,
            "frame_skip": FRAME_SKIP,
            "frame_pooling": "maximum of the last two frames",
            "observation": "{}x{} grey, area interpolation".format(*FRAME_SHAPE),
            "time_limit_steps": job.time_limit,
            "terminal_on_life_loss": False,
            "no_op_starts": False,
        },
    }


def _own_version() -> str:
    try:
        return version("atari-dqn-replay")
    except PackageNotFoundError:
        return "(source tree)"


class _Stream:
    """One agent's play, from its first step to the last that is logged."""

    def __init__(self, job: Job) -> None:
        self._job = job
        console, agent = np.random.SeedSequence([job.seed, job.run]).spawn(2)
        seed = int(console.generate_state(1)[0] >> 1)
        self._environment = AtariEnvironment(job.game, seed=seed, time_limit=job.time_limit)
        self._agent = Agent(job.game, job.policy, np.random.default_rng(agent))
        self._shares = random_shares(job.policy, job.checkpoints)
        self._observation = self._environment.reset()
        self._is_between_episodes = True
        self._began_in = 0
        self._return = 0.0
        self._record: list[tuple[NDArray[np.uint8], int, float, bool]] = []
        self.transitions = 0
        self.returns: dict[int, list[float]] = {}

    def play_into(self, ring: RingBuffer, after_step: Callable[[int], object]) -> None:
        """Play until the log is complete."""
        while not self._is_complete(ring):
            before = ring.add_count
            self._step(ring)
            after_step(ring.add_count - before)
        ring.finish()

    def save_record(self, path: Path) -> None:
        """Write what was played, as `collect` describes it."""
        observation, action, reward, terminal = zip(*self._record, strict=True)
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(
                file,
                observation=np.stack(observation),
                action=np.array(action, np.int32),
                reward=np.array(reward, np.float32),
                terminal=np.array(terminal, bool),
            )

    def _step(self, ring: RingBuffer) -> None:
        if self._is_between_episodes:
            self._began_in, self._return = ring.dumps, 0.0
        share = self._shares[min(ring.dumps, len(self._shares) - 1)]
        action = self._agent.act(self._environment, share)
        observation, reward, terminated, truncated = self._environment.step(action)
        terminal = terminated or truncated
        ring.add(self._observation, action, reward, terminal)
        if self._job.record is not None:
            self._record.append((self._observation, action, clip(reward), terminal))
        self.transitions += 1
        self._return += clip(reward)
        if terminal:
            self.returns.setdefault(self._began_in, []).append(self._return)
        self._observation = self._environment.reset() if terminal else observation
        self._is_between_episodes = terminal

    def _is_complete(self, ring: RingBuffer) -> bool:
        wanted, size = self._job.checkpoints, ring.capacity
        if ring.dumps < wanted and ring.add_count > (2 * wanted + 100) * size:
            raise OutputError(
                f"checkpoint size {size:,} fits the episodes of {self._job.game} so badly that padding skips "
                f"most checkpoints: choose another size"
            )
        if ring.dumps < wanted or ring.cursor == size - 1:  # in the last row, a full dump was made just now
            return False
        ends_here = self._is_between_episodes and ring.cursor >= size // 4
        return ends_here or ring.cursor >= size - 1 - LONGEST_ADD
