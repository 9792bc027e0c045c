"""Opens the configs of a repo as stock `datasets` does, but reads its card once for all of them."""

import functools
from pathlib import Path
from typing import Any

from datasets import DatasetBuilder, DownloadConfig
from datasets.load import DatasetModule, dataset_module_factory, get_dataset_builder_class

from ..repos.repo_reader import RepoReader


class StockConfigs:
    """The configs of a repo.

    `datasets.load_dataset_builder` takes the card apart for each config anew: a second for a card of sixty
    games, and there are 300 configs. The two halves of it are called by themselves here.

    Args:
        repo: the repo.
        cache: a folder for what `datasets` keeps.
    """

    def __init__(self, repo: RepoReader, cache: Path) -> None:
        self._repo, self._cache = repo, str(cache)

    def open(self, name: str) -> DatasetBuilder:
        """Returns what `load_dataset_builder` returns for a config; raises whatever it raises."""
        module = self._module
        builder = get_dataset_builder_class(module, dataset_name=module.builder_kwargs.get("dataset_name"))
        arguments: dict[str, Any] = {
            **module.builder_kwargs,
            "cache_dir": self._cache,
            "config_name": name,
            "hash": module.hash,
            "info": (module.dataset_infos or {}).get(name),
            "token": self._repo.load_arguments.get("token"),
        }
        return builder(**arguments)

    @functools.cached_property
    def _module(self) -> DatasetModule:
        arguments = self._repo.load_arguments
        return dataset_module_factory(
            arguments["path"],
            revision=arguments.get("revision"),
            download_config=DownloadConfig(token=arguments.get("token")),
            cache_dir=self._cache,
        )
