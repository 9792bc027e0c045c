"""Builds a dataset repo in a folder: checkpoint by checkpoint, and the card last."""

import contextlib
import errno
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .card import merge_card
from .episodes import RunReader
from .errors import OutputError, SourceError
from .files import replacing
from .games import Game
from .layout import CARD, manifest_file
from .manifest import Manifest
from .progress import progress_bar
from .replay_log import ReplayLog
from .repo_folder import check_repo_folder, read_manifests
from .shards import write_checkpoint
from .sources import Source
from .summary import summary_table


@dataclass(frozen=True)
class BuildUnit:
    """One checkpoint of a run, to be built."""

    log: ReplayLog
    checkpoint: int

    @property
    def rows(self) -> int:
        """Rows of the ring: what is to be read."""
        return self.log.capacity

    def __str__(self) -> str:
        return f"{self.log.game} run {self.log.run} checkpoint {self.checkpoint}"


@dataclass(frozen=True)
class BuildPlan:
    """What a build would make, and what an earlier one has made already."""

    to_build: list[BuildUnit]
    done: list[BuildUnit]

    def __str__(self) -> str:
        lines = [f"would build {unit}: {unit.rows:,} rows" for unit in self.to_build]
        total = f"{len(self.to_build)} checkpoints to build, {sum(unit.rows for unit in self.to_build):,} rows"
        return "\n".join([*lines, f"{total}; {len(self.done)} are done"])


def plan_build(
    source: Source,
    games: Sequence[Game],
    out: Path,
    *,
    runs: Sequence[int] | None = None,
    checkpoints: Sequence[int] | None = None,
) -> BuildPlan:
    """The checkpoints to build, in order; those whose manifest agrees with the source are done.

    Args:
        source: a copy of the replay logs.
        games: which of its games.
        out: the folder, which may hold a part of the dataset.
        runs: which runs, all that the source has if None.
        checkpoints: which checkpoints of each run, all if None.

    Raises:
        SourceError: the source has no such game or run.
        UnknownNameError: a run has no such checkpoint.
        OutputError: `out` holds something else.
    """
    check_repo_folder(out)
    plan = BuildPlan([], [])
    for game in games:
        for run in source.runs(game) if runs is None else runs:
            log = ReplayLog(source, game, run)
            for number in log.numbers if checkpoints is None else checkpoints:
                log.require(number)
                unit = BuildUnit(log, number)
                (plan.done if _is_done(unit, out) else plan.to_build).append(unit)
    if not plan.to_build and not plan.done:
        raise SourceError(f"{source.describe('')}: holds no runs of {', '.join(map(str, games))}")
    return plan


@dataclass(frozen=True)
class BuildReport:
    """What a folder holds of the games that were built; its text is what the command line prints."""

    out: Path
    manifests: tuple[Manifest, ...]
    built: int
    """Checkpoints that this build made; the others were there."""

    def __str__(self) -> str:
        return f"{summary_table(self.manifests)}\n{self.built} checkpoints built: {self.out}"


def build(plan: BuildPlan, out: Path, *, license: str | None = None) -> BuildReport:
    """Build what the plan lacks, and render the card.

    Killed at any moment and run again, it goes on with the next checkpoint, and the result is the same.

    Raises:
        ReplayLogError: a log file is missing or damaged; finished checkpoints stay.
        OutputError: the folder cannot be written, or its disk is full.
    """
    with _writing(out):
        _build_units(plan.to_build, out)
        games = {unit.log.game for unit in (*plan.to_build, *plan.done)}
        manifests = [manifest for game in sorted(games, key=str) for manifest in read_manifests(out, game)]
        card = out / CARD
        existing = card.read_text(encoding="utf-8") if card.exists() else None
        text = merge_card(existing, manifests, license=license)
        if text != existing:
            with replacing(card) as temporary:
                temporary.write_text(text, encoding="utf-8")
    return BuildReport(out, tuple(manifests), len(plan.to_build))


def _build_units(units: Sequence[BuildUnit], out: Path) -> None:
    total = sum(unit.rows for unit in units)
    reader: RunReader | None = None
    with progress_bar(total=total, description="build", unit=" rows") as bar:
        for unit in units:
            bar.set_postfix_str(str(unit))
            if reader is None or reader.log is not unit.log:
                if reader is not None:
                    reader.close()
                reader = RunReader(unit.log)
            try:
                write_checkpoint(reader.checkpoint(unit.checkpoint), out, unit.log.provenance, bar.update)
            except BaseException:
                reader.close()
                raise
        if reader is not None:
            reader.close()


def _is_done(unit: BuildUnit, out: Path) -> bool:
    """Whether the folder has the checkpoint, made from files of the same sizes with the same neighbours."""
    path = out / manifest_file(unit.log.game, unit.log.run, unit.checkpoint)
    try:
        manifest = Manifest.from_json(path.read_bytes(), str(path))
    except (FileNotFoundError, OutputError):
        return False
    return (
        (manifest.earlier, manifest.later) == unit.log.neighbours(unit.checkpoint)
        and all(unit.log.source.size(record.path) == record.size for record in manifest.sources)
        and all(_has_size(out / record.path, record.size) for record in manifest.files())
    )


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


@contextlib.contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            free = shutil.disk_usage(out).free
            raise OutputError(
                f"{out}: the disk is full ({free / 1e9:.2f} GB free); make room and run the "
                f"same command again: it goes on with the checkpoint that it was writing"
            ) from None
        raise OutputError(f"{out}: cannot be written ({error})") from None
