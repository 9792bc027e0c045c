"""A run recorded as whole episodes, one record each, with every entry accounted for."""

from collections.abc import Generator, Iterator, Sequence

from ...errors import SourceError
from ...format.features import UNCLIPPED_REWARD
from ...format.games import Game
from ...format.manifest import FileRecord, RowCounts, StepCounts
from ...format.provenance import Provenance
from ...stores.read_ahead import read_ahead
from ..run import Checkpoint, Episode, Run, RunReader
from .png_frames import PngDecoder
from .record_order import RecordOrder, RecordReader
from .recorded_episode import RecordedEpisode, RecordForm
from .tf_example import Example


class RecordedRun(Run):
    """A run of recorded episodes.

    Args:
        game: the game that was played.
        number: 1 to 5 in the original.
        where: the run's name in messages.
        form: the form of the records.
        order: the order of the records.
        sizes: the size in bytes of each file.
        provenance: where the files came from.
        remarks: notes on what is missing.
    """

    optional_columns = (UNCLIPPED_REWARD,)

    def __init__(
        self,
        game: Game,
        number: int,
        where: str,
        *,
        form: RecordForm,
        order: RecordOrder,
        sizes: dict[str, int | None],
        provenance: Provenance,
        remarks: list[str],
    ) -> None:
        self.game = game
        self.number = number
        self.where = where
        self.form = form
        self.order = order
        self.checkpoints = order.checkpoints
        self._sizes, self._provenance, self._remarks = sizes, provenance, remarks

    @property
    def provenance(self) -> Provenance:
        """What is known about the files' origin."""
        return self._provenance

    def partial_checkpoints(self) -> list[int]:
        """Returns an empty list, since the files do not record whether a checkpoint was a full lap."""
        return []

    def rows(self, checkpoint: int) -> int:
        """Returns the approximate number of observations in a checkpoint."""
        return self.order.rows(checkpoint)

    def capacity(self) -> None:
        """Returns None, since episodes are no longer in a ring."""
        return

    def file_sizes(self) -> dict[str, int | None]:
        """Returns the size in bytes of each of the run's files."""
        return self._sizes

    def remarks(self) -> list[str]:
        """Returns notes on what is missing."""
        return self._remarks

    def reader(self) -> "RecordedReader":
        """Returns a new reader."""
        return RecordedReader(self)


class RecordedReader(RunReader[RecordedRun]):
    """Reads the checkpoints of a recorded run."""

    def __init__(self, run: RecordedRun) -> None:
        self.run = run
        self._records = run.order.reader()
        self._decoder = PngDecoder()

    def expect(self, checkpoints: Sequence[int]) -> None:
        """Announce the checkpoints that will be requested."""
        self._records.expect(checkpoints)

    def checkpoint(self, number: int) -> "RecordedCheckpoint":
        """Returns a checkpoint, which must be exhausted before the next is requested."""
        self.run.require(number)
        _, self.next_number = self.run.neighbours(number)
        return RecordedCheckpoint(self.run, number, self._records, self._decoder)

    def close(self) -> None:
        """Close the files and stop the threads."""
        self._records.close()
        self._decoder.close()


class RecordedCheckpoint(Checkpoint[RecordedRun]):
    """The episodes of one checkpoint."""

    def __init__(self, run: RecordedRun, number: int, records: RecordReader, decoder: PngDecoder) -> None:
        self.run = run
        self.number = number
        self._records = records
        self._decoder = decoder
        self._entries = self._steps = self._final_observations = 0
        self._episodes = self._complete_episodes = 0

    def episodes(self) -> Iterator[Episode]:
        """Yield the episodes in order of play.

        Raises:
            SourceError: a record is damaged, in the wrong place, or does not match its form.
        """
        last: int | None = None
        # Ordering the records takes long; done here, not on the thread, it can be interrupted.
        records = self._records.records(self.number)
        for recorded in read_ahead(self._read(records)):
            self._check_place(recorded, last)
            episode = recorded.episode(self._decoder)
            self._entries += recorded.entries
            self._steps += len(episode)
            self._final_observations += episode.final_observation is not None
            self._episodes += 1
            self._complete_episodes += episode.complete
            last = recorded.key.episode
            yield episode

    @property
    def row_counts(self) -> RowCounts:
        """What happened to each of the records' entries."""
        return RowCounts(self._entries, self._steps, 0, 0, 0, final_observations=self._final_observations)

    @property
    def step_counts(self) -> StepCounts:
        """The step counts, where every transition is a step of its own checkpoint."""
        return StepCounts(self._steps, 0, 0, self._episodes, self._complete_episodes)

    def sources(self) -> tuple[FileRecord, ...]:
        """Returns the checkpoint's file, or all files of the run if its episodes are scattered."""
        return self._records.sources(self.number)

    def _read(self, records: Iterator[Example]) -> Generator[RecordedEpisode, None, None]:
        for example in records:
            yield self.run.form.read(example, self.run.game)

    def _check_place(self, recorded: RecordedEpisode, last: int | None) -> None:
        key = recorded.key
        if key.checkpoint != self.number:
            raise SourceError(
                f"{recorded.where}: is episode {key.episode} of checkpoint {key.checkpoint}, where those of "
                f"checkpoint {self.number} are expected; is a file missing or misnamed?"
            )
        if last is not None and key.episode <= last:
            raise SourceError(
                f"{recorded.where}: episode {key.episode} comes after episode {last}, which is "
                f"not the order of play; copy the file again"
            )
