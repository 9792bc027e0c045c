"""The manifest of a checkpoint: what it holds, what it was made from, and how to prove it."""

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ..errors import OutputError
from .checkpoint_id import CheckpointId
from .compression import COMPRESSIONS, SMALL
from .configs import LARGEST_NUMBER
from .games import Game, find_game
from .layout import MOST_CHECKPOINT
from .provenance import Provenance
from .records import Count, Record, Sha256, parse, record_of, to_json

FORMAT = 2

Digest = Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
"""An xxh3-128 in hexadecimal."""
Path = Annotated[str, Meta(min_length=1, max_length=4096)]
Number = Annotated[int, Meta(ge=0, le=LARGEST_NUMBER)]
"""Of a run or a checkpoint."""


class FileRecord(Record, frozen=True):
    """A file by its content."""

    path: Path
    """Relative to the root of the source or of the dataset repo."""
    size: Count
    """Bytes."""
    sha256: Sha256


class ParquetRecord(FileRecord, frozen=True):
    """A Parquet file of the dataset repo."""

    rows: Count


class ShardRecord(ParquetRecord, frozen=True):
    """A shard of steps."""

    digests: Annotated[dict[str, Digest], Meta(min_length=1)]
    """xxh3-128 per column, over the raw values in order (frames: the 7056 bytes of each)."""


class RowCounts(Record, frozen=True):
    """What became of each row of a checkpoint's files: `rows_read` is the sum of the others."""

    rows_read: Count
    transitions: Count
    padding: Count
    """All-zero rows before an episode."""
    stale: Count
    """Rows that the ring had never written."""
    repeated: Count
    """Rows of the final, partial dump that the file before holds as well."""
    final_observations: Count = 0
    """What was seen after an episode's last step, where the source has it."""


class StepCounts(Record, frozen=True):
    """How a file's transitions become a checkpoint's steps.

    steps = transitions - continued_from_earlier + continued_in_later
    """

    steps: Count
    continued_from_earlier: Count
    """Transitions of this file that belong to an episode begun in an earlier checkpoint."""
    continued_in_later: Count
    """Steps of this checkpoint's last episode that later files hold."""
    episodes: Count
    complete_episodes: Count


class ReturnSummary(Record, frozen=True):
    """Returns of the complete episodes, in the units of the logged reward; null where there are none."""

    mean: float | None
    minimum: float | None
    maximum: float | None


class Manifest(Record, frozen=True):
    """One checkpoint of one run, as stored beside its shards."""

    game: str
    run: Number
    checkpoint: Annotated[int, Meta(ge=0, le=MOST_CHECKPOINT)]
    partial: bool
    """The final dump of a run, made at the end of training: not a full lap."""
    last_complete: bool
    """No other complete checkpoint of the source comes after it: it is what `expert` shows."""
    capacity: Count | None
    """Rows of the replay buffer, C, where the source is one."""
    provenance: Provenance
    row_counts: RowCounts
    step_counts: StepCounts
    returns: ReturnSummary
    sources: tuple[FileRecord, ...]
    """Every file of the log that was read to make this checkpoint."""
    shards: tuple[ShardRecord, ...]
    episodes_table: ParquetRecord
    earlier: Number | None
    later: Number | None
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
        record = msgspec.to_builtins(self)
        if self.compression == SMALL:
            del record["compression"]
        return to_json(record, format=FORMAT)

    @classmethod
    def from_json(cls, text: str | bytes, where: str) -> "Manifest":
        """Read a manifest back.

        Raises:
            OutputError: `text`, found at `where`, is no manifest, or one of another format.
        """
        try:
            value = parse(text)
            _check_format(value, where)
            manifest = record_of(value, cls)
            if manifest.find_game().name != manifest.game:
                raise ValueError(f"game: found {manifest.game!r}, expected {manifest.find_game()}")
            if manifest.compression not in COMPRESSIONS:
                expected = " or ".join(COMPRESSIONS)
                raise ValueError(f"compression: found {manifest.compression!r}, expected {expected}")
            if len({tuple(shard.digests) for shard in manifest.shards}) != 1:
                raise ValueError("shards: expected at least one, and the same columns in each")
            return manifest
        except ValueError as error:
            raise OutputError(
                f"{where}: not a manifest ({error}); remove its folder and publish this checkpoint again"
            ) from None


def _check_format(value: Any, where: str) -> None:
    """Take the format's number out of a parsed manifest.

    Raises:
        ValueError: it has none.
        OutputError: it is another than ours.
    """
    found = value.pop("format", None) if isinstance(value, dict) else None
    if type(found) is not int:
        raise ValueError(f"found no number of a format, expected {FORMAT}")
    if found > FORMAT:
        raise OutputError(
            f"{where}: a manifest of format {found}, and this atari-dqn-replay knows those up to {FORMAT}; "
            f"install a newer one"
        )
    if found < FORMAT:
        raise OutputError(
            f"{where}: a manifest of format {found}, expected {FORMAT}; remove its folder and publish "
            f"this checkpoint again, or use the atari-dqn-replay that wrote it"
        )


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
