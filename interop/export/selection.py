"""What to export: a dataset or a source, and the checkpoints of its runs."""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...builder.dataset import AtariDQNReplay
from ...builder.errors import OutputError, SourceError, UnknownNameError
from ...builder.format.configs import EPISODES, ConfigName, parse_config_name, select_checkpoints
from ...builder.format.games import Game
from ...builder.repos.folder_reader import FolderReader
from ...builder.repos.hub_reader import MAIN, HubReader
from ...builder.repos.repo_reader import NoDatasetError
from ...builder.sources.open import open_source
from ...builder.sources.run import Run, describe_numbers
from ...builder.sources.source import Source
from ..selection import open_repo

_REPO_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class Selection:
    """Checkpoints of one run that a config shows, or that were named."""

    config: ConfigName
    run: Run
    checkpoints: tuple[int, ...]
    are_named: bool
    """Their numbers were given, rather than a view."""

    def __str__(self) -> str:
        return f"{self.config} run {self.run.number}"


def open_dataset(
    name: str | os.PathLike[str] | Source | AtariDQNReplay,
    *,
    revision: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Source:
    """Returns what a user names: a folder with a built dataset, a repo on the Hub, or a source of logs.

    Args:
        name: a folder, `user/name`, or a URL as `open_source` takes it; or a builder, which stands for its
            source.
        revision: of a repo on the Hub.
        storage_options: for the file system of a source; see `open_source`.

    Raises:
        OutputError: there is no such dataset, or it cannot be read.
        SourceError: there is nothing that can be read.
    """
    if isinstance(name, AtariDQNReplay):
        return name.config.open_source()
    if isinstance(name, Source):
        return name
    text = os.fspath(name)
    if revision is not None and (Path(text).exists() or not _REPO_ID.fullmatch(text)):
        raise OutputError(f"{text}: a revision is for a repo on the Hub")
    if Path(text).is_dir():
        try:
            return open_repo(FolderReader(Path(text)))
        except NoDatasetError as no_dataset:
            try:
                return open_source(text, storage_options)
            except SourceError as no_source:
                raise SourceError(f"{no_dataset}; nor replay logs: {no_source}") from None
    if _REPO_ID.fullmatch(text) and not Path(text).exists():
        return open_repo(HubReader(text, revision or MAIN))
    return open_source(text, storage_options)


def select(
    source: Source,
    config_names: Sequence[str],
    *,
    runs: Sequence[int] | None = None,
    checkpoints: Sequence[int] | None = None,
    default_runs: Callable[[Game], Sequence[int] | None] = lambda game: None,
) -> list[Selection]:
    """Returns what the configs show of the runs.

    Args:
        source: a dataset or a source of logs.
        config_names: `<game>-<quality>`; `all-<quality>` for every game that there is.
        runs: which runs; if None, the default ones.
        checkpoints: which checkpoints, instead of those of the config's quality.
        default_runs: of a game; all that there are if None.

    Raises:
        UnknownNameError: there is no such config, run or checkpoint, or no run has what the config shows.
        SourceError: there is no such game.
    """
    selections = []
    for name in dict.fromkeys(_names_of_all(source, config_names)):
        config = parse_config_name(name)
        if config.view == EPISODES:
            raise UnknownNameError(
                f"{name}: a table of episodes; name one of steps, e.g. {config.game.slug}-full"
            )
        numbers = runs or default_runs(config.game) or source.runs(config.game)
        opened = [source.open_run(config.game, run) for run in numbers]
        found = [_select(config, run, checkpoints) for run in opened]
        if not any(each.checkpoints for each in found):
            has = "; ".join(f"run {run.number} has {describe_numbers(run.checkpoints)}" for run in opened)
            raise UnknownNameError(f"{source.describe()}: no run has what {name} shows ({has})")
        selections += [each for each in found if each.checkpoints]
    return selections


def _names_of_all(source: Source, config_names: Sequence[str]) -> Iterator[str]:
    for name in config_names:
        game, _, view = name.rpartition("-")
        yield from [f"{each.slug}-{view}" for each in source.games()] if game == "all" else [name]


def _select(config: ConfigName, run: Run, checkpoints: Sequence[int] | None) -> Selection:
    if checkpoints is not None:
        for number in checkpoints:
            run.require(number)
        return Selection(config, run, tuple(sorted(set(checkpoints))), True)
    shown = select_checkpoints(config.view, run.complete_checkpoints(), run.partial_checkpoints())
    return Selection(config, run, tuple(shown), False)
