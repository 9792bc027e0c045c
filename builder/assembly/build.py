"""Builds a dataset repo in a folder: the smallest case of a publication, with one process and no Hub."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..engines.engine import ProcessEngine
from ..errors import OutputError
from ..format.compression import SMALL
from ..format.games import Game
from ..format.manifest import Manifest
from ..repos.repo_folder import read_manifests
from ..sources.source import Source
from .coordinator import publish_plan
from .job import Place
from .plan import Plan, make_plan
from .summary import summary_table


def plan_build(
    source: Source,
    games: Sequence[Game],
    out: Path,
    *,
    runs: Sequence[int] | None = None,
    checkpoints: Sequence[int] | None = None,
    compression: str = SMALL,
) -> Plan:
    """Returns what a build into a folder would make; see `make_plan`.

    Raises:
        OutputError: the folder's name contains `{game}`, or the folder holds something else.
    """
    place = Place(folder=str(out))
    if place.for_each_game:
        raise OutputError(f"{out}: one folder is built; for one of each game, publish from the source")
    return make_plan(source, games, place, runs=runs, checkpoints=checkpoints, compression=compression)


@dataclass(frozen=True)
class BuildReport:
    """What a folder holds of the games that were built; its text is what the command line prints."""

    out: Path
    manifests: tuple[Manifest, ...]
    built: int
    """Number of checkpoints that this build made; the others were already there."""

    def __str__(self) -> str:
        return f"{summary_table(self.manifests)}\n{self.built} checkpoints built: {self.out}"


def build(plan: Plan, out: Path, *, license: str | None = None, preview: int | None = None) -> BuildReport:
    """Build a plan's unpublished checkpoints, and bring the card up to date.

    If it is killed at any moment and run again, it continues where it was, and the result is the same.

    Args:
        plan: what to build, from `plan_build`.
        out: the folder.
        license: the license for the card to name; None keeps what the card names.
        preview: the number of episodes of each game in the config `preview`; 0 removes these games from it;
            None keeps what the folder has.

    Raises:
        SourceError: a file is missing or damaged; the checkpoints that do not need it are built.
        OutputError: the folder cannot be written, or its disk is full.
    """
    outcome = publish_plan(plan, ProcessEngine(), license=license, preview=preview)
    outcome.require_success()
    manifests = [manifest for game in plan.destinations for manifest in read_manifests(out, game)]
    return BuildReport(out, tuple(manifests), len(outcome.published))
