"""Describes what a reader reads: a dataset, a config, a split and which of its episodes."""

from dataclasses import dataclass

from .catalog import Catalog, Dataset, open_catalog
from .episode_filter import EpisodeFilter
from .errors import DatasetError


@dataclass(frozen=True)
class Selection:
    """The arguments common to all readers that select what is read."""

    dataset: Dataset
    config_name: str | None
    split: str | None
    episodes: EpisodeFilter | None
    revision: str | None
    token: str | bool | None

    def open(self) -> Catalog:
        """Returns the shards, with the episodes that the filter chooses.

        Raises:
            DatasetError: no episode is left, or `open_catalog` fails.
        """
        catalog = open_catalog(
            self.dataset, self.config_name, self.split, revision=self.revision, token=self.token
        )
        if self.episodes is not None:
            catalog = catalog.select(self.episodes.choose(catalog.episodes))
        if not len(catalog.episodes):
            raise DatasetError("no episode is left to read; loosen the filter")
        return catalog

    def share(self, rank: int, world_size: int) -> tuple[int, int]:
        """Returns rank and world size, or those that `datasets.distributed.split_dataset_by_node` set."""
        given = getattr(self.dataset, "_distributed", None)
        if given is None or world_size > 1:
            return rank, world_size
        return given.rank, given.world_size
