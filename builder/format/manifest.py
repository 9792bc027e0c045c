"""Defines the manifest of a checkpoint: what it holds, what it was made from, and how to verify it."""

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
import xxhash
from msgspec import Meta

from ..errors import AtariReplayError, OutputError
from .checkpoint_id import CheckpointId
from .compression import COMPRESSIONS, SMALL
from .configs import LARGEST_NUMBER
from .frame_format import GREY84, FrameFormat
from .games import Game, find_game
from .layout import MOST_CHECKPOINT
from .provenance import Provenance
from .records import Count, Record, Sha256, parse, record_of, to_json

FORMAT = 3
"""The format that is written. Format 2 is the same, except that the file lay elsewhere."""
OLDEST_FORMAT = 2
"""The oldest format that is read."""

Digest = Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
"""An xxh3-128 digest in hexadecimal."""
Path = Annotated[str, Meta(min_length=1, max_length=4096)]
Number = Annotated[int, Meta(ge=0, le=LARGEST_NUMBER)]
"""The number of a run or a checkpoint."""


class FileRecord(Record, frozen=True):
    """A file's path, size and digest."""

    path: Path
    """The path relative to the root of the source or of the dataset repo."""
    size: Count
    """The size in bytes."""
    sha256: Sha256


class ParquetRecord(FileRecord, frozen=True):
    """A Parquet file of the dataset repo."""

    rows: Count


class ShardRecord(ParquetRecord, frozen=True):
    """A shard of steps."""

    digests: Annotated[dict[str, Digest], Meta(min_length=1)]
    """The xxh3-128 digest of each column, over its raw values in order (frames: the pixels of each)."""


class RowCounts(Record, frozen=True):
    """What happened to each row of a checkpoint's files: `rows_read` is the sum of the others."""

    rows_read: Count
    transitions: Count
    padding: Count
    """All-zero rows before an episode."""
    stale: Count
    """Rows that the ring had never written."""
    repeated: Count
    """Rows of the final, partial dump that the previous file also holds."""
    final_observations: Count = 0
    """Observations after an episode's last step, where the source has them."""


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
    """Statistics of the complete episodes' returns, in units of the logged reward; null if there are none."""

    mean: float | None
    minimum: float | None
    maximum: float | None


class Manifest(Record, frozen=True):
    """A record of one checkpoint of one run."""

    game: str
    run: Number
    checkpoint: Annotated[int, Meta(ge=0, le=MOST_CHECKPOINT)]
    partial: bool
    """Whether this is a run's final dump, made at the end of training: less than a full lap."""
    last_complete: bool
    """Whether it is the source's last complete checkpoint, which `expert` shows."""
    capacity: Count | None
    """The number of rows in the replay buffer, C, where the source has one."""
    provenance: Provenance
    row_counts: RowCounts
    step_counts: StepCounts
    returns: ReturnSummary
    sources: tuple[FileRecord, ...]
    """Every log file that was read to make this checkpoint."""
    shards: tuple[ShardRecord, ...]
    episodes_table: ParquetRecord
    earlier: Number | None
    later: Number | None
    """The neighbours in the log at build time: if they change, so may the episodes at both ends."""
    remarks: tuple[str, ...] = ()
    """How arrays of the source were converted, what was inferred, and what differs from the original's rules;
    omitted from the file if there is nothing to say."""
    add_count: Count | None = None
    """The rows ever added to the replay buffer, or its cursor in a run's final dump, where the log states it;
    omitted from the file otherwise."""
    episode_columns: tuple[Annotated[str, Meta(max_length=100)], ...] = ()
    """The columns of the episodes table that a world adds; omitted from the file if there are none."""
    compression: str = SMALL
    """How the frames are compressed, one of COMPRESSIONS; omitted from the file if it is the default."""
    frames: str = GREY84.name
    """The name of the frames' format, such as `rgb64`; omitted from the file if it is 84×84 grey."""
    format: Annotated[int, Meta(ge=OLDEST_FORMAT, le=FORMAT)] = FORMAT
    """The format of the file, which also states where it lies; the first entry in it."""

    def find_game(self) -> Game:
        """Returns the manifest's game."""
        return find_game(self.game)

    @property
    def frame_format(self) -> FrameFormat:
        """The format of the frames."""
        return FrameFormat.parse(self.frames)

    @property
    def id(self) -> CheckpointId:
        """The identity of the checkpoint that the manifest describes."""
        return CheckpointId(self.find_game(), self.run, self.checkpoint)

    @property
    def path(self) -> str:
        """The path in the repo at which a manifest of this format lies."""
        return self.id.manifest if self.format > 2 else self.id.manifest_of_format_2

    @property
    def log(self) -> tuple[int | None, Provenance, str]:
        """The identity of the run's log: checkpoints that differ in it come from different agents."""
        return self.capacity, self.provenance, self.frames

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the steps' columns."""
        return tuple(self.shards[0].digests)

    def is_of(self, checkpoint: CheckpointId) -> bool:
        """Returns whether it describes this checkpoint, and lists no files but that checkpoint's own."""
        shards = len(self.shards)
        expected = [*(checkpoint.shard(shard, shards) for shard in range(shards)), checkpoint.episodes_table]
        return self.id == checkpoint and [file.path for file in self.files()] == expected

    def files(self) -> tuple[ParquetRecord, ...]:
        """Returns every Parquet file that the manifest lists."""
        return (*self.shards, self.episodes_table)

    def to_json(self) -> str:
        """Returns the manifest as the text of its file; equal manifests give equal bytes."""
        record = msgspec.to_builtins(self)
        if self.compression == SMALL:
            del record["compression"]
        if not self.remarks:
            del record["remarks"]
        if self.add_count is None:
            del record["add_count"]
        if not self.episode_columns:
            del record["episode_columns"]
        if self.frames == GREY84.name:
            del record["frames"]
        return to_json(record, format=self.format)

    @classmethod
    def from_json(cls, text: str | bytes, where: str) -> "Manifest":
        """Parse a manifest.

        Raises:
            OutputError: `text`, found at `where`, is not a manifest, or has a different format.
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
            if manifest.frame_format.name != manifest.frames:
                raise ValueError(f"frames: found {manifest.frames!r}, expected {manifest.frame_format}")
            if len({tuple(shard.digests) for shard in manifest.shards}) != 1:
                raise ValueError("shards: expected at least one, and the same columns in each")
            return manifest
        except OutputError:
            raise
        except (ValueError, AtariReplayError) as error:
            raise OutputError(
                f"{where}: not a manifest ({error}); remove it and publish this checkpoint again"
            ) from None


def _check_format(value: Any, where: str) -> None:
    """Check the format's number of a parsed manifest.

    Raises:
        ValueError: there is no format number.
        OutputError: the format number is not the supported one.
    """
    found = value.get("format") if isinstance(value, dict) else None
    if type(found) is not int:
        raise ValueError(f"found no number of a format, expected {OLDEST_FORMAT} to {FORMAT}")
    if found > FORMAT:
        raise OutputError(
            f"{where}: a manifest of format {found}, and this atari-dqn-replay knows those up to {FORMAT}; "
            f"install a newer one"
        )
    if found < OLDEST_FORMAT:
        raise OutputError(
            f"{where}: a manifest of format {found}, expected {OLDEST_FORMAT} to {FORMAT}; remove it and "
            f"publish this checkpoint again, or use the atari-dqn-replay that wrote it"
        )


def name_of_data(manifests: Iterable[Manifest], edition: int) -> str:
    """Returns a name of the data of some checkpoints, in hexadecimal; other data has another name.

    Args:
        manifests: those of the checkpoints, in any order.
        edition: a number that changes when something else comes to be made from the same data.
    """
    digest = xxhash.xxh3_64(str(edition).encode())
    for manifest in sorted(manifests, key=lambda manifest: manifest.id):
        for file in manifest.files():
            digest.update(f" {file.path} {file.sha256}".encode())
    return digest.hexdigest()


def check_one_log(manifests: Iterable[Manifest], where: str) -> None:
    """Check that each run's checkpoints come from a single log, and that a game's frames have one format.

    Raises:
        OutputError: a run's checkpoints come from different logs, or the frames of a game's runs differ in
            format: a split's rows could not be read as one table of arrays.
    """
    logs: dict[tuple[str, int], Manifest] = {}
    games: dict[str, Manifest] = {}
    for manifest in manifests:
        other = games.setdefault(manifest.game, manifest)
        if manifest.frames != other.frames:
            raise OutputError(
                f"{where}: {manifest.game} would have frames of {other.frame_format.describe()} (run "
                f"{other.run}, checkpoint {other.checkpoint}) and of {manifest.frame_format.describe()} (run "
                f"{manifest.run}, checkpoint {manifest.checkpoint}), expected one format; name another place "
                f"for the others"
            )
        first = logs.setdefault((manifest.game, manifest.run), manifest)
        if manifest.log != first.log:
            raise OutputError(
                f"{where}: run {manifest.run} of {manifest.game} would be of two different logs "
                f"(checkpoints {first.checkpoint} and {manifest.checkpoint}); name another place, or remove "
                f"that run there"
            )
