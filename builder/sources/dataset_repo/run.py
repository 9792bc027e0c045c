"""A run of a dataset repo, whose checkpoints are passed on as they were built.

A checkpoint keeps its identity: its manifest's counts, neighbours and log files. So a dataset built from
another is, file by file, what would have been built from the other's own source.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence

import numpy as np

from ...errors import SourceError
from ...format.features import PROB, UNCLIPPED_REWARD, state_features
from ...format.frame_format import FrameFormat
from ...format.games import Game
from ...format.manifest import FileRecord, Manifest, RowCounts, StepCounts
from ...format.provenance import Provenance
from ...stores.read_ahead import read_ahead
from ...stores.store import Store
from ..run import Checkpoint, Episode, Run, RunReader
from .shards import CheckpointFiles, RecordedEpisode


class RepoRun(Run):
    """A run of a dataset repo.

    Args:
        store: the repo.
        game: the game that was played.
        number: the run's number.
        where: the run's folder, for messages.
        manifests: each checkpoint's manifest, in order, or why it cannot be read.

    Raises:
        SourceError: none of the manifests can be read.
    """

    def __init__(
        self,
        store: Store,
        game: Game,
        number: int,
        where: str,
        manifests: Mapping[int, Manifest | SourceError],
    ) -> None:
        self.store, self.game, self.number, self.where = store, game, number, where
        self.checkpoints = sorted(manifests)
        self._manifests = manifests
        self._readable = {
            checkpoint: found for checkpoint, found in manifests.items() if isinstance(found, Manifest)
        }
        if not self._readable:
            raise next(iter(manifests.values()))  # type: ignore[misc]
        self._first = next(iter(self._readable.values()))
        optional = {UNCLIPPED_REWARD, PROB, *state_features(game)}
        self.optional_columns = [name for name in self._first.columns if name in optional]
        self.episode_columns = self._first.episode_columns

    @property
    def frame_format(self) -> FrameFormat:
        """The format of the run's frames, which its manifests share."""
        return self._first.frame_format

    def manifest(self, checkpoint: int) -> Manifest:
        """Returns a checkpoint's manifest.

        Raises:
            UnknownNameError: the run has no such checkpoint.
            SourceError: its manifest cannot be read.
        """
        self.require(checkpoint)
        found = self._manifests[checkpoint]
        if isinstance(found, SourceError):
            raise found
        return found

    def recorded(self, checkpoint: int) -> list[RecordedEpisode]:
        """Returns what a checkpoint's episodes table lists, in order of play.

        Raises:
            UnknownNameError: the run has no such checkpoint.
            SourceError: its manifest or the table cannot be read.
        """
        return CheckpointFiles(self.store, self.manifest(checkpoint)).episodes()

    @property
    def provenance(self) -> Provenance:
        """Where the log came from that the dataset was made from."""
        return self._first.provenance

    def partial_checkpoints(self) -> list[int]:
        """Returns the checkpoints made at the end of training, according to their manifests."""
        return [checkpoint for checkpoint, manifest in self._readable.items() if manifest.partial]

    def is_partial(self, checkpoint: int) -> bool:
        """Returns whether a checkpoint was made at the end of training."""
        return self.manifest(checkpoint).partial

    def is_last_complete(self, checkpoint: int) -> bool:
        """Returns whether a checkpoint was the last complete one of its log."""
        return self.manifest(checkpoint).last_complete

    def neighbours(self, checkpoint: int) -> tuple[int | None, int | None]:
        """Returns the checkpoints before and after this one in the log, whether or not they are here."""
        manifest = self.manifest(checkpoint)
        return manifest.earlier, manifest.later

    def rows(self, checkpoint: int) -> int:
        """Returns the number of steps of a checkpoint."""
        found = self._readable.get(checkpoint)
        return 0 if found is None else found.step_counts.steps

    def capacity(self) -> int | None:
        """Returns the number of rows in the log's replay buffer; None if it had none."""
        return self._first.capacity

    def file_sizes(self) -> dict[str, int | None]:
        """Returns the size in bytes of each of the log's files, as the manifests record them."""
        return {file.path: file.size for each in self._readable.values() for file in each.sources}

    def stored_bytes(self) -> int:
        """Returns the size in bytes of the Parquet files."""
        return sum(file.size for each in self._readable.values() for file in each.files())

    def remarks(self) -> list[str]:
        """Returns which manifests cannot be read."""
        return [str(found) for found in self._manifests.values() if isinstance(found, SourceError)]

    def reader(self) -> "RepoRunReader":
        """Returns a new reader."""
        return RepoRunReader(self)

    def tasks(self, checkpoints: Sequence[int]) -> list[list[int]]:
        """Returns each checkpoint by itself."""
        return [[checkpoint] for checkpoint in checkpoints]


class RepoRunReader(RunReader[RepoRun]):
    """Reads the checkpoints of a run of a dataset repo."""

    def __init__(self, run: RepoRun) -> None:
        self.run = run
        self._checkpoint: RepoCheckpoint | None = None

    def checkpoint(self, number: int) -> "RepoCheckpoint":
        """Returns a checkpoint, which must be exhausted before the next is requested."""
        self.close()
        self._checkpoint = RepoCheckpoint(self.run, number)
        later = [other for other in self.run.checkpoints if other > number]
        self.next_number = later[0] if later else None
        return self._checkpoint

    def close(self) -> None:
        """Close the files and stop the threads."""
        if self._checkpoint is not None:
            self._checkpoint.close()
            self._checkpoint = None


class RepoCheckpoint(Checkpoint[RepoRun]):
    """The episodes of one checkpoint of a dataset repo; its counts are those of its manifest."""

    def __init__(self, run: RepoRun, number: int) -> None:
        self._manifest = run.manifest(number)
        self.run = run
        self.number = number
        self._reading: Generator[Episode, None, None] | None = None

    def __len__(self) -> int:
        return self.step_counts.episodes

    @property
    def row_counts(self) -> RowCounts:
        """What happened to each of the rows of the log's files."""
        return self._manifest.row_counts

    @property
    def step_counts(self) -> StepCounts:
        """How the files' transitions became the checkpoint's steps."""
        return self._manifest.step_counts

    @property
    def add_count(self) -> int | None:
        """The number in the log's `add_count`; None if the manifest has none."""
        return self._manifest.add_count

    def sources(self) -> tuple[FileRecord, ...]:
        """Returns the files of the log that the dataset was made from."""
        return self._manifest.sources

    def remarks(self) -> tuple[str, ...]:
        """Returns how the log's files were converted, and what else differs from the original's."""
        return self._manifest.remarks

    def episodes(self) -> Iterator[Episode]:
        """Yield the episodes in order of play; read each one's frames before asking for the next.

        Raises:
            SourceError: a file is missing or damaged, or is not what the manifest states.
        """
        return self.chosen(range(len(self)))

    def chosen(self, numbers: Sequence[int]) -> Iterator[Episode]:
        """Yield some of the episodes, as `episodes` does; of the others no frames are decoded but few.

        Args:
            numbers: the episodes' numbers within the checkpoint, ascending.
        """
        self._reading = self._chosen(numbers)
        return self._reading

    def close(self) -> None:
        """Close the files and stop the threads."""
        if self._reading is not None:
            self._reading.close()

    def _chosen(self, chosen: Sequence[int]) -> Generator[Episode, None, None]:
        with CheckpointFiles(self.run.store, self._manifest) as files:
            recorded, numbers = files.episodes(), files.numbers()
            stops = np.cumsum([episode.length for episode in recorded], dtype=np.int64)
            starts = stops - [episode.length for episode in recorded]
            wanted = np.asarray(chosen, np.int64)
            frames = _Frames(read_ahead(files.frames(starts[wanted], stops[wanted])))
            try:
                for place in wanted.tolist():
                    start, stop = int(starts[place]), int(stops[place])
                    here = {name: column[start:stop] for name, column in numbers.items()}
                    self._check_numbering(here, place)
                    yield self._episode(place, recorded[place], here, frames.take(start, stop))
                frames.finish()
            finally:
                frames.close()

    def _episode(
        self,
        place: int,
        recorded: RecordedEpisode,
        numbers: Mapping[str, np.ndarray],
        frames: Iterator[np.ndarray],
    ) -> Episode:
        is_last = place == self.step_counts.episodes - 1
        # The episode that went on in a later file of the log has a shard of its own.
        crosses = self.step_counts.continued_in_later > 0 or len(self._manifest.shards) > 1
        return Episode(
            checkpoint=self.number,
            number=place,
            action=numbers["action"],
            reward=numbers["reward"],
            terminated=recorded.terminated,
            truncated=recorded.truncated,
            complete=recorded.complete,
            joined=is_last and crosses,
            frames=frames,
            unclipped_reward=numbers.get(UNCLIPPED_REWARD),
            prob=numbers.get(PROB),
            state={name: numbers[name] for name in state_features(self.run.game) if name in numbers},
            facts=recorded.facts,
            final_observation=recorded.final_observation,
            began_at_reset=recorded.complete,
        )

    def _check_numbering(self, numbers: Mapping[str, np.ndarray], episode: int) -> None:
        expected = np.arange(len(numbers["step"]))
        if not ((numbers["episode"] == episode).all() and np.array_equal(numbers["step"], expected)):
            where = self.run.store.describe(self._manifest.id.folder)
            raise SourceError(
                f"{where}: the steps of episode {episode} are not where the episodes table says; compare the "
                f"dataset with its manifests: atari-dqn-replay verify"
            )


class _Frames:
    """A checkpoint's frames, handed out by ranges of steps that ascend."""

    def __init__(self, blocks: Generator[tuple[int, np.ndarray], None, None]) -> None:
        self._blocks = blocks
        self._begin, self._block = 0, np.empty(0, np.uint8)
        """The block that was read last, and the step of its first frame."""

    def take(self, start: int, stop: int) -> Iterator[np.ndarray]:
        """Yield the frames of steps start to stop - 1; what was not read before them is skipped."""
        while start < stop:
            while self._begin + len(self._block) <= start:
                block = next(self._blocks, None)
                assert block is not None, "the shards have as many rows as their footers say"
                self._begin, self._block = block
            taken = self._block[start - self._begin : stop - self._begin]
            start += len(taken)
            yield taken

    def finish(self) -> None:
        """Read what is left, which closes the files in order."""
        for _ in self._blocks:
            pass

    def close(self) -> None:
        """Stop the thread."""
        self._blocks.close()
