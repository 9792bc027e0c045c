"""What there is to read: the shards of a split, and where each episode lies in them."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import datasets
import numpy as np
import pyarrow as pa

from ..builder.errors import AtariReplayError, UnknownNameError
from ..builder.format.configs import EPISODES, parse_config_name
from .errors import DatasetError, MissingFileError
from .step_shards import ArrowShard, ParquetShard, StepShard

EPISODE_FIELDS = np.dtype(
    [
        ("shard", "<i4"),
        ("first_row", "<i8"),
        ("length", "<i8"),
        ("checkpoint", "<i4"),
        ("episode", "<i4"),
        ("return", "<f4"),
        ("terminated", "?"),
        ("complete", "?"),
    ]
)
"""One entry per episode; `first_row` counts within the shard."""

NUMBERS = (
    "action", "reward", "terminated", "truncated", "return_to_go", "checkpoint", "episode", "step"
)  # fmt: skip
STEP_COLUMNS = ("observation", *NUMBERS)

Dataset = str | os.PathLike[str] | datasets.Dataset | datasets.IterableDataset

CONNECTIONS = 8
"""Files that are opened at the same time."""


@dataclass(frozen=True)
class Catalog:
    """The shards of a selection and its episodes, in order of play."""

    shards: list[StepShard]
    episodes: np.ndarray
    """Of dtype EPISODE_FIELDS, sorted by shard and first row."""
    action_names: tuple[str, ...]

    def select(self, chosen: np.ndarray) -> "Catalog":
        """The same shards with some of the episodes: a mask or their indices."""
        return Catalog(self.shards, self.episodes[chosen], self.action_names)

    def episodes_of_shard(self, shard: int) -> np.ndarray:
        """Those of the episodes that lie in a shard."""
        return self.episodes[self._bounds[shard] : self._bounds[shard + 1]]

    @property
    def steps(self) -> int:
        """How many steps the episodes have."""
        return int(self.episodes["length"].sum())

    @cached_property
    def _bounds(self) -> np.ndarray:
        return np.searchsorted(self.episodes["shard"], np.arange(len(self.shards) + 1))


def open_catalog(
    dataset: Dataset,
    config_name: str | None = None,
    split: str | None = None,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
) -> Catalog:
    """Find the shards and the episodes of a dataset.

    Args:
        dataset: a folder, a repo on the Hub, a prepared `Dataset` of steps, or an `IterableDataset` that
            `load_dataset(…, streaming=True)` gave.
        config_name: `<game>-<quality>`, of a folder or a repo.
        split: `run_1` and so on, of a folder or a repo.
        revision: of a repo.
        token: for a private repo; None takes it from the usual places.

    Raises:
        DatasetError: there is no such config or split, or the data has another schema.
    """
    if isinstance(dataset, datasets.Dataset):
        return _catalog_of_table(dataset)
    if isinstance(dataset, datasets.IterableDataset):
        return _catalog_of_files(_files_of_stream(dataset), token)
    if config_name is None or split is None:
        raise DatasetError(f"{dataset}: name a config and a split, e.g. 'pong-expert', split='run_1'")
    name = parse_config_name(config_name)
    if name.view == EPISODES:
        raise DatasetError(
            f"{config_name}: a table of episodes; name one of steps, e.g. {name.game.slug}-full"
        )
    return _catalog_of_files(_data_files(os.fspath(dataset), str(name), split, revision, token), token)


def _data_files(
    path: str, config_name: str, split: str, revision: str | None, token: str | bool | None
) -> list[str]:
    try:
        builder = datasets.load_dataset_builder(path, config_name, revision=revision, token=token)
    except AtariReplayError:
        raise
    except (ValueError, FileNotFoundError, OSError) as error:
        raise DatasetError(f"{path}: {_first_line(error)}") from None
    files = builder.config.data_files or {}
    if split not in files:
        raise UnknownNameError(
            f"{path}: {config_name} has no split {split!r}; it has {', '.join(files) or 'none'}"
        )
    return [str(file) for file in files[split]]


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _files_of_stream(stream: datasets.IterableDataset) -> list[str]:
    """The Parquet files behind a stream that nothing was done to since it was loaded."""
    source = stream._ex_iterable
    kwargs = getattr(source, "kwargs", None)
    files = kwargs.get("files") if isinstance(kwargs, dict) else None
    if not files or any(not str(file).endswith(".parquet") for file in files):
        raise DatasetError(
            "this IterableDataset is not as load_dataset(…, streaming=True) gives one of a built dataset; "
            "give the dataset's folder or repo instead, or build it first"
        )
    builder = getattr(getattr(source, "generate_tables_fn", None), "__self__", None)
    filters = getattr(getattr(builder, "config", None), "filters", None)
    parts = kwargs.get("row_groups_list") if isinstance(kwargs, dict) else None
    if filters is not None or any(part is not None for part in parts or ()):
        raise DatasetError(
            "this IterableDataset was loaded with filters or resharded; give it as it was without, and "
            "choose episodes with EpisodeFilter: frames are stacked from neighbouring rows"
        )
    return [str(file) for file in files]


def _catalog_of_files(files: Sequence[str], token: str | bool | None) -> Catalog:
    with ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="open") as executor:
        shards = list(executor.map(lambda file: ParquetShard(file, token=token), files))
        tables = dict.fromkeys(_episodes_table(file) for file in files)
        found = executor.map(lambda table: None if table is None else _read_table(table, token), tables)
        for table, content in zip(tables, found, strict=True):
            tables[table] = content
    names = {_action_names(shard.schema, shard.name) for shard in shards}
    if len(names) > 1:
        raise DatasetError(f"{files[0]} and other files have different actions; read one game at a time")
    undescribed = [number for number, file in enumerate(files) if tables[_episodes_table(file)] is None]
    episodes = np.concatenate(
        [
            *_episodes_of_tables(shards, [table for table in tables.values() if table is not None]),
            *(_episodes_of_shard(shards[number], number) for number in undescribed),
        ]
    )
    episodes.sort(order=["shard", "first_row"])
    _check_coverage(shards, episodes)
    return Catalog(list(shards), episodes, names.pop())


def _catalog_of_table(dataset: datasets.Dataset) -> Catalog:
    shard = ArrowShard(dataset)
    names = _action_names(shard.schema, shard.name)
    return Catalog([shard], _episodes_of_shard(shard, 0), names)


def _action_names(schema: pa.Schema, where: str) -> tuple[str, ...]:
    """The game's actions, of a schema that is that of steps."""
    features = datasets.Features.from_arrow_schema(schema)
    missing = [column for column in STEP_COLUMNS if column not in features]
    action = features.get("action")
    if missing or not isinstance(action, datasets.ClassLabel):
        found = ", ".join(schema.names)
        lacks = ", ".join(missing) or "the names of the actions"
        raise DatasetError(f"{where}: lacks {lacks}; it has {found}. Expected the steps of a built dataset")
    for column in NUMBERS:
        kind = schema.field(column).type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
            raise DatasetError(f"{where}: {column} holds {kind}; expected the numbers of a built dataset")
    return tuple(action.names)


def _episodes_table(file: str) -> str | None:
    """Where a repo keeps the episodes table of a shard, if the shard lies where a repo keeps it."""
    parts = file.rsplit("/", 5)
    if len(parts) < 6 or parts[1] != "data":
        return None
    root, _, game, run, checkpoint, _ = parts
    return f"{root}/episodes/{game}/{run}/{checkpoint}.parquet"


def _read_table(table: str, token: str | bool | None) -> pa.Table | None:
    columns = ["file", "first_row", "length", "checkpoint", "episode", "return", "terminated", "complete"]
    try:
        return ParquetShard(table, token=token).read_table(columns)
    except MissingFileError:
        return None


def _episodes_of_tables(shards: Sequence[ParquetShard], tables: Sequence[pa.Table]) -> list[np.ndarray]:
    """From the episodes tables, which are small: nothing else is read."""
    place = {"/".join(shard.name.rsplit("/", 5)[1:]): number for number, shard in enumerate(shards)}
    parts = []
    for table in tables:
        part = np.empty(len(table), EPISODE_FIELDS)
        part["shard"] = [place.get(name, -1) for name in table["file"].to_pylist()]
        for field in EPISODE_FIELDS.names or ():
            if field != "shard":
                part[field] = table[field].to_numpy()
        parts.append(part[part["shard"] >= 0])
    return parts


def _check_coverage(shards: Sequence[StepShard], episodes: np.ndarray) -> None:
    rows = np.bincount(episodes["shard"], weights=episodes["length"], minlength=len(shards))
    for shard, described in zip(shards, rows, strict=True):
        if shard.rows != described:
            raise DatasetError(
                f"{shard.name}: has {shard.rows:,} rows, the episodes tables describe {int(described):,}; "
                f"fetch or build this checkpoint again"
            )


def _episodes_of_shard(shard: StepShard, number: int) -> np.ndarray:
    """From the columns of numbers, where there is no episodes table."""
    columns = shard.read_numbers(["step", "checkpoint", "episode", "reward", "terminated", "truncated"])
    starts = np.flatnonzero(columns["step"] == 0)
    if shard.rows and (len(starts) == 0 or starts[0] != 0):
        raise DatasetError(
            f"{shard.name}: does not begin with the first step of an episode; give it whole, and share it "
            f"between processes with rank and world_size"
        )
    ends = np.append(starts[1:], shard.rows) if len(starts) else starts
    if not (columns["step"] == np.arange(shard.rows) - np.repeat(starts, ends - starts)).all():
        raise DatasetError(f"{shard.name}: steps are not in order of play; do not shuffle before reading")
    episodes = np.zeros(len(starts), EPISODE_FIELDS)
    episodes["shard"], episodes["first_row"], episodes["length"] = number, starts, ends - starts
    if len(starts):
        episodes["checkpoint"], episodes["episode"] = (
            columns["checkpoint"][starts],
            columns["episode"][starts],
        )
        episodes["return"] = np.add.reduceat(columns["reward"].astype(np.float64), starts)
        episodes["terminated"] = columns["terminated"][ends - 1]
        episodes["complete"] = episodes["terminated"] | columns["truncated"][ends - 1]
    return episodes
