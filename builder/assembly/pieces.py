"""The piece: what is made of one checkpoint's own files, and completed by its neighbours' pieces.

The complete episodes are the body, a shard that is final. The rest of an episode that began earlier is the
head, the beginning of one that continues is the tail; both are small, and are joined once the neighbours
exist.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from msgspec.structs import replace

from ..files import sha256_of
from ..format.compression import SMALL
from ..format.features import PROB, episodes_features, steps_features
from ..format.manifest import FileRecord, Manifest, ParquetRecord, ReturnSummary, ShardRecord
from ..format.records import Count, Record, Sha256, read_record, to_json
from ..shards.parquet.compression import COMPRESSIONS
from ..shards.steps import Columns, Digests, EpisodeRows, episode_columns
from ..shards.writer import write_shard, write_steps
from ..sources.run import Checkpoint, Episode

PICTURES_ROWS = 16
"""Episodes in a row group of a table with pictures of worlds, 140 KB each in Crafter: who shows one reads all
of its row group."""

BODY, EPISODES, HEAD, TAIL = "body.parquet", "episodes.parquet", "head.parquet", "tail.parquet"
"""A piece's files; only the episodes are always there."""

_FRAGMENT_COLUMNS = ("observation", "action", "reward", PROB)
"""The columns that are known of a step before its episode has ended."""


class Fragment(Record, frozen=True):
    """A part of an episode that crosses a checkpoint's bounds."""

    rows: Count
    ended: bool
    """Whether the game or the time limit ended the episode with the last row."""
    joined: bool
    """Whether the episode continues in the next checkpoint's head."""
    began_at_reset: bool
    has_final_observation: bool = False
    """Whether one more row of the file holds what was seen after the last step."""


class Piece(Record, frozen=True):
    """A record of what was made of one checkpoint's own files."""

    manifest: Manifest
    """The checkpoint's manifest as far as its own files show: without the episode that continues."""
    head: Fragment | None
    tail: Fragment | None
    head_sources: tuple[FileRecord, ...]
    """The files that the head comes from."""
    files: dict[str, Sha256]
    """SHA-256 of each file beside the record."""
    uploaded_to: str | None
    """The address of the destination that holds the body; None if only the head was made."""

    def __post_init__(self) -> None:
        if self.manifest.later is None and any(end and end.joined for end in (self.head, self.tail)):
            raise ValueError("an episode goes on in a later checkpoint, and there is none")

    @property
    def tail_goes_on_in(self) -> int | None:
        """The checkpoint that holds the rest of the tail's episode; None if there is none."""
        return self.manifest.later if self.tail is not None and self.tail.joined else None

    @property
    def head_goes_on_in(self) -> int | None:
        """The checkpoint that holds the rest of the head's episode; None if that ends in this checkpoint."""
        return self.manifest.later if self.head is not None and self.head.joined else None

    def to_json(self) -> str:
        """Returns the record as JSON."""
        return to_json(self)

    @classmethod
    def from_json(cls, text: bytes) -> "Piece":
        """Read a record back.

        Raises:
            ValueError: `text` is not such a record.
        """
        return read_record(text, cls)


def write_piece(
    part: Checkpoint,
    folder: Path,
    uploaded_to: str,
    progress: Callable[[int], object] = lambda steps: None,
    compression: str = SMALL,
) -> Piece:
    """Write a piece's files into an empty folder.

    Args:
        part: the result of `RunReader.part`; read to its end.
        folder: where the files go.
        uploaded_to: the address of the destination that the body goes to.
        progress: called with the number of steps done since the last call.
        compression: compression of the frames, one of COMPRESSIONS.

    Raises:
        SourceError: a file of the source is damaged.
    """
    return _PieceWriter(part, folder, progress, compression).write(uploaded_to)


def write_head(part: Checkpoint, folder: Path, compression: str = SMALL) -> Piece:
    """Write only the head of a piece, for the checkpoint before it.

    Raises:
        SourceError: a file of the source is damaged.
    """
    writer = _PieceWriter(part, folder, lambda steps: None, compression)
    return writer.write_head()


def write_episodes(path: Path, table: pa.Table) -> None:
    """Write an episodes table: one row group, or several if each episode has pictures of its world."""
    pictures = [field.name for field in table.schema if pa.types.is_struct(field.type)]
    rows = PICTURES_ROWS if len(pictures) > 1 else max(1, len(table))
    # An empty row group is more than stock `datasets` can read; no row group is not.
    groups = [table.slice(start, rows) for start in range(0, len(table), rows)]
    write_shard(path, groups, table.schema)


class _PieceWriter:
    def __init__(
        self, part: Checkpoint, folder: Path, progress: Callable[[int], object], compression: str
    ) -> None:
        self._compression = compression
        self._part, self._folder, self._progress = part, folder, progress
        run = part.run
        self._schema = steps_features(run.game, run.optional_columns).arrow_schema
        self._episodes_schema = episodes_features(run.game, run.episode_columns).arrow_schema
        self._episodes = part.episodes()
        self._next = next(self._episodes, None)
        self._rows = EpisodeRows(part.id)
        self._digests = Digests(self._schema.names)
        self._complete = 0

    def write(self, uploaded_to: str) -> Piece:
        head_episode = self._head_episode()
        if head_episode is not None:
            self._next = next(self._episodes, None)
        body = self._folder / BODY
        steps = self._write_steps(body, self._whole_episodes(), self._schema)
        tail = self._write_fragment(TAIL, self._next)
        self._next = next(self._episodes, None)
        assert self._next is None, "only a checkpoint's last episode goes on"
        # Last, since its first frame may be the last of the source's file.
        head = self._write_fragment(HEAD, head_episode)
        if tail is not None and steps == 0:
            body.unlink()
        shards = (self._shard(body, steps, 1 + (tail is not None)),) if body.exists() else ()
        table = self._rows.table(self._episodes_schema, shards=len(shards) + (tail is not None))
        write_episodes(self._folder / EPISODES, table)
        manifest = self._manifest(shards, head, steps, self._part.sources())
        return Piece(manifest, head, tail, *self._vouch(), uploaded_to)

    def write_head(self) -> Piece:
        head = self._write_fragment(HEAD, self._head_episode())
        write_episodes(self._folder / EPISODES, self._rows.table(self._episodes_schema))
        # What comes after a head that has ended makes no difference to it.
        is_open = head is not None and not head.ended
        sources = self._part.sources() if is_open else self._part.own_sources()
        return Piece(self._manifest((), head, 0, sources), head, None, *self._vouch(), None)

    def _vouch(self) -> tuple[tuple[FileRecord, ...], dict[str, str]]:
        files = {path.name: sha256_of(path) for path in self._folder.iterdir() if path.name != BODY}
        return self._part.own_sources(), files

    def _head_episode(self) -> Episode | None:
        return self._next if self._next is not None and self._next.follows else None

    def _whole_episodes(self) -> Iterator[Columns]:
        while self._next is not None and not self._next.joined:
            self._rows.add(self._next)
            self._complete += self._next.complete
            for columns in episode_columns(self._next):
                self._digests.update(columns)
                self._progress(len(columns["step"]))
                yield columns
            self._next = next(self._episodes, None)

    def _write_fragment(self, name: str, episode: Episode | None) -> Fragment | None:
        if episode is None:
            return None
        fields = [field for field in self._schema if field.name in _FRAGMENT_COLUMNS]
        schema = pa.schema(fields)
        self._write_steps(self._folder / name, self._counted(episode), schema)
        ended = episode.terminated or episode.truncated
        # From a dataset, an episode comes whole that went on in a later file of its log.
        goes_on = episode.joined and self._part.run.continued_in(self._part.number) is not None
        has_final = episode.final_observation is not None
        return Fragment(len(episode), ended, goes_on, episode.began_at_reset, has_final)

    def _write_steps(self, path: Path, blocks: Iterator[Columns], schema: pa.Schema) -> int:
        compression, frame_format = COMPRESSIONS[self._compression], self._part.run.frame_format
        return write_steps(path, blocks, schema, compression, frame_format=frame_format)

    def _counted(self, episode: Episode) -> Iterator[Columns]:
        for columns in episode_columns(episode):
            self._progress(len(columns["step"]))
            yield columns
        if episode.final_observation is not None:
            yield {
                "observation": episode.final_observation[None],
                "action": np.zeros(1, np.int64),
                "reward": np.zeros(1, np.float32),
                "step": np.array([len(episode)], np.int32),
                PROB: np.ones(1, np.float32),
            }

    def _shard(self, path: Path, rows: int, shards: int) -> ShardRecord:
        name = self._part.id.shard(0, shards)
        return ShardRecord(name, path.stat().st_size, sha256_of(path), rows, self._digests.hexdigests())

    def _manifest(
        self,
        shards: tuple[ShardRecord, ...],
        head: Fragment | None,
        steps: int,
        sources: tuple[FileRecord, ...],
    ) -> Manifest:
        part, run, number = self._part, self._part.run, self._part.number
        earlier, later = run.neighbours(number)
        table, path = part.id.episodes_table, self._folder / EPISODES
        return Manifest(
            game=run.game.name,
            run=run.number,
            checkpoint=number,
            partial=run.is_partial(number),
            last_complete=run.is_last_complete(number),
            capacity=run.capacity(),
            provenance=run.provenance,
            row_counts=part.row_counts,
            step_counts=replace(
                part.step_counts, steps=steps, episodes=len(self._rows), complete_episodes=self._complete
            ),
            returns=ReturnSummary(None, None, None),
            sources=sources,
            shards=shards,
            episodes_table=ParquetRecord(table, path.stat().st_size, sha256_of(path), len(self._rows)),
            earlier=earlier,
            later=later,
            remarks=part.remarks(),
            add_count=part.add_count,
            episode_columns=tuple(run.episode_columns),
            compression=self._compression,
            frames=run.frame_format.name,
        )
