"""What there is to read: the shards of a split, and where each episode lies in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import datasets
import numpy as np
import pyarrow as pa

from ..builder.configs import EPISODES, parse_config_name
from ..builder.errors import AtariReplayError, UnknownNameError
from .errors import DatasetError
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

STEP_COLUMNS = ("observation", "action", "reward", "terminated", "truncated", "return_to_go", "step")

Source = "str | datasets.Dataset | datasets.IterableDataset"


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

    def rows_within(self, shard: int, start: int, stop: int) -> np.ndarray:
        """The rows start … stop - 1 of a shard that belong to the episodes, ascending."""
        episodes = self.episodes[slice(*np.searchsorted(self.episodes["shard"], [shard, shard + 1]))]
        first = max(0, int(np.searchsorted(episodes["first_row"], start, "right")) - 1)
        last = int(np.searchsorted(episodes["first_row"], stop))
        starts = np.maximum(episodes["first_row"][first:last], start)
        ends = np.minimum((episodes["first_row"] + episodes["length"])[first:last], stop)
        pieces = [np.arange(begin, end) for begin, end in zip(starts, ends, strict=True) if begin < end]
        return np.concatenate(pieces) if pieces else np.empty(0, np.int64)

    @property
    def steps(self) -> int:
        """How many steps the episodes have."""
        return int(self.episodes["length"].sum())


def open_catalog(
    dataset: "str | datasets.Dataset | datasets.IterableDataset",
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
    files, tables = _resolve(str(dataset), config_name, split, revision, token)
    return _catalog_of_files(files, token, tables)


def _resolve(
    path: str, config_name: str | None, split: str | None, revision: str | None, token: str | bool | None
) -> tuple[list[str], list[str]]:
    """The Parquet files of a config's split, and those of its episodes tables."""
    if config_name is None or split is None:
        raise DatasetError(f"{path}: name a config and a split, e.g. 'pong-expert', split='run_1'")
    name = parse_config_name(config_name)
    if name.view == EPISODES:
        raise DatasetError(
            f"{config_name}: a table of episodes; name one of steps, e.g. {name.game.slug}-full"
        )
    files = _data_files(path, str(name), split, revision, token)
    tables = _data_files(path, f"{name.game.slug}-{EPISODES}", split, revision, token)
    return files, tables


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
    kwargs = getattr(stream._ex_iterable, "kwargs", None)
    files = kwargs.get("files") if isinstance(kwargs, dict) else None
    if not files or any(not str(file).endswith(".parquet") for file in files):
        raise DatasetError(
            "this IterableDataset is not one that load_dataset(…, streaming=True) gave of a built dataset; "
            "give the dataset's folder or repo instead, or build it first"
        )
    return list(dict.fromkeys(str(file) for file in files))


def _catalog_of_files(
    files: Sequence[str], token: str | bool | None, tables: Sequence[str] | None = None
) -> Catalog:
    shards = [ParquetShard(file, token=token) for file in files]
    names = {_action_names(shard.schema, shard.name) for shard in shards}
    if len(names) > 1:
        raise DatasetError(f"{files[0]} and other files have different actions; read one game at a time")
    episodes = _episodes_of_shards(shards) if tables is None else _episodes_of_tables(shards, tables, token)
    return Catalog(list(shards), episodes, names.pop())


def _catalog_of_table(dataset: datasets.Dataset) -> Catalog:
    shard = ArrowShard(dataset)
    return Catalog([shard], _episodes_of_shards([shard]), _action_names(shard.schema, shard.name))


def _action_names(schema: pa.Schema, where: str) -> tuple[str, ...]:
    features = datasets.Features.from_arrow_schema(schema)
    missing = [column for column in STEP_COLUMNS if column not in features]
    action = features.get("action")
    if missing or not isinstance(action, datasets.ClassLabel):
        found = ", ".join(schema.names)
        lacks = ", ".join(missing) or "the names of the actions"
        raise DatasetError(f"{where}: lacks {lacks}; it has {found}. Expected the steps of a built dataset")
    return tuple(action.names)


def _episodes_of_tables(
    shards: Sequence[ParquetShard], tables: Sequence[str], token: str | bool | None
) -> np.ndarray:
    """From the episodes tables, which are small: no frame is read."""
    place = {_path_in_repo(shard.name): number for number, shard in enumerate(shards)}
    parts = []
    for table in tables:
        columns = ParquetShard(table, token=token).read_table(
            ["file", "first_row", "length", "checkpoint", "episode", "return", "terminated", "complete"]
        )
        numbers = np.array([place.get(name, -1) for name in columns["file"].to_pylist()], np.int64)
        part = np.empty(len(columns), EPISODE_FIELDS)
        part["shard"] = numbers
        for field in EPISODE_FIELDS.names or ():
            if field != "shard":
                part[field] = columns[field].to_numpy()
        parts.append(part[numbers >= 0])
    episodes = np.concatenate(parts) if parts else np.empty(0, EPISODE_FIELDS)
    episodes.sort(order=["shard", "first_row"])
    _check_coverage(shards, episodes)
    return episodes


def _path_in_repo(name: str) -> str:
    """`data/pong/run_1/checkpoint_09/steps-….parquet` of a path or URL."""
    return "/".join(PurePosixPath(name).parts[-5:])


def _check_coverage(shards: Sequence[StepShard], episodes: np.ndarray) -> None:
    rows = np.bincount(episodes["shard"], weights=episodes["length"], minlength=len(shards))
    for shard, described in zip(shards, rows, strict=True):
        if shard.rows != described:
            raise DatasetError(
                f"{shard.name}: has {shard.rows:,} rows, the episodes tables describe {int(described):,}; "
                f"fetch or build this checkpoint again"
            )


def _episodes_of_shards(shards: Sequence[StepShard]) -> np.ndarray:
    """From the columns of numbers, where there are no episodes tables."""
    parts = []
    for number, shard in enumerate(shards):
        columns = shard.read_numbers(["step", "checkpoint", "episode", "reward", "terminated", "truncated"])
        starts = np.flatnonzero(columns["step"] == 0)
        if shard.rows and (len(starts) == 0 or starts[0] != 0):
            raise DatasetError(f"{shard.name}: does not begin with the first step of an episode")
        part = np.zeros(len(starts), EPISODE_FIELDS)
        ends = np.append(starts[1:], shard.rows)
        part["shard"], part["first_row"], part["length"] = number, starts, ends - starts
        part["checkpoint"], part["episode"] = columns["checkpoint"][starts], columns["episode"][starts]
        if len(starts):
            part["return"] = np.add.reduceat(columns["reward"].astype(np.float64), starts)
            part["terminated"] = columns["terminated"][ends - 1]
            part["complete"] = part["terminated"] | columns["truncated"][ends - 1]
        expected = np.arange(shard.rows) - np.repeat(starts, ends - starts)
        if not (columns["step"] == expected).all():
            raise DatasetError(f"{shard.name}: steps are not in order of play; do not shuffle before reading")
        parts.append(part)
    return np.concatenate(parts) if parts else np.empty(0, EPISODE_FIELDS)
