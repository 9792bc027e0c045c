"""What every source provides for a run: its checkpoints, and their whole episodes in order of play."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np

from ..errors import UnknownNameError
from ..format.checkpoint_id import CheckpointId
from ..format.frame_format import GREY84, FrameFormat
from ..format.games import Game
from ..format.manifest import FileRecord, RowCounts, StepCounts
from ..format.numbers import describe_numbers
from ..format.provenance import Provenance

AnyRun = TypeVar("AnyRun", bound="Run")


@dataclass(frozen=True)
class Episode:
    """One episode, or what is left of it. Its frames are read as `frames` is consumed, only once.

    Arrays have shape (length,).
    """

    checkpoint: int
    """The checkpoint in which the episode began."""
    number: int
    """The episode's number within the checkpoint, in order of play: 0, 1, …"""
    action: np.ndarray
    """int32, as logged."""
    reward: np.ndarray
    """float32, as logged."""
    terminated: bool
    truncated: bool
    """Whether the time limit ended the episode; unknown for an episode whose beginning is missing."""
    complete: bool
    """Whether the episode began at a reset and was ended by the game or the time limit."""
    joined: bool
    """Whether the episode continues in later checkpoints' files; a part leaves those transitions out."""
    frames: Iterator[np.ndarray]
    """Blocks of shape (n, *frame_format.shape), uint8; together they have `length` rows."""
    unclipped_reward: np.ndarray | None = None
    """float32; None if the source does not have it."""
    prob: np.ndarray | None = None
    """float32, the probability with which each action was chosen; None if the source does not have it."""
    final_observation: np.ndarray | None = None
    """The observation after the last step, uint8; None if the source does not have it."""
    state: Mapping[str, np.ndarray] = field(default_factory=dict)
    """A world's state before each step, by column; empty if the source does not have it."""
    facts: Mapping[str, int | bytes] = field(default_factory=dict)
    """What the episodes table says of a world, by column, images as PNGs; see `features.fact_features`."""
    follows: bool = False
    """Whether this piece, in a part, is the rest of an episode that began in an earlier checkpoint."""
    began_at_reset: bool = True

    def __len__(self) -> int:
        return len(self.action)

    @property
    def return_to_go(self) -> np.ndarray:
        """The undiscounted sum of rewards from each step to the end, float32."""
        return np.cumsum(self.reward[::-1], dtype=np.float64)[::-1].astype(np.float32)


class Checkpoint(ABC, Generic[AnyRun]):
    """The episodes that began in one checkpoint of a run.

    The same rows come in the same order however the work is divided. The counts and the sources are available
    once `episodes` is exhausted.
    """

    run: AnyRun
    number: int

    @property
    def id(self) -> CheckpointId:
        """The identity of the checkpoint."""
        return CheckpointId(self.run.game, self.run.number, self.number)

    @abstractmethod
    def episodes(self) -> Iterator[Episode]:
        """Yield the episodes in order of play; read each one's frames before asking for the next.

        Raises:
            SourceError: a file is damaged, or a row of the source is unaccounted for.
        """

    @property
    @abstractmethod
    def row_counts(self) -> RowCounts:
        """What happened to each of the rows of the checkpoint's files."""

    @property
    @abstractmethod
    def step_counts(self) -> StepCounts:
        """How the files' transitions became the checkpoint's steps."""

    @property
    def add_count(self) -> int | None:
        """The number in the log's `add_count` of this checkpoint; None if there is none."""
        return None

    @abstractmethod
    def sources(self) -> tuple[FileRecord, ...]:
        """Returns every file whose rows are among the steps, or were examined for them."""

    def remarks(self) -> tuple[str, ...]:
        """Returns how the checkpoint's files were converted to be read; empty for files as in the bucket."""
        return ()

    def own_sources(self) -> tuple[FileRecord, ...]:
        """Returns the files that have the checkpoint's own number."""
        return self.sources()


class RunReader(ABC, Generic[AnyRun]):
    """Reads the checkpoints of a run; moving from one to the next, it reads nothing twice."""

    run: AnyRun
    next_number: int | None = None
    """The number of the checkpoint that follows the last one requested."""

    def expect(self, checkpoints: Sequence[int]) -> None:
        """Announce the checkpoints that will be requested: some sources can then save work."""

    @abstractmethod
    def checkpoint(self, number: int) -> Checkpoint:
        """Returns a checkpoint, which must be exhausted before the next is requested.

        Raises:
            UnknownNameError: the run has no such checkpoint.
            SourceError: a file that it needs is missing or damaged.
        """

    def part(self, number: int) -> Checkpoint:
        """Returns what a checkpoint's own files hold, so that it can be built apart from its neighbours.

        An episode that crosses the checkpoint's bounds comes in pieces: see `follows` and `joined` of
        Episode. In most sources none does. The frames of the piece that continues an earlier checkpoint,
        which comes first, may be read after all others, which is cheapest: where a source is a ring's dump,
        the piece's first frame lies at the end of the file.

        Raises:
            UnknownNameError: the run has no such checkpoint.
            SourceError: a file that it needs is missing or damaged.
        """
        return self.checkpoint(number)

    def begin_head(self, number: int) -> None:
        """Begin to read the piece that continues an earlier checkpoint, while another part is read.

        Errors are raised when it is requested, of the part with this number. Some sources save time by it.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the files and stop the threads."""


class Run(ABC):
    """One run of one game in a source."""

    game: Game
    number: int
    """The run's number: 1 to 5 in the original."""
    where: str
    """The run's folder, for messages."""
    checkpoints: Sequence[int]
    """The numbers of the available checkpoints, ascending."""
    optional_columns: Sequence[str] = ()
    """The optional columns that the source has of each step."""
    episode_columns: Sequence[str] = ()
    """The columns that the source has of each episode of a world; see `features.fact_features`."""

    has_final_observations: bool = False
    """Whether the source has what was seen after the last step of each complete episode."""

    @property
    def frame_format(self) -> FrameFormat:
        """The format of the run's frames."""
        return GREY84

    @property
    @abstractmethod
    def provenance(self) -> Provenance:
        """Where the data came from, according to its own record."""

    @abstractmethod
    def partial_checkpoints(self) -> list[int]:
        """Returns the checkpoints made at the end of training from less than a full ring."""

    @abstractmethod
    def rows(self, checkpoint: int) -> int:
        """Returns the approximate number of rows read for a checkpoint, without reading it."""

    @abstractmethod
    def capacity(self) -> int | None:
        """Returns the number of rows in the replay buffer; None if the source has no replay buffer."""

    @abstractmethod
    def file_sizes(self) -> dict[str, int | None]:
        """Returns the size in bytes of each file of the run, by path relative to the source's root."""

    def stored_bytes(self) -> int | None:
        """Returns the size in bytes of what the source stores of the run; None if that is not known."""
        sizes = list(self.file_sizes().values())
        known = [size for size in sizes if size is not None]
        return sum(known) if len(known) == len(sizes) else None

    @abstractmethod
    def remarks(self) -> list[str]:
        """Returns notes on what is missing or odd, as far as can be seen without reading frames."""

    def lost_files(self, checkpoint: int) -> frozenset[str]:
        """Returns a checkpoint's files if they are so damaged that its neighbours must do without it."""
        return frozenset()

    def losses(self) -> list[str]:
        """Returns which files are missing or empty, as far as listings show."""
        return []

    @abstractmethod
    def reader(self) -> RunReader:
        """Returns a new reader."""

    def tasks(self, checkpoints: Sequence[int]) -> list[list[int]]:
        """Returns the checkpoints in groups, each best read by one worker, in this order."""
        return [list(checkpoints)] if checkpoints else []

    def continued_in(self, checkpoint: int) -> int | None:
        """Returns the checkpoint whose part completes this one's last episode, if it may continue there."""
        return None

    def continued_in_later(self, checkpoint: int) -> int:
        """Returns the steps of the checkpoint's last episode that later checkpoints hold, however many.

        No frames are read.

        Raises:
            SourceError: a file that the answer needs is missing or damaged.
        """
        return 0

    def complete_checkpoints(self) -> list[int]:
        """Returns the checkpoints that are not partial."""
        partial = self.partial_checkpoints()
        return [number for number in self.checkpoints if number not in partial]

    def is_partial(self, checkpoint: int) -> bool:
        """Returns whether a checkpoint was made at the end of training, from less than a full ring."""
        # Only the last one can be, so that the others do not depend on its files.
        return checkpoint in self.checkpoints[-1:] and checkpoint in self.partial_checkpoints()

    def is_last_complete(self, checkpoint: int) -> bool:
        """Returns whether a checkpoint is complete and no later one is."""
        return checkpoint in self.checkpoints[-2:] and self.complete_checkpoints()[-1:] == [checkpoint]

    def require(self, checkpoint: int) -> None:
        """Check that the run has a checkpoint.

        Raises:
            UnknownNameError: the run does not have it; the message lists the checkpoints that it has.
        """
        if checkpoint not in self.checkpoints:
            found = describe_numbers(self.checkpoints)
            raise UnknownNameError(f"{self.where}: no checkpoint {checkpoint} of {self.game}; it has {found}")

    def neighbours(self, checkpoint: int) -> tuple[int | None, int | None]:
        """Returns the nearest checkpoints before and after this one in the source."""
        earlier = [other for other in self.checkpoints if other < checkpoint]
        later = [other for other in self.checkpoints if other > checkpoint]
        return (earlier[-1] if earlier else None), (later[0] if later else None)
