"""Builds a dataset repo in a folder: checkpoint by checkpoint, and the card last."""

import contextlib
import errno
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .card import merge_card
from .errors import OutputError, SourceError, UnknownNameError
from .files import replacing, writing_alone
from .front_matter import decode_readme
from .games import Game
from .layout import CARD, MOST_CHECKPOINT, manifest_file
from .manifest import Manifest
from .progress import progress_bar
from .repo_folder import check_repo_folder, read_manifests
from .run import Run, RunReader
from .shards import write_checkpoint
from .source import Source
from .summary import summary_table


@dataclass(frozen=True)
class BuildUnit:
    """One checkpoint of a run, to be built."""

    run: Run
    checkpoint: int

    @property
    def rows(self) -> int:
        """About what is to be read."""
        return self.run.rows(self.checkpoint)

    def __str__(self) -> str:
        return f"{self.run.game} run {self.run.number} checkpoint {self.checkpoint}"


@dataclass(frozen=True)
class BuildPlan:
    """What a build would make, and what an earlier one has made already."""

    to_build: list[BuildUnit]
    done: list[BuildUnit]

    def __str__(self) -> str:
        lines = [f"would build {unit}: {unit.rows:,} rows" for unit in self.to_build]
        total = (
            f"{len(self.to_build)} checkpoints to build, {sum(unit.rows for unit in self.to_build):,} rows"
        )
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
        for number in source.runs(game) if runs is None else runs:
            run = source.open_run(game, number)
            sizes = run.file_sizes()
            for checkpoint in run.checkpoints if checkpoints is None else checkpoints:
                run.require(checkpoint)
                if checkpoint > MOST_CHECKPOINT:
                    raise UnknownNameError(
                        f"{run.where}: checkpoint {checkpoint}; a dataset holds those up to {MOST_CHECKPOINT}"
                    )
                unit = BuildUnit(run, checkpoint)
                (plan.done if _is_done(unit, out, sizes) else plan.to_build).append(unit)
            _check_others(run, plan, out)
    if not plan.to_build and not plan.done:
        raise SourceError(f"{source.describe()}: holds no runs of {', '.join(map(str, games))}")
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
    with _writing(out), writing_alone(out):
        _build_units(plan.to_build, out)
        games = {unit.run.game for unit in (*plan.to_build, *plan.done)}
        manifests = [manifest for game in sorted(games, key=str) for manifest in read_manifests(out, game)]
        card = out / CARD
        existing = decode_readme(card.read_bytes(), str(out)) if card.exists() else None
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
            if reader is None or reader.run is not unit.run:
                if reader is not None:
                    reader.close()
                reader = unit.run.reader()
                reader.expect([other.checkpoint for other in units if other.run is unit.run])
            try:
                write_checkpoint(reader.checkpoint(unit.checkpoint), out, bar.update)
            except BaseException:
                reader.close()
                raise
        if reader is not None:
            reader.close()


def _is_done(unit: BuildUnit, out: Path, sizes: Mapping[str, int | None]) -> bool:
    """Whether the folder has the checkpoint, made from files of the same sizes with the same neighbours."""
    run = unit.run
    path = out / manifest_file(run.game, run.number, unit.checkpoint)
    try:
        manifest = Manifest.from_json(path.read_bytes(), str(path))
    except (FileNotFoundError, OutputError):
        return False
    return (
        (manifest.earlier, manifest.later) == run.neighbours(unit.checkpoint)
        and manifest.log == (run.capacity(), run.provenance)
        and manifest.last_complete == run.is_last_complete(unit.checkpoint)
        and all(sizes.get(record.path) == record.size for record in manifest.sources)
        and all(_has_size(out / record.path, record.size) for record in manifest.files())
    )


def _check_others(run: Run, plan: BuildPlan, out: Path) -> None:
    """See to it that what the folder holds of this run, and will go on holding, is of the same log."""
    rebuilt = {unit.checkpoint for unit in plan.to_build if unit.run is run}
    for manifest in read_manifests(out, run.game):
        stays = manifest.run == run.number and manifest.checkpoint not in rebuilt
        if stays and manifest.log != (run.capacity(), run.provenance):
            raise OutputError(
                f"{out}: holds checkpoint {manifest.checkpoint} of {run.game} run {run.number}, "
                f"of another log than {run.where}; name another folder, or remove that run there"
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
