"""Lists what can be read: the shards of a selection, and where each episode lies in them."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..builder.errors import UnknownNameError
from ..builder.format.configs import EPISODES, ConfigName, parse_config_name
from ..builder.format.frame_format import GREY84, FrameFormat
from .checkpoint_files import CheckpointFiles, group_by_checkpoint
from .episode_index import EPISODE_FIELDS, check_tiling, episodes_of_shard, episodes_of_table
from .errors import DatasetError
from .final_observations import FinalObservations
from .repository import find_files, warn_of_part
from .step_shards import ArrowShard, ParquetShard, StepShard
from .streams import Dataset, files_of_stream, is_stream, is_table

__all__ = ["EPISODE_FIELDS", "Catalog", "Dataset", "open_catalog"]

CONNECTIONS = 8
"""The number of files opened at the same time."""


@dataclass(frozen=True)
class Catalog:
    """The shards of a selection and its episodes, in order of play."""

    shards: list[StepShard]
    episodes: np.ndarray
    """The episodes, of dtype EPISODE_FIELDS, sorted by shard and first row."""
    action_names: tuple[str, ...]
    tables: Mapping[int, CheckpointFiles] = field(default_factory=dict)
    """The checkpoint of each shard, by the shard's number; empty for a prepared `Dataset`."""
    token: str | bool | None = None

    def select(self, chosen: np.ndarray) -> "Catalog":
        """Returns the same shards with some of the episodes, chosen by a mask or by indices."""
        return replace(self, episodes=self.episodes[chosen])

    def episodes_of_shard(self, shard: int) -> np.ndarray:
        """Returns the episodes that lie in a shard."""
        return self.episodes[self._bounds[shard] : self._bounds[shard + 1]]

    @property
    def steps(self) -> int:
        """The number of steps in the episodes."""
        return int(self.episodes["length"].sum())

    @cached_property
    def frame_format(self) -> FrameFormat:
        """The format of the frames, by the first of them; 84×84 grey if there are none.

        Raises:
            DatasetError: the first frame cannot be read.
        """
        shards = (self.shards[number] for number in self.episodes["shard"])
        return next((shard.frame_format for shard in shards if shard.frame_format is not None), GREY84)

    def final_observation(self, shard: int, episode: int) -> np.ndarray | None:
        """Returns what was seen after the last step of a shard's episode; None if it is not known.

        Raises:
            DatasetError: the episodes table is damaged, or the frame has another format than the steps.
        """
        checkpoint = self.tables.get(shard)
        return None if checkpoint is None else self._finals.find(checkpoint, episode)

    @cached_property
    def _finals(self) -> FinalObservations:
        return FinalObservations(self.token, self.frame_format)

    @cached_property
    def has_probs(self) -> bool:
        """Whether all shards have the probability with which each action was chosen."""
        return all(shard.has_probs for shard in self.shards)

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
    """Returns a dataset's shards and episodes, after checking that its files agree with each other.

    Args:
        dataset: a folder, a repo on the Hub, a prepared `Dataset` of steps, an `IterableDataset` that
            `load_dataset(…, streaming=True)` returned, or an open catalog, which is returned as it is.
        config_name: the config of a folder or a repo, `<game>-<quality>`.
        split: the split of a folder or a repo: `run_1` and so on, `run_1+run_2`, or `all`.
        revision: a branch, tag or commit of a repo.
        token: the token for a private repo; None uses the usual locations.

    Raises:
        DatasetError: the config or split does not exist, the data has a different schema, or the file names,
            footers, episodes tables and manifests do not agree.
    """
    given: Any = dataset
    if isinstance(given, Catalog):
        return given
    if is_table(given):
        shard = ArrowShard(given)
        names = shard.action_names
        return Catalog([shard], episodes_of_shard(shard, 0), names)
    if is_stream(given):
        files, own_token = files_of_stream(given)
        return _catalog_of_files(files, own_token if token is None else token)
    if config_name is None or split is None:
        raise DatasetError(f"{given}: name a config and a split, e.g. 'pong-expert', split='run_1'")
    name = parse_config_name(config_name)
    if name.view == EPISODES:
        raise DatasetError(
            f"{config_name}: a table of episodes; name one of steps, e.g. {name.game.slug}-full"
        )
    if name.checkpoint is not None:
        files, _ = find_files(given, ConfigName(name.game, "full"), split, revision, token)
        return _catalog_of_files(_of_checkpoint(files, name.checkpoint, f"{given}: {name}"), token)
    files, counted = find_files(given, name, split, revision, token)
    catalog = _catalog_of_files(files, token)
    warn_of_part(given, counted, catalog.steps)
    return catalog


def _of_checkpoint(files: Sequence[str], checkpoint: int, where: str) -> list[str]:
    """Returns the episodes in the folder of a checkpoint."""
    folders = [file.rsplit("/", 2)[-2] for file in files]
    wanted = f"checkpoint_{checkpoint:02d}"
    if wanted not in folders:
        raise UnknownNameError(f"{where}: there is no {wanted}; it has {', '.join(sorted(set(folders)))}")
    return [file for file, folder in zip(files, folders, strict=True) if folder == wanted]


def _catalog_of_files(files: Sequence[str], token: str | bool | None) -> Catalog:
    checkpoints, others = group_by_checkpoint(files)
    with ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="open") as executor:
        shards = list(executor.map(lambda file: ParquetShard(file, token=token), files))
        names = {shard.action_names for shard in shards}
        if len(names) > 1:
            raise DatasetError(f"{files[0]} and other files have different actions; read one game at a time")

        def find_episodes(checkpoint: CheckpointFiles) -> list[np.ndarray]:
            return _episodes_of_checkpoint(checkpoint, shards, token)

        parts = [part for found in executor.map(find_episodes, checkpoints) for part in found]
    parts += [episodes_of_shard(shards[number], number) for number in others]
    episodes = np.concatenate(parts)
    episodes.sort(order=["shard", "first_row"])
    tables = {number: each for each in checkpoints for number in each.shards.values()}
    return Catalog(list(shards), episodes, names.pop(), tables, token)


def _episodes_of_checkpoint(
    checkpoint: CheckpointFiles, shards: Sequence[ParquetShard], token: str | bool | None
) -> list[np.ndarray]:
    """Returns the episodes from the episodes table, which is small, or, without one, from the shards."""
    own = {name: shards[number] for name, number in checkpoint.shards.items()}
    checkpoint.check_names(token)
    table = checkpoint.read_table(token)
    if table is None:
        found = [episodes_of_shard(shards[number], number) for number in checkpoint.shards.values()]
    else:
        found = [episodes_of_table(checkpoint, table)]
        for name, number in checkpoint.shards.items():
            check_tiling(own[name], found[0][found[0]["shard"] == number], checkpoint.table)
    checkpoint.check_manifest(own, None if table is None else len(table))
    return found
