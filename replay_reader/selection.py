"""What a reader is asked to read: a dataset, a config, a split and which of its episodes."""

from dataclasses import dataclass

from .catalog import Catalog, Dataset, open_catalog
from .episode_filter import EpisodeFilter
from .errors import DatasetError


@dataclass(frozen=True)
class Selection:
    """The arguments of every reader that say what is read."""

    dataset: Dataset
    config_name: str | None
    split: str | None
    episodes: EpisodeFilter | None
    revision: str | None
    token: str | bool | None

    def open(self) -> Catalog:
        """Find the shards, and the episodes that the filter chooses.

        Raises:
            DatasetError: no episode is left; and as `open_catalog`.
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
        """Rank and world size, which `datasets.distributed.split_dataset_by_node` may have given a stream."""
        given = getattr(self.dataset, "_distributed", None)
        if given is None or world_size > 1:
            return rank, world_size
        return given.rank, given.world_size
