"""Runs from a store that has a file for each whole episode, and no replay buffer: one checkpoint for each."""

from abc import abstractmethod
from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager

from ...format.frame_format import FrameFormat
from ...format.games import Game
from ...format.manifest import FileRecord, RowCounts, StepCounts
from ...stores.store import Store
from ..run import Checkpoint, Episode, Run, RunReader
from .run import CHECKPOINT


class WholeEpisodesRun(Run):
    """A run with a file for each of its episodes.

    Args:
        game: the game that was played.
        number: the run's number.
        store: what holds its files.
        where: the run's folder, for messages.
        paths: the episodes' files in the store, in order.
    """

    def __init__(self, game: Game, number: int, store: Store, where: str, paths: Sequence[str]) -> None:
        self.game, self.number, self.store, self.where, self.paths = game, number, store, where, paths
        self.checkpoints = [CHECKPOINT]

    @property
    @abstractmethod
    def frame_format(self) -> FrameFormat:
        """The format of the frames."""

    @abstractmethod
    def open_episode(self, number: int) -> AbstractContextManager[tuple[Episode, FileRecord]]:
        """Open an episode's file, while the block lasts, in which its frames are to be read.

        Args:
            number: the episode's place in the order.

        Raises:
            SourceError: the file is missing or damaged, or holds something else.
        """

    def partial_checkpoints(self) -> list[int]:
        """Returns an empty list, since there is no replay buffer."""
        return []

    def is_last_complete(self, checkpoint: int) -> bool:
        """Returns False: which episodes would be an expert's is not known."""
        return False

    def capacity(self) -> None:
        """Returns None, since there is no replay buffer."""
        return

    def file_sizes(self) -> dict[str, int | None]:
        """Returns the size in bytes of each file."""
        versions = self.store.versions(list(self.paths))
        return {path: None if version is None else version.size for path, version in versions.items()}

    def reader(self) -> "WholeEpisodesReader":
        """Returns a new reader."""
        return WholeEpisodesReader(self)


class WholeEpisodesReader(RunReader[WholeEpisodesRun]):
    """Reads the only checkpoint of such a run."""

    def __init__(self, run: WholeEpisodesRun) -> None:
        self.run = run
        self._checkpoint: WholeEpisodesCheckpoint | None = None

    def checkpoint(self, number: int) -> "WholeEpisodesCheckpoint":
        """Returns the checkpoint."""
        self.run.require(number)
        self.close()
        self._checkpoint = WholeEpisodesCheckpoint(self.run, number)
        return self._checkpoint

    def close(self) -> None:
        """Close the file that is open."""
        if self._checkpoint is not None:
            self._checkpoint.close()
            self._checkpoint = None


class WholeEpisodesCheckpoint(Checkpoint[WholeEpisodesRun]):
    """All episodes of such a run."""

    def __init__(self, run: WholeEpisodesRun, number: int) -> None:
        self.run, self.number = run, number
        self._steps = self._episodes = self._complete = self._finals = 0
        self._sources: list[FileRecord] = []
        self._reading: Generator[Episode, None, None] | None = None

    def episodes(self) -> Iterator[Episode]:
        """Yield the episodes in order; read each one's frames before asking for the next.

        Raises:
            SourceError: a file is missing or damaged, or holds something else.
        """
        self._reading = self._in_order()
        return self._reading

    @property
    def row_counts(self) -> RowCounts:
        """The counts of the rows: each is a transition, or what was observed after an episode's last one."""
        rows = self._steps + self._finals
        return RowCounts(rows, self._steps, 0, 0, 0, final_observations=self._finals)

    @property
    def step_counts(self) -> StepCounts:
        """The step counts, where every transition is a step."""
        return StepCounts(self._steps, 0, 0, self._episodes, self._complete)

    def sources(self) -> tuple[FileRecord, ...]:
        """Returns the episodes' files."""
        return tuple(self._sources)

    def close(self) -> None:
        """Close the file that is open."""
        if self._reading is not None:
            self._reading.close()

    def _in_order(self) -> Generator[Episode, None, None]:
        for number in range(len(self.run.paths)):
            with self.run.open_episode(number) as (episode, record):
                self._steps += len(episode)
                self._episodes += 1
                self._complete += episode.complete
                self._finals += episode.final_observation is not None
                yield episode
            self._sources.append(record)
