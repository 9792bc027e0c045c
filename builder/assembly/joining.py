"""Joins the pieces of neighbouring checkpoints into a whole one: its last shard, table and manifest."""

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec.structs import replace

from ..files import sha256_of
from ..format.arrow_columns import array_of_column
from ..format.features import PROB, episodes_features, steps_features
from ..format.frames import decode_frames
from ..format.manifest import Manifest, ParquetRecord, ReturnSummary, ShardRecord
from ..format.protocol import TIME_LIMIT
from ..repos.built_folder import BuiltCheckpoint
from ..repos.outgoing_file import OutgoingFile
from ..shards.parquet.compression import COMPRESSIONS
from ..shards.steps import Columns, Digests, EpisodeRows, episode_columns
from ..shards.writer import write_steps
from ..sources.run import Episode
from .pieces import EPISODES, HEAD, TAIL, Piece, write_episodes

ReadBlob = Callable[[Piece, str], bytes]
"""Returns the content of one of a piece's files."""


def join(pieces: Sequence[Piece], read: ReadBlob, folder: Path) -> BuiltCheckpoint:
    """Complete a checkpoint.

    Args:
        pieces: its own piece, and those that complete it, in order of play.
        read: returns the content of one of their files.
        folder: created here; the shard of the episode that continues is written there.
    """
    folder.mkdir()
    draft = pieces[0].manifest
    content = io.BytesIO(read(pieces[0], EPISODES))
    table = pq.ParquetFile(content, page_checksum_verification=True).read()
    files = [OutgoingFile(file.path, file.size, file.sha256, None) for file in draft.shards]
    shards = draft.shards
    if pieces[0].tail is not None:
        crossing = _Crossing(pieces, read)
        shard, row = crossing.write(folder / TAIL)
        shards = (*shards, shard)
        files.append(OutgoingFile(shard.path, shard.size, shard.sha256, folder / TAIL))
        table = pa.concat_tables([table, row]).combine_chunks()
    write_episodes(folder / EPISODES, table)
    content = (folder / EPISODES).read_bytes()
    episodes = OutgoingFile.of_bytes(draft.episodes_table.path, content)
    manifest = _manifest(pieces, shards, episodes, table)
    record = OutgoingFile.of_bytes(manifest.id.manifest, manifest.to_json().encode())
    return BuiltCheckpoint(manifest, record, (*files, episodes))


def _manifest(
    pieces: Sequence[Piece], shards: tuple[ShardRecord, ...], episodes: OutgoingFile, table: pa.Table
) -> Manifest:
    draft = pieces[0].manifest
    counts = draft.step_counts
    others = [source for piece in pieces[1:] for source in piece.head_sources]
    last = pieces[-1]
    if last is not pieces[0] and last.head is not None and not last.head.ended:
        others += last.manifest.sources  # the final dump's, too, although the episode did not go on in it
    heads = [piece.head.rows for piece in pieces[1:] if piece.head is not None]
    returns = array_of_column(table["return"].filter(table["complete"])).astype(np.float64)
    summary = ReturnSummary(None, None, None)
    if len(returns):
        summary = ReturnSummary(float(returns.mean()), float(returns.min()), float(returns.max()))
    has_final = len(pieces) > 1 and last.head is not None and last.head.has_final_observation
    return replace(
        draft,
        row_counts=replace(
            draft.row_counts,
            rows_read=draft.row_counts.rows_read + has_final,
            final_observations=draft.row_counts.final_observations + has_final,
        ),
        step_counts=replace(
            counts,
            steps=sum(shard.rows for shard in shards),
            continued_in_later=counts.continued_in_later + sum(heads),
            episodes=len(table),
            complete_episodes=len(returns),
        ),
        returns=summary,
        sources=tuple(dict.fromkeys([*draft.sources, *others])),
        remarks=tuple(dict.fromkeys(remark for piece in pieces for remark in piece.manifest.remarks)),
        shards=shards,
        episodes_table=ParquetRecord(episodes.path, episodes.size, episodes.sha256, len(table)),
    )


class _Crossing:
    """The episode that crosses a checkpoint's end: the tail of its piece, and the heads of those after it."""

    def __init__(self, pieces: Sequence[Piece], read: ReadBlob) -> None:
        self._manifest = pieces[0].manifest
        self._files = [
            pq.ParquetFile(io.BytesIO(read(piece, HEAD if place else TAIL)), page_checksum_verification=True)
            for place, piece in enumerate(pieces)
        ]
        self._columns = self._files[0].schema_arrow.names
        self._number = self._manifest.step_counts.episodes
        tail = pieces[0].tail
        last = pieces[-1].head if len(pieces) > 1 else tail
        assert tail is not None
        assert last is not None
        self._ended, self._began_at_reset = last.ended, tail.began_at_reset
        self._has_final = last.has_final_observation

    def write(self, path: Path) -> tuple[ShardRecord, pa.Table]:
        """Write its shard; return the shard's record and the episode's row of the episodes table."""
        checkpoint = self._manifest.id
        schema = steps_features(checkpoint.game, self._columns).arrow_schema
        episode, digests = self._episode(), Digests(schema.names)

        def blocks() -> Iterator[Columns]:
            for columns in episode_columns(episode):
                digests.update(columns)
                yield columns

        compression, frame_format = COMPRESSIONS[self._manifest.compression], self._manifest.frame_format
        rows = write_steps(path, blocks(), schema, compression, frame_format=frame_format)
        place = len(self._manifest.shards)
        name = checkpoint.shard(place, place + 1)
        record = ShardRecord(name, path.stat().st_size, sha256_of(path), rows, digests.hexdigests())
        row = EpisodeRows(checkpoint, first_shard=place)
        row.add(episode)
        return record, row.table(episodes_features().arrow_schema)

    def _episode(self) -> Episode:
        names = [name for name in self._columns if name != "observation"]
        numbers = pa.concat_tables(file.read(names) for file in self._files)
        if self._has_final:
            numbers = numbers.slice(0, len(numbers) - 1)
        limit = self._manifest.provenance.time_limit or TIME_LIMIT
        out_of_time = self._ended and self._began_at_reset and len(numbers) == limit
        return Episode(
            checkpoint=self._manifest.checkpoint,
            number=self._number,
            action=array_of_column(numbers["action"]).astype(np.int32),
            reward=array_of_column(numbers["reward"]),
            terminated=self._ended and not out_of_time,
            truncated=out_of_time,
            complete=self._ended and self._began_at_reset,
            joined=True,
            frames=self._frames(len(numbers)),
            final_observation=self._final_observation() if self._has_final else None,
            prob=array_of_column(numbers[PROB]) if PROB in names else None,
        )

    def _frames(self, steps: int) -> Iterator[np.ndarray]:
        for file in self._files:
            for group in range(file.num_row_groups):
                frames = self._decode(file, group)[:steps]
                steps -= len(frames)
                if len(frames):
                    yield frames

    def _final_observation(self) -> np.ndarray:
        file = self._files[-1]
        return self._decode(file, file.num_row_groups - 1)[-1]

    def _decode(self, file: pq.ParquetFile, group: int) -> np.ndarray:
        column = file.read_row_group(group, ["observation"])["observation"]
        return decode_frames(column, self._manifest.frame_format)
