"""A built or published dataset as a source: its runs, checkpoints and episodes, as a replay log has them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from ..builder.errors import OutputError, SourceError, UnknownNameError
from ..builder.format.configs import ConfigName
from ..builder.format.features import PROB
from ..builder.format.frame_format import FrameFormat
from ..builder.format.frames import decode_frames
from ..builder.format.games import Game
from ..builder.format.layout import split_name
from ..builder.format.manifest import Manifest, check_one_log
from ..builder.format.provenance import Provenance
from ..builder.network.at_once import at_once
from ..builder.repos.repo_folder import find_manifests, read_manifest
from ..builder.repos.repo_reader import NoDatasetError, RepoReader, UnreadableFileError
from ..builder.sources.manifest_checkpoint import ManifestCheckpoint
from ..builder.sources.run import Episode, Run, RunReader
from ..builder.sources.source import Source
from ..builder.terminal.progress import progress_bar
from ..replay_reader.episode_reader import Episodes

READERS = 8
"""Manifests that are fetched at once."""


class PublishedDataset(Source):
    """A dataset repo, in a folder or on the Hub.

    Args:
        repo: the folder or the repo.

    Raises:
        NoDatasetError: it is not there, or holds no dataset.
        OutputError: it cannot be read.
    """

    storage_options: Mapping[str, Any] = {}

    def __init__(self, repo: RepoReader) -> None:
        self.repo = repo
        self.url = repo.address
        self._manifest_paths = dict(sorted(find_manifests(repo.files()).items()))
        if not self._manifest_paths:
            raise NoDatasetError(
                f"{repo.address}: holds no dataset; expected manifests/<game>/run_<n>/checkpoint_<nn>.json, "
                f"as `build` and `publish` write it"
            )

    def describe(self) -> str:
        """Returns the folder's path or the repo's page."""
        return self.repo.address

    def games(self) -> list[Game]:
        """Returns the games that have a checkpoint here, in alphabetical order."""
        return sorted({checkpoint.game for checkpoint in self._manifest_paths})

    def runs(self, game: Game) -> list[int]:
        """Returns the runs of a game."""
        runs = {checkpoint.run for checkpoint in self._manifest_paths if checkpoint.game == game}
        if not runs:
            games = ", ".join(other.slug for other in self.games())
            raise SourceError(f"{self.describe()}: holds no {game}; it has {games}")
        return sorted(runs)

    def open_run(self, game: Game, run: int) -> "PublishedRun":
        """Returns one run, with all its manifests read."""
        if run not in self.runs(game):
            found = ", ".join(map(str, self.runs(game)))
            raise UnknownNameError(f"{self.describe()}: no run {run} of {game}; it has run {found}")
        return PublishedRun(self, game, run, self._manifests(game, run))

    def fingerprint(self, game: Game, runs: Iterable[int]) -> str:
        """Returns a digest of the manifests of these runs."""
        texts = [manifest.to_json() for run in runs for manifest in self._manifests(game, run)]
        return sha256("".join(texts).encode()).hexdigest()

    def _manifests(self, game: Game, run: int) -> list[Manifest]:
        paths = [path for each, path in self._manifest_paths.items() if (each.game, each.run) == (game, run)]
        found = at_once(self._read_manifest, paths, READERS)
        bar = progress_bar(found, description="manifests", unit=" files", total=len(paths), leave=False)
        manifests = list(bar)
        check_one_log(manifests, self.describe())
        return manifests

    def _read_manifest(self, path: str) -> Manifest:
        try:
            return read_manifest(self.repo.read(path), path, self.describe())
        except UnreadableFileError as error:
            raise OutputError(f"{self.describe()}/{path}: cannot be read ({error})") from None


class PublishedRun(Run):
    """A run of a dataset repo.

    Args:
        dataset: where it is.
        game: which game.
        number: which run.
        manifests: of its checkpoints, in order.
    """

    def __init__(self, dataset: PublishedDataset, game: Game, number: int, manifests: list[Manifest]) -> None:
        self.dataset, self.game, self.number = dataset, game, number
        self.manifests = {manifest.checkpoint: manifest for manifest in manifests}
        self.checkpoints = list(self.manifests)
        self.where = f"{dataset.describe()}/data/{game.slug}/{split_name(number)}"

    @property
    def frame_format(self) -> FrameFormat:
        """The format of the frames, which the manifests share."""
        return next(iter(self.manifests.values())).frame_format

    @property
    def provenance(self) -> Provenance:
        """Returns what the manifests record of the logs' origin."""
        return next(iter(self.manifests.values())).provenance

    @property
    def optional_columns(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The optional columns that are exported."""
        return (PROB,) if all(PROB in each.columns for each in self.manifests.values()) else ()

    def partial_checkpoints(self) -> list[int]:
        """Returns those made at the end of training."""
        return [number for number, manifest in self.manifests.items() if manifest.partial]

    def rows(self, checkpoint: int) -> int:
        """Returns how many rows the checkpoint's own files had."""
        return self.manifests[checkpoint].row_counts.rows_read

    def capacity(self) -> int | None:
        """Returns the rows of the replay buffer, if the dataset was built from its dumps."""
        return next(iter(self.manifests.values())).capacity

    def file_sizes(self) -> dict[str, int | None]:
        """Returns the bytes of each Parquet file."""
        return {file.path: file.size for each in self.manifests.values() for file in each.files()}

    def remarks(self) -> list[str]:
        """Returns nothing: what a log lacked is in the episodes."""
        return []

    def reader(self) -> "PublishedReader":
        """Returns a new reader."""
        return PublishedReader(self)

    @cached_property
    def episodes(self) -> Episodes:
        """All its episodes, in order of play.

        Raises:
            DatasetError: the card does not list this run, or a table is damaged.
        """
        arguments = self.dataset.repo.load_arguments
        place, options = arguments["path"], {k: v for k, v in arguments.items() if k != "path"}
        return Episodes(place, str(ConfigName(self.game, "full")), split_name(self.number), **options)

    def places(self, checkpoint: int) -> np.ndarray:
        """Returns where a checkpoint's episodes lie in `episodes.catalog`, in order of play."""
        if not self.manifests[checkpoint].step_counts.steps:
            # A card lists no run without steps.
            return np.empty(0, np.int64)
        return np.flatnonzero(self.episodes.catalog.episodes["checkpoint"] == checkpoint)


class PublishedReader(RunReader):
    """Reads the checkpoints of a published run."""

    def __init__(self, run: PublishedRun) -> None:
        self.run = run
        self._run = run

    def checkpoint(self, number: int) -> "PublishedCheckpoint":
        """Returns a checkpoint."""
        self._run.require(number)
        self.next_number = self._run.neighbours(number)[1]
        return PublishedCheckpoint(self._run, number)

    def close(self) -> None:
        """Does nothing: files are open only while episodes are read."""


class PublishedCheckpoint(ManifestCheckpoint):
    """The episodes that began in one checkpoint; its counts are those of the manifest."""

    def __init__(self, run: PublishedRun, number: int) -> None:
        super().__init__(run.manifests[number])
        self.run = run
        self._run = run

    def episodes(self) -> Iterator[Episode]:
        """Yield the episodes in order of play."""
        return self.chosen(range(len(self)))

    def __len__(self) -> int:
        return self.step_counts.episodes

    def chosen(self, numbers: Sequence[int]) -> Iterator[Episode]:
        """Yield some of the episodes; of the others no frames are read but those of shared row groups.

        Args:
            numbers: theirs within the checkpoint, ascending.
        """
        places = self._run.places(self.number)[np.asarray(numbers, np.int64)]
        if not len(places):
            return
        catalog, finals = self._run.episodes.catalog, self._final_observations()
        for place, item in zip(places, self._run.episodes.read(0, places.tolist()), strict=True):
            entry = catalog.episodes[place]
            yield Episode(
                checkpoint=self.number,
                number=item["episode"],
                action=item["action"].astype(np.int32),
                reward=item["reward"],
                prob=item.get(PROB),
                terminated=entry["terminated"].item(),
                truncated=entry["truncated"].item(),
                complete=item["complete"],
                joined=False,
                frames=iter([item["observation"]]),
                final_observation=finals.get(item["episode"]),
            )

    def _final_observations(self) -> dict[int, np.ndarray]:
        """For each episode that has one, what was seen after its last step."""
        if not self._manifest.row_counts.final_observations:
            return {}
        path = self._manifest.episodes_table.path
        try:
            with self._run.dataset.repo.fetch(path) as place:
                table = pq.read_table(place, columns=["episode", "final_observation"])
        except UnreadableFileError as error:
            raise OutputError(f"{self._run.dataset.describe()}/{path}: cannot be read ({error})") from None
        known = table.filter(table["final_observation"].is_valid())
        if not len(known):
            return {}
        frames = decode_frames(known["final_observation"], self._manifest.frame_format)
        return dict(zip(known["episode"].to_pylist(), frames, strict=True))
