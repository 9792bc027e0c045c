"""The manifest of a checkpoint: what it holds, what it was made from, and how to prove it."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import OutputError
from .checkpoint_id import CheckpointId
from .compression import COMPRESSIONS, SMALL
from .games import Game, find_game
from .provenance import Provenance

FORMAT = 2


@dataclass(frozen=True)
class FileRecord:
    """A file by its content."""

    path: str
    """Relative to the root of the source or of the dataset repo."""
    size: int
    """Bytes."""
    sha256: str


@dataclass(frozen=True)
class ParquetRecord(FileRecord):
    """A Parquet file of the dataset repo."""

    rows: int


@dataclass(frozen=True)
class ShardRecord(ParquetRecord):
    """A shard of steps."""

    digests: dict[str, str]
    """xxh3-128 per column, over the raw values in order (frames: the 7056 bytes of each)."""


@dataclass(frozen=True)
class RowCounts:
    """What became of each row of a checkpoint's files: `rows_read` is the sum of the others."""

    rows_read: int
    transitions: int
    padding: int
    """All-zero rows before an episode."""
    stale: int
    """Rows that the ring had never written."""
    repeated: int
    """Rows of the final, partial dump that the file before holds as well."""
    final_observations: int = 0
    """What was seen after an episode's last step, where the source has it."""


@dataclass(frozen=True)
class StepCounts:
    """How a file's transitions become a checkpoint's steps.

    steps = transitions - continued_from_earlier + continued_in_later
    """

    steps: int
    continued_from_earlier: int
    """Transitions of this file that belong to an episode begun in an earlier checkpoint."""
    continued_in_later: int
    """Steps of this checkpoint's last episode that later files hold."""
    episodes: int
    complete_episodes: int


@dataclass(frozen=True)
class ReturnSummary:
    """Returns of the complete episodes, in the units of the logged reward; null where there are none."""

    mean: float | None
    minimum: float | None
    maximum: float | None


@dataclass(frozen=True)
class Manifest:
    """One checkpoint of one run, as stored beside its shards."""

    game: str
    run: int
    checkpoint: int
    partial: bool
    """The final dump of a run, made at the end of training: not a full lap."""
    last_complete: bool
    """No other complete checkpoint of the source comes after it: it is what `expert` shows."""
    capacity: int | None
    """Rows of the replay buffer, C, where the source is one."""
    provenance: Provenance
    row_counts: RowCounts
    step_counts: StepCounts
    returns: ReturnSummary
    sources: tuple[FileRecord, ...]
    """Every file of the log that was read to make this checkpoint."""
    shards: tuple[ShardRecord, ...]
    episodes_table: ParquetRecord
    earlier: int | None
    later: int | None
    """Its neighbours in the log when it was made: when these change, so may the episodes at its ends."""
    compression: str = SMALL
    """How its frames are compressed, one of COMPRESSIONS; left out of the file if it is the usual way."""

    def find_game(self) -> Game:
        """The game as a `Game`."""
        return find_game(self.game)

    @property
    def id(self) -> CheckpointId:
        """The checkpoint that it describes."""
        return CheckpointId(self.find_game(), self.run, self.checkpoint)

    @property
    def log(self) -> tuple[int | None, Provenance]:
        """Checkpoints of one run whose logs differ in this are of different agents."""
        return self.capacity, self.provenance

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the steps' columns."""
        return tuple(self.shards[0].digests)

    def files(self) -> tuple[ParquetRecord, ...]:
        """Every Parquet file that the manifest vouches for."""
        return (*self.shards, self.episodes_table)

    def to_json(self) -> str:
        """The file's text; equal manifests give equal bytes."""
        record = {"format": FORMAT, **asdict(self)}
        if self.compression == SMALL:
            del record["compression"]
        return json.dumps(record, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, where: str) -> "Manifest":
        """Read a manifest back.

        Raises:
            OutputError: `text`, found at `where`, is no manifest, or one of a newer format.
        """
        try:
            record: dict[str, Any] = json.loads(text)
            if record.pop("format") != FORMAT:
                raise OutputError(
                    f"{where}: a manifest of another format than {FORMAT}; build it again, or with the "
                    f"atari-dqn-replay that wrote it"
                )
            if record.get("compression", SMALL) not in COMPRESSIONS:
                raise ValueError(f"compression: {record['compression']!r}")
            return cls(
                **{
                    **record,
                    "provenance": Provenance(**record["provenance"]),
                    "row_counts": RowCounts(**record["row_counts"]),
                    "step_counts": StepCounts(**record["step_counts"]),
                    "returns": ReturnSummary(**record["returns"]),
                    "sources": tuple(FileRecord(**source) for source in record["sources"]),
                    "shards": tuple(ShardRecord(**shard) for shard in record["shards"]),
                    "episodes_table": ParquetRecord(**record["episodes_table"]),
                }
            )
        except (ValueError, KeyError, TypeError) as error:
            raise OutputError(f"{where}: not a manifest ({error}); build this checkpoint again") from None


def check_one_log(manifests: Iterable[Manifest], where: str) -> None:
    """Refuse a run whose checkpoints come from different logs.

    Raises:
        OutputError: of some run they do.
    """
    logs: dict[tuple[str, int], Manifest] = {}
    for manifest in manifests:
        first = logs.setdefault((manifest.game, manifest.run), manifest)
        if manifest.log != first.log:
            raise OutputError(
                f"{where}: run {manifest.run} of {manifest.game} would be of two different logs "
                f"(checkpoints {first.checkpoint} and {manifest.checkpoint}); name another place, or remove "
                f"that run there"
            )
