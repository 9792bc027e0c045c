"""What every source knows of a run: its checkpoints, and their whole episodes in order of play."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import UnknownNameError
from ..format.checkpoint_id import CheckpointId
from ..format.games import Game
from ..format.manifest import FileRecord, RowCounts, StepCounts
from ..format.numbers import describe_numbers
from ..format.provenance import Provenance


@dataclass(frozen=True)
class Episode:
    """One episode, or what is left of it. Its frames are read as `frames` is used, and only once.

    Arrays have shape (length,).
    """

    checkpoint: int
    """The one in which it began."""
    number: int
    """0, 1, … within the checkpoint, in order of play."""
    action: np.ndarray
    """int32, as logged."""
    reward: np.ndarray
    """float32, as logged."""
    terminated: bool
    truncated: bool
    """Ended by the time limit; of an episode whose beginning is missing this cannot be known."""
    complete: bool
    """Began at a reset, and was ended by the game or the time limit."""
    joined: bool
    """Goes on in later checkpoints' files; of a part, what lies there is not included."""
    frames: Iterator[np.ndarray]
    """Blocks of shape (n, 84, 84), uint8; together they have `length` rows."""
    unclipped_reward: np.ndarray | None = None
    """float32; where the source has it."""
    final_observation: np.ndarray | None = None
    """(84, 84) uint8: what was seen after the last step; where the source has it."""
    follows: bool = False
    """Of a part: it is the rest of an episode that began in an earlier checkpoint."""
    began_at_reset: bool = True

    def __len__(self) -> int:
        return len(self.action)

    @property
    def return_to_go(self) -> np.ndarray:
        """float32: the undiscounted sum of rewards from each step to the end."""
        return np.cumsum(self.reward[::-1], dtype=np.float64)[::-1].astype(np.float32)


class Checkpoint(ABC):
    """The episodes that began in one checkpoint of a run.

    The same rows come in the same order however the work is divided. The counts and the sources are there
    once `episodes` has been used up.
    """

    run: "Run"
    number: int

    @property
    def id(self) -> CheckpointId:
        """Which checkpoint it is."""
        return CheckpointId(self.run.game, self.run.number, self.number)

    @abstractmethod
    def episodes(self) -> Iterator[Episode]:
        """Yield the episodes in order of play; the frames of each are to be read before the next.

        Raises:
            SourceError: a file is damaged, or a row of the source is not accounted for.
        """

    @property
    @abstractmethod
    def row_counts(self) -> RowCounts:
        """What became of the rows of the checkpoint's files."""

    @property
    @abstractmethod
    def step_counts(self) -> StepCounts:
        """How the files' transitions became the checkpoint's steps."""

    @abstractmethod
    def sources(self) -> tuple[FileRecord, ...]:
        """Returns every file whose rows are among the steps, or were looked at for them."""

    def own_sources(self) -> tuple[FileRecord, ...]:
        """Returns the files of the checkpoint's own number."""
        return self.sources()


class RunReader(ABC):
    """Reads the checkpoints of a run; going on from one to the next, it reads nothing twice."""

    run: "Run"
    next_number: int | None = None
    """The checkpoint that comes after the last one asked for."""

    def expect(self, checkpoints: Sequence[int]) -> None:  # noqa: B027
        """Say which checkpoints will be asked for: some sources can then do with less work."""

    @abstractmethod
    def checkpoint(self, number: int) -> Checkpoint:
        """Returns a checkpoint, to be used up before the next is asked for.

        Raises:
            UnknownNameError: the run has no such checkpoint.
            SourceError: a file that it needs is missing or damaged.
        """

    def part(self, number: int) -> Checkpoint:
        """Returns what a checkpoint's own files hold, so that it can be made apart from its neighbours.

        An episode that crosses its bounds comes in pieces: see `follows` and `joined` of Episode. In most
        sources none does. The frames of the piece that follows from an earlier checkpoint, which comes first,
        may be read after those of all others, and then cost the least: where a source is a ring's dump, its
        first frame lies at the end of the file.

        Raises:
            UnknownNameError: the run has no such checkpoint.
            SourceError: a file that it needs is missing or damaged.
        """
        return self.checkpoint(number)

    @abstractmethod
    def close(self) -> None:
        """Close the files and stop the threads."""


class Run(ABC):
    """One run of one game, as a source holds it."""

    game: Game
    number: int
    """1 to 5 in the original."""
    where: str
    """The run's folder, for messages."""
    checkpoints: Sequence[int]
    """Numbers of the checkpoints that are there, ascending."""
    has_unclipped_reward = False

    @property
    @abstractmethod
    def provenance(self) -> Provenance:
        """Where the data came from, as it says itself."""

    @abstractmethod
    def partial_checkpoints(self) -> list[int]:
        """Returns the checkpoints made at the end of training, from less than a full ring."""

    @abstractmethod
    def rows(self, checkpoint: int) -> int:
        """Returns about how many rows are read for a checkpoint; known without reading it."""

    @abstractmethod
    def capacity(self) -> int | None:
        """Returns the rows of the replay buffer; None if the source is not of one."""

    @abstractmethod
    def file_sizes(self) -> dict[str, int | None]:
        """Returns the bytes of each file of the run, by its path below the source's root."""

    @abstractmethod
    def remarks(self) -> list[str]:
        """Returns what is missing or odd, as far as it shows without reading frames."""

    @abstractmethod
    def reader(self) -> RunReader:
        """Returns a new reader."""

    def tasks(self, checkpoints: Sequence[int]) -> list[list[int]]:
        """Returns the checkpoints in groups, each of which is best read by one worker, in this order."""
        return [list(checkpoints)] if checkpoints else []

    def continued_in(self, checkpoint: int) -> int | None:
        """Returns the checkpoint whose part completes this one's last episode, if that may go on there."""
        return None

    def complete_checkpoints(self) -> list[int]:
        """Returns the checkpoints that are not partial."""
        partial = self.partial_checkpoints()
        return [number for number in self.checkpoints if number not in partial]

    def is_last_complete(self, checkpoint: int) -> bool:
        """Returns whether a checkpoint is complete, and none after it is."""
        return self.complete_checkpoints()[-1:] == [checkpoint]

    def require(self, checkpoint: int) -> None:
        """Check that the run has a checkpoint.

        Raises:
            UnknownNameError: there is none; the message lists what there is.
        """
        if checkpoint not in self.checkpoints:
            found = describe_numbers(self.checkpoints)
            raise UnknownNameError(f"{self.where}: no checkpoint {checkpoint} of {self.game}; it has {found}")

    def neighbours(self, checkpoint: int) -> tuple[int | None, int | None]:
        """Returns the checkpoints before and after this one that the source has."""
        earlier = [other for other in self.checkpoints if other < checkpoint]
        later = [other for other in self.checkpoints if other > checkpoint]
        return (earlier[-1] if earlier else None), (later[0] if later else None)
