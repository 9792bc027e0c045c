"""Newly played replay logs: an agent plays a game, which is logged as the original dataset was."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import OutputError
from ..files import replacing
from ..format.frame_format import GREY84, FrameFormat
from ..format.games import Game
from ..format.protocol import TIME_LIMIT
from ..format.provenance import COLLECTED, FILE_NAME, Provenance
from ..terminal.progress import progress_bar
from .already_there import is_there
from .log_settings import LogSettings
from .ring_buffer import new_ring
from .stream import Stream


@dataclass(frozen=True)
class Collected:
    """A collected log."""

    settings: LogSettings
    transitions: int = 0
    """Transitions that were played, without padding; 0 if the log was already there."""
    returns: dict[int, list[float]] = field(default_factory=dict)
    """For each checkpoint, the returns, as logged, of the episodes that began in it and came to an end."""
    already_there: bool = False
    """Whether the same log was already complete; nothing was done then."""

    def __str__(self) -> str:
        if self.already_there:
            return f"{self.settings.folder}: already there, collected with the same settings"
        lines = [
            f"checkpoint {number}: {len(returns)} episodes, mean return {np.mean(returns):.1f}"
            for number, returns in sorted(self.returns.items())
        ]
        count, size = self.settings.checkpoints, self.settings.checkpoint_size
        head = f"{self.settings.folder}: {count} checkpoints of {size:,} rows and a partial one"
        return "\n".join([f"{head}, {self.transitions:,} transitions", *lines])


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
    frame_format: FrameFormat = GREY84,
    probabilities: bool = False,
) -> Collected:
    """Play a game and log it in the layout and by the rules of the DQN Replay Dataset.

    The agent plays until `checkpoints` laps are dumped (a lap that the rules skip is played and lost, and
    does not count), and on into the next lap: to the first end of an episode after a quarter of it, or, if
    there is none, to a few rows before its end. The last, partial dump follows. So an episode that began
    in the last full checkpoint is logged whole if it is shorter than a lap. The same arguments produce the
    same bytes.

    The log's folder appears when the log is complete; until then it is called `replay_logs.incomplete`, and
    a rerun starts from the beginning. It also holds `provenance.json`, which states that this is not the
    original dataset. If the same log is already there, nothing is done.

    Args:
        game: the game to play.
        out: root folder of the logs; the log goes to `<out>/<Game>/<run>/replay_logs`.
        policy: `random`, uniformly, or `player`; see `agent.Agent` and `agent.random_shares`.
        checkpoints: laps to dump before the last, partial one.
        checkpoint_size: rows in the ring, each of a frame's size in memory, 7 KB by default; 1,000,000 in
            the original.
        run: number of the run; each run plays differently.
        seed: seed of all random choices.
        record: an `.npz` file for what was played, in order and without padding: observation (n, 84, 84)
            uint8 by default, action (n,) int32, reward (n,) float32, clipped, and terminal (n,) bool. All of
            it is held in memory, so this is for small logs.
        time_limit: agent steps after which an episode is cut off.
        frame_format: the format of the observations; see `AtariEnvironment`.
        probabilities: log with which probability each action was chosen as well, as `$store$_prob`: 1 for
            what the player does, and one in the number of actions where chance is in control.

    Raises:
        UnknownNameError: there is no such policy, or no player for this game.
        OutputError: a number is too small or too large, the folder holds something else, or it cannot be
            written.
    """
    return collect_log(
        LogSettings(
            game,
            out,
            policy,
            checkpoints,
            checkpoint_size,
            run,
            seed,
            record,
            time_limit,
            frame_format,
            probabilities,
        )
    )


def collect_log(settings: LogSettings) -> Collected:
    """Collect one log in this process, as `collect` does, and show the progress."""
    total = settings.checkpoints * settings.checkpoint_size
    with progress_bar(
        description=f"collect {settings.game.slug} run {settings.run}", unit="row", total=total
    ) as bar:
        return collect_quietly(settings, bar.update)


def collect_quietly(settings: LogSettings, after_step: Callable[[int], object]) -> Collected:
    """Collect one log; `after_step` is called with the number of rows that each step has written."""
    settings.check()
    stream = Stream(settings)
    provenance = Provenance(COLLECTED, settings.details())
    if is_there(settings.folder, provenance) and (settings.record is None or settings.record.exists()):
        return Collected(settings, already_there=True)
    try:
        with _removing_empty_parents(settings), replacing(settings.folder) as folder:
            folder.mkdir()
            (folder / FILE_NAME).write_text(provenance.to_json(), encoding="utf-8")
            ring = new_ring(
                folder,
                settings.checkpoint_size,
                settings.frame_format,
                probabilities=settings.probabilities,
                final_observations=True,
            )
            with contextlib.closing(ring):
                stream.play_into(ring, after_step)
            if settings.record is not None:
                stream.save_record(settings.record)
    except OSError as error:
        raise OutputError(f"cannot write the log {settings.folder}: {error}") from error
    return Collected(settings, stream.transitions, stream.returns)


@contextlib.contextmanager
def _removing_empty_parents(settings: LogSettings) -> Iterator[None]:
    """Remove empty folders if the block fails: a source would take them for a run without files."""
    was_there = settings.out.exists()
    try:
        yield
    except BaseException:
        run = settings.folder.parent
        for folder in (run, run.parent) if was_there else (run, run.parent, settings.out):
            with contextlib.suppress(OSError):  # it is not empty
                folder.rmdir()
        raise
