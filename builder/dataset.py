"""Builds steps or episodes of any config straight from replay logs, as a dataset builder of `datasets`."""

# pyright: reportIncompatibleMethodOverride=false, reportIncompatibleVariableOverride=false
import contextlib
import operator
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
from datasets import config as datasets_config
from datasets.builder import Key
from datasets.exceptions import DatasetGenerationError

from .errors import AtariReplayError, OutputError, SourceError, UnknownNameError
from .format.configs import (
    EPISODES,
    EXPERT,
    ConfigName,
    all_config_names,
    parse_config_name,
    select_checkpoints,
)
from .format.features import episodes_features, steps_features
from .format.layout import split_name
from .format.numbers import describe_numbers
from .shards.steps import EpisodeRows, episode_columns, steps_tables
from .sources.open import open_source
from .sources.run import Checkpoint, Run, RunReader
from .sources.source import Source

CITATION = """\
@inproceedings{agarwal2020optimistic,
  title = {An Optimistic Perspective on Offline Reinforcement Learning},
  author = {Agarwal, Rishabh and Schuurmans, Dale and Norouzi, Mohammad},
  booktitle = {International Conference on Machine Learning},
  year = {2020}
}"""


class GenerationError(AtariReplayError, DatasetGenerationError):
    """An `AtariReplayError` that `datasets` raises unchanged."""


@dataclass
class AtariDQNReplayConfig(datasets.BuilderConfig):
    """Settings for one view of a source, such as `pong-expert`.

    Args:
        source: a path or URL of a copy of the replay logs.
        source_options: options of the source's file system, e.g. credentials; see `open_source`.
        runs: the runs to include, each a split; all runs in the source if None.
        checkpoints: the checkpoints to include, instead of those of the view's quality.
    """

    version: datasets.Version | str | None = "1.0.0"
    source: str | None = None
    source_options: Mapping[str, Any] | None = None
    runs: Sequence[int] | None = None
    checkpoints: Sequence[int] | None = None

    def open_source(self) -> Source:
        """Open the source.

        Raises:
            SourceError: no source was given, or it holds nothing readable.
        """
        if self.source is None:
            raise SourceError(f"{self.name}: say where the replay logs are, e.g. source='path/to/dqn'")
        return open_source(self.source, self.source_options)

    def open_runs(self) -> list[Run]:
        """Open the requested runs.

        Raises:
            SourceError: the source has no such game.
            UnknownNameError: the source has no such run.
        """
        source, game = self.open_source(), parse_config_name(self.name).game
        runs = source.runs(game) if self.runs is None else self.runs
        return [source.open_run(game, run) for run in runs]

    def create_config_id(self, config_kwargs: dict, custom_features: datasets.Features | None = None) -> str:
        """Returns the name of the cache folder, which changes when the source does."""
        if self.source is not None:
            source, game = self.open_source(), parse_config_name(self.name).game
            stamp = source.fingerprint(game, source.runs(game) if self.runs is None else self.runs)
            config_kwargs = {**config_kwargs, "fingerprint": stamp, "source_options": None}
        return super().create_config_id(config_kwargs, custom_features)


# ArrowBasedBuilder comes first because it moves tables instead of rows.
class AtariDQNReplay(datasets.ArrowBasedBuilder, datasets.GeneratorBasedBuilder):  # pyright: ignore
    """Steps or episodes of Atari play, straight from replay logs.

    Splits are the runs in the source (`run_1` … `run_5`), and shards are checkpoints. `as_dataset`,
    `as_streaming_dataset` and a built repo yield the same rows in the same order.

    Args:
        config_name: `<game>-mixed|medium|expert|full|episodes`, e.g. `pong-expert`; `pong-epoch-7` is
            checkpoint 7 alone, see `by_file_number`.
        source: a path or URL of a copy of the replay logs.
        runs: the runs to include, in any order; all runs in the source if None.
        checkpoints: the checkpoints to include, in any order, instead of those of the view's quality.
        cache_dir: the folder that `download_and_prepare` writes to.
        storage_options: options of the source's file system, e.g. credentials; see `open_source`.

    Raises:
        AtariReplayError: there is no such game, view, run or checkpoint, or a log file is damaged.

    Example:

    ```python
    >>> from atari_dqn_replay import AtariDQNReplay, decode_frames
    >>> builder = AtariDQNReplay("pong-expert", source="mirror/dqn")
    >>> steps = builder.as_streaming_dataset(split="run_1")
    >>> batch = next(steps.with_format("arrow").iter(batch_size=32))
    >>> decode_frames(batch["observation"]).shape
    (32, 84, 84)
    ```
    """

    # The public module, not this file: `datasets` names the cache's folders after it.
    __module__ = "atari_dqn_replay"

    config: AtariDQNReplayConfig
    BUILDER_CONFIG_CLASS = AtariDQNReplayConfig
    BUILDER_CONFIGS = [AtariDQNReplayConfig(name=name) for name in all_config_names()]  # noqa: RUF012

    def __init__(
        self,
        config_name: str | None = None,
        *,
        source: str | os.PathLike[str] | None = None,
        runs: Sequence[int] | None = None,
        checkpoints: Sequence[int] | None = None,
        cache_dir: str | None = None,
        storage_options: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        if config_name is None:
            raise UnknownNameError("which config? e.g. AtariDQNReplay('pong-expert', source=…)")
        given = {
            "source": None if source is None else os.fspath(source),
            "runs": None if runs is None else _numbers(runs, "runs"),
            "checkpoints": None if checkpoints is None else _numbers(checkpoints, "checkpoints"),
            # Not `storage_options`: `datasets` applies those to its cache.
            "source_options": storage_options,
        }
        self._readers: dict[tuple[int, int], RunReader] = {}
        self._unwritable: str | None = None
        """The cache folder, if it cannot be written: streams do not need it."""
        root = str(cache_dir or datasets_config.HF_DATASETS_CACHE)
        if not _can_be_written(root):
            self._unwritable = root
            # `datasets` wants a folder for its lock all the same.
            self._stand_in = tempfile.TemporaryDirectory(prefix="atari-dqn-replay-")
            cache_dir = self._stand_in.name
        name = parse_config_name(config_name)
        if name.checkpoint is not None:
            given["checkpoints"] = given["checkpoints"] or (name.checkpoint,)
            name = ConfigName(name.game, "full")
        super().__init__(
            cache_dir=cache_dir,
            config_name=str(name),
            **{name: value for name, value in given.items() if value is not None},
            **options,
        )

    def __getstate__(self) -> dict[str, Any]:
        # Open files and threads belong to one process.
        return {**super().__getstate__(), "_readers": {}, "_stand_in": None}

    def download_and_prepare(self, output_dir: str | None = None, *arguments: Any, **options: Any) -> None:
        """Write the rows of all splits into the cache, or into a folder, as every builder of `datasets` does.

        Raises:
            OutputError: the cache cannot be written.
        """
        if output_dir is None and self._unwritable is not None:
            raise OutputError(
                f"{self._unwritable}: the cache cannot be written; give cache_dir= or set HF_DATASETS_CACHE "
                f"to a folder that can, or read with as_streaming_dataset, which needs no cache"
            )
        super().download_and_prepare(output_dir, *arguments, **options)

    def _info(self) -> datasets.DatasetInfo:
        name = parse_config_name(self.config.name)
        needs_runs = self.config.source is not None and (name.view != EPISODES or name.game.world is not None)
        runs = self.config.open_runs() if needs_runs else []
        if name.view == EPISODES:
            columns = episodes_features(name.game, {each for run in runs for each in run.episode_columns})
        else:
            columns = steps_features(name.game, {each for run in runs for each in run.optional_columns})
        return datasets.DatasetInfo(
            description=f"Play of {name.game}, from logs in the layout of the DQN Replay Dataset.",
            features=datasets.Features.from_arrow_schema(columns.arrow_schema),
            citation=CITATION,
        )

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        splits = []
        runs = self.config.open_runs()
        for run in runs:
            checkpoints = self._select_checkpoints(run)
            if checkpoints:
                given = {"run": run.number, "checkpoints": checkpoints}
                splits.append(datasets.SplitGenerator(split_name(run.number), gen_kwargs=given))
        if not splits:
            found = [f"run {run.number}: checkpoints {describe_numbers(run.checkpoints)}" for run in runs]
            raise UnknownNameError(
                f"{self.config.name}: no run has such a checkpoint at {self.config.open_source().describe()} "
                f"(it has {', '.join(found)})"
            )
        return splits

    def _select_checkpoints(self, run: Run) -> list[int]:
        if self.config.checkpoints is not None:
            for number in self.config.checkpoints:
                run.require(number)
            return list(self.config.checkpoints)
        view = parse_config_name(self.config.name).view
        selected = select_checkpoints(view, run.complete_checkpoints(), run.partial_checkpoints())
        if view == EXPERT:
            # A part of a dataset may lack the last one, and some stores do not say which it is.
            return [number for number in selected if run.is_last_complete(number)]
        return selected

    def _generate_shards(self, run: int, checkpoints: list[int]) -> Iterator[str]:
        for number in checkpoints:
            yield f"{split_name(run)}/checkpoint_{number:02d}"

    def _generate_tables(self, run: int, checkpoints: list[int]) -> Iterator[tuple[Key, pa.Table]]:
        # A suspended generator may be closed at interpreter exit, when globals are gone.
        caught, raised = AtariReplayError, GenerationError
        try:
            for shard, number in enumerate(checkpoints):
                reader = self._take_reader(run, number)
                try:
                    for place, table in enumerate(self._tables(reader.checkpoint(number))):
                        yield Key(shard, place), table
                except BaseException:
                    reader.close()
                    raise
                self._keep_reader(reader, run, number)
        except caught as error:
            raise raised(str(error)) from None

    def _generate_examples(self, run: int, checkpoints: list[int]) -> Iterator[tuple[Key, dict[str, Any]]]:
        for key, table in self._generate_tables(run, checkpoints):
            for row in table.to_pylist():
                yield key, row

    def _tables(self, checkpoint: Checkpoint) -> Iterator[pa.Table]:
        assert self.info.features is not None
        schema = self.info.features.arrow_schema
        if parse_config_name(self.config.name).view == EPISODES:
            rows = EpisodeRows(checkpoint.id)
            for episode in checkpoint.episodes():
                rows.add(episode)
            yield rows.table(schema)
        else:
            blocks = (block for episode in checkpoint.episodes() for block in episode_columns(episode))
            yield from steps_tables(blocks, schema)

    def _take_reader(self, run: int, number: int) -> RunReader:
        """Returns the previous checkpoint's reader, already positioned here, or opens a new one."""
        reader = self._readers.pop((os.getpid(), run), None)
        if reader is not None and reader.next_number == number:
            return reader
        if reader is not None:
            reader.close()
        game = parse_config_name(self.config.name).game
        opened = self.config.open_source().open_run(game, run)
        reader = opened.reader()
        reader.expect(self._select_checkpoints(opened))
        return reader

    def _keep_reader(self, reader: RunReader, run: int, number: int) -> None:
        if reader.next_number in self._select_checkpoints(reader.run):
            self._readers[os.getpid(), run] = reader
        else:
            reader.close()


def _can_be_written(folder: str) -> bool:
    """Returns whether files can be written into a folder, created if it is missing; a URL is not tried."""
    if "://" in folder:
        return True
    try:
        place = Path(folder).expanduser()
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            return True
    except OSError:
        return False


def _numbers(given: Iterable[Any], what: str) -> tuple[int, ...]:
    """Returns each number once, ascending; accepts NumPy integers too.

    Raises:
        UnknownNameError: a value is not an integer.
    """
    with contextlib.suppress(TypeError):
        numbers = {operator.index(number) for number in given if not isinstance(number, bool)}
        if numbers:
            return tuple(sorted(numbers))
    raise UnknownNameError(f"{what}={given!r}: give whole numbers, e.g. {what}=[1, 2]")
