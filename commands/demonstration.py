"""The main job on an embedded default: play, build, publish to a folder, and stream it back."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ..builder.assembly.build import BuildReport, build, plan_build
from ..builder.assembly.summary import summary_table
from ..builder.collecting.log_settings import LogSettings
from ..builder.collecting.workers import collect_many
from ..builder.format.configs import MEDIUM_CHECKPOINT
from ..builder.format.frames import decode_frames
from ..builder.format.games import Game, find_game
from ..builder.publishing.publish import publish
from ..builder.repos.folder_destination import FolderDestination
from ..builder.sources.open import open_source
from ..builder.terminal.text_table import text_table
from ..builder.verification.stock_streams import end_streams_before_python

PLAYED = ("freeway", "breakout", "pong")
"""The one that takes longest to play first."""
TIME_LIMIT = 400
"""Steps: a game of Pong that is played well takes 6,000, which is longer than a demonstration should."""
CHECKPOINT_SIZE = 410
"""Just enough for a whole episode in each checkpoint."""
CHECKPOINTS = 12
SHOWN = "pong"

Result = TypeVar("Result")


@dataclass(frozen=True)
class Demo:
    """What the demo made; its text is what the command line prints."""

    dataset: Path
    report: BuildReport
    returns: list[tuple[str, ...]]
    seconds: dict[str, float]
    streamed: str

    def __str__(self) -> str:
        times = "  ".join(f"{step} {seconds:.1f} s" for step, seconds in self.seconds.items())
        return "\n".join(
            [
                summary_table(self.report.manifests),
                "",
                "mean return of complete episodes, with rewards clipped as in the original",
                f"(they are truncated after {TIME_LIMIT:,} steps):",
                text_table(("game", "mixed", "medium", "expert"), self.returns),
                "",
                f"times: {times}",
                self.streamed,
                "",
                "to use it:",
                "  from datasets import load_dataset",
                f'  steps = load_dataset("{self.dataset}", "{SHOWN}-expert", split="run_1", streaming=True)',
                '  print(next(iter(steps))["observation"].size)',
            ]
        )


def run_demo(out: Path) -> Demo:
    """Play three games, build and publish a dataset of them below `out`, and stream it with `datasets`.

    Run again, it goes on where it was stopped.

    Raises:
        OutputError: `out` cannot be written, or holds something else.
    """
    logs, built, dataset = out / "logs", out / "built", out / "dataset"
    games = [find_game(name) for name in PLAYED]
    seconds: dict[str, float] = {}
    settings = [_settings(game, logs) for game in games]
    _timed(seconds, "play", lambda: collect_many(settings, workers=len(settings)))
    source = open_source(str(logs))
    report = _timed(seconds, "build", lambda: build(plan_build(source, games, built), built))
    _timed(seconds, "publish", lambda: publish(built, FolderDestination(dataset)))
    streamed = _timed(seconds, "stream", lambda: _stream(dataset))
    return Demo(dataset, report, [_returns(report, game) for game in games], seconds, streamed)


def _settings(game: Game, logs: Path) -> LogSettings:
    return LogSettings(
        game,
        logs,
        "player",
        checkpoints=CHECKPOINTS,
        checkpoint_size=CHECKPOINT_SIZE,
        time_limit=TIME_LIMIT,
    )


def _timed(seconds: dict[str, float], step: str, work: Callable[[], Result]) -> Result:
    start = time.perf_counter()
    result = work()
    seconds[step] = time.perf_counter() - start
    return result


def _stream(dataset: Path) -> str:
    """Read the published folder with plain `datasets`, and count the frames."""
    from datasets import load_dataset

    end_streams_before_python()
    steps: Any = load_dataset(str(dataset), f"{SHOWN}-expert", split="run_1", streaming=True)
    frames = sum(
        len(decode_frames(batch["observation"])) for batch in steps.with_format("arrow").iter(batch_size=1024)
    )
    return f'load_dataset("{dataset}", "{SHOWN}-expert", split="run_1", streaming=True) gave {frames:,} steps'


def _returns(report: BuildReport, game: Game) -> tuple[str, ...]:
    """Mean returns of the game's mixed, medium and expert checkpoints."""
    means = {
        manifest.checkpoint: manifest.returns.mean
        for manifest in report.manifests
        if manifest.game == game.name and not manifest.partial
    }
    shown = [means[0], means[MEDIUM_CHECKPOINT], means[max(means)]]
    return game.slug, *("-" if mean is None else f"{mean:.1f}" for mean in shown)
