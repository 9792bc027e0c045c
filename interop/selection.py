"""Where a face's data lie, and which steps of them it shows."""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ..builder.format.games import Game
from ..builder.format.layout import split_name
from ..builder.repos.folder_reader import FolderReader
from ..builder.repos.hub_reader import MAIN, HubReader
from ..builder.repos.repo_folder import find_manifests
from ..builder.repos.repo_reader import NoDatasetError, RepoReader
from ..builder.sources.dataset_repo.source import DatasetRepo
from ..builder.sources.open import open_store
from ..replay_reader.episode_filter import EpisodeFilter
from ..replay_reader.errors import DatasetError
from ..replay_reader.grey84 import check_grey84
from ..replay_reader.replay_dataset import ReplayDataset
from ..replay_reader.selection import Selection

DATASET_VARIABLE = "ATARI_DQN_REPLAY_DATASET"
"""The environment variable that names the dataset, so that code written for another library need not."""

ALL_THAT_IS_KNOWN = "which is all that the library knows"
"""Why the other libraries need 84×84 grey frames, for the error of `check_grey84`."""

Place = str | os.PathLike[str]


def find_dataset(dataset: Place | None) -> str:
    """Returns the folder or repo that was given, or that the environment names.

    Raises:
        DatasetError: there is neither, or it is a folder of replay logs, from which nothing was built yet.
    """
    place = os.environ.get(DATASET_VARIABLE) if dataset is None else os.fspath(dataset)
    if not place:
        raise DatasetError(
            f"which dataset? Give dataset='path/to/folder' or dataset='user/repo', or set the environment "
            f"variable {DATASET_VARIABLE}"
        )
    folder = Path(place)
    if folder.is_dir() and not (folder / "data").is_dir() and any(folder.glob("*/*/replay_logs")):
        raise DatasetError(
            f"{place} holds replay logs; expected a dataset built from them: "
            f"atari-dqn-replay build GAME --source {place} --out FOLDER"
        )
    return place


def open_built(dataset: Place | None) -> DatasetRepo:
    """Returns a built or published dataset as a source.

    Args:
        dataset: a folder or a repo; None takes it from the environment.

    Raises:
        AtariReplayError: there is no such dataset.
    """
    place = find_dataset(dataset)
    folder = Path(place)
    return open_repo(FolderReader(folder) if folder.is_dir() else HubReader(place, MAIN))


def open_repo(repo: RepoReader) -> DatasetRepo:
    """Returns the dataset in a repo as a source.

    Raises:
        NoDatasetError: the repo does not exist, or holds no dataset.
        OutputError: it cannot be listed.
    """
    if not find_manifests(repo.files()):
        raise NoDatasetError(
            f"{repo.address}: holds no dataset; expected manifests/<game>/run_<n>/checkpoint_<nn>.json, as "
            f"`build` and `publish` write it"
        )
    return DatasetRepo(open_store(repo.url, repo.storage_options))


def open_steps(
    dataset: Place | None,
    game: Game,
    run: int,
    *,
    view: str = "full",
    checkpoints: Collection[int] | None = None,
    **options: Any,
) -> ReplayDataset:
    """Returns the steps of a run, in order of play.

    Args:
        dataset: a folder or a repo; None takes it from the environment.
        game: which one.
        run: 1 to 5.
        view: as in a config's name: `full`, `mixed`, `epoch-7`.
        checkpoints: only episodes that began in these.
        options: of `ReplayDataset`.

    Raises:
        AtariReplayError: there is no such dataset, nothing of this selection in it, or its frames are not
            84×84 grey, which is all that the other libraries know.
    """
    episodes = None if checkpoints is None else EpisodeFilter(checkpoints=list(checkpoints))
    place, config, split = find_dataset(dataset), f"{game.slug}-{view}", split_name(run)
    catalog = Selection(place, config, split, episodes, options.get("revision"), options.get("token")).open()
    check_grey84(catalog.frame_format, config, ALL_THAT_IS_KNOWN)
    return ReplayDataset(catalog, **options)
