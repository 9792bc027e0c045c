"""Steps are written as the very file that one Parquet writer makes, however many threads have made it.

Frames are compressed with parameters that pyarrow lacks. Where bytes are compared, both use pyarrow's.
"""

import io
import weakref
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from atari_dqn_replay.builder.format.frames import decode_frames
from atari_dqn_replay.builder.shards.parquet.compression import Compress, Compression
from atari_dqn_replay.builder.shards.parquet.stitching import RowGroup, StitchedFile
from atari_dqn_replay.builder.shards.settings import ZSTD_LEVEL, file_of
from atari_dqn_replay.builder.shards.steps import TABLE_ROWS, Columns, steps_table, steps_tables
from atari_dqn_replay.builder.shards.writer import MOST_THREADS, write_shard, write_steps
from hypothesis import given, settings
from hypothesis import strategies as st
from steps import EPISODE_ROWS, SCHEMA, episodes, steps

SCHEMA_OF_PARTS = pa.schema([SCHEMA.field(name) for name in ("observation", "action", "reward")])
"""That of an episode's parts in different checkpoints."""
VALUES: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "observation": (
        pa.struct({"bytes": pa.binary(), "path": pa.string()}),
        st.fixed_dictionaries({"bytes": st.none() | st.binary(max_size=9), "path": st.none() | st.text()}),
    ),
    "step": (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    "reward": (pa.float32(), st.floats(width=32)),
    "terminated": (pa.bool_(), st.booleans()),
    "file": (pa.string(), st.text()),
    "scores": (pa.list_(pa.int16()), st.lists(st.integers(-9, 9))),
}
"""Columns of every kind that the writer treats differently, and of one that no shard has."""


@st.composite
def row_groups(draw: st.DrawFn) -> tuple[pa.Schema, list[pa.Table]]:
    """A schema of some columns, and tables of it."""
    names = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, unique=True))
    schema = pa.schema([(name, VALUES[name][0]) for name in names], draw(st.sampled_from([None, {"a": "b"}])))
    row = st.fixed_dictionaries({name: st.none() | VALUES[name][1] for name in names})
    seeds = draw(st.lists(st.lists(row, min_size=1, max_size=5), max_size=3))
    repeats = draw(st.sampled_from([1, 7, 500]))
    # Many row groups, and long ones, make the numbers in the metadata take more bytes than in a file of one.
    return schema, [pa.Table.from_pylist(rows * repeats, schema) for rows in seeds] * draw(st.integers(1, 9))


@pytest.mark.slow
@given(row_groups())
@settings(deadline=None)
def test_stitched_bytes_are_those_of_one_writer(groups: tuple[pa.Schema, list[pa.Table]]) -> None:
    schema, tables = groups
    file = io.BytesIO()
    stitched = StitchedFile(file, file_of(schema))
    for table in tables:
        stitched.append(RowGroup.of(file_of(schema, table)))
    assert stitched.finish() == sum(map(len, tables))
    assert file.getvalue() == file_of(schema, *tables)


@pytest.mark.slow
@given(st.data(), st.integers(0, 200), st.sampled_from([SCHEMA, SCHEMA.remove_metadata(), SCHEMA_OF_PARTS]))
@settings(deadline=None, max_examples=30)
def test_steps_cut_in_any_way_are_written_as_one_table(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, rows: int, schema: pa.Schema
) -> None:
    """Up to seven rows, their definition levels are written in another way; with more, their number grows."""
    rows = data.draw(st.sampled_from([rows, rows % 10]))
    cuts = sorted(data.draw(st.lists(st.integers(0, rows), max_size=4)))
    columns = steps(rows, data.draw(st.integers(0, 1000)))
    blocks = [cut(columns, start, stop) for start, stop in zip([0, *cuts], [*cuts, rows], strict=True)]
    path = tmp_path_factory.getbasetemp() / "any.parquet"
    assert write_steps(path, blocks, schema, AS_PYARROW) == rows
    assert path.read_bytes() == file_of(schema, *([steps_table(columns, schema)] if rows else []))


@pytest.mark.slow
@pytest.mark.parametrize("cores", [1, 3])
@pytest.mark.parametrize("rows", [TABLE_ROWS, TABLE_ROWS + 1, 17 * TABLE_ROWS + 100])
def test_steps_are_written_as_by_one_writer(tmp_path: Path, rows: int, cores: int) -> None:
    path, expected, usual = tmp_path / "steps.parquet", tmp_path / "expected.parquet", pa.cpu_count()
    pa.set_cpu_count(cores)
    try:
        write_steps(path, episodes(rows), SCHEMA, AS_PYARROW)
    finally:
        pa.set_cpu_count(usual)
    assert write_shard(expected, steps_tables(episodes(rows), SCHEMA), SCHEMA) == rows
    assert path.read_bytes() == expected.read_bytes()


@pytest.mark.parametrize("rows", [1, 100, TABLE_ROWS + 7])
def test_frames_take_less_than_at_pyarrows_levels(tmp_path: Path, rows: int) -> None:
    ours, theirs = tmp_path / "ours.parquet", tmp_path / "theirs.parquet"
    write_steps(ours, episodes(rows), SCHEMA)
    write_steps(theirs, episodes(rows), SCHEMA, AS_PYARROW)
    assert pq.read_table(ours, page_checksum_verification=True).equals(pq.read_table(theirs))
    assert ours.stat().st_size <= theirs.stat().st_size + 100


@pytest.mark.parametrize("cores", [1, 3])
def test_the_number_of_threads_changes_no_byte(tmp_path: Path, cores: int) -> None:
    usual, files = pa.cpu_count(), []
    for count in (2, cores):
        pa.set_cpu_count(count)
        files.append(tmp_path / f"{count}.parquet")
        try:
            write_steps(files[-1], episodes(5 * TABLE_ROWS + 100), SCHEMA)
        finally:
            pa.set_cpu_count(usual)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_shard_without_rows_has_no_row_group(tmp_path: Path) -> None:
    path = tmp_path / "steps.parquet"
    assert write_steps(path, [], SCHEMA) == 0
    assert path.read_bytes() == file_of(SCHEMA)
    assert pq.read_metadata(path).num_row_groups == 0


def test_rows_are_read_with_page_index_and_checksums(tmp_path: Path) -> None:
    path, rows = tmp_path / "steps.parquet", 3 * TABLE_ROWS + 5
    write_steps(path, episodes(rows), SCHEMA)
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        assert file.num_row_groups == 4
        for number, expected in enumerate(steps_tables(episodes(rows), SCHEMA)):
            assert file.read_row_group(number).equals(expected)
            chunks = [
                file.metadata.row_group(number).column(leaf) for leaf in range(file.metadata.num_columns)
            ]
            assert all(chunk.has_offset_index for chunk in chunks)
            # The observation's two leaves have no statistics.
            assert [chunk.has_column_index for chunk in chunks] == [False, False] + [True] * (len(chunks) - 2)
    step = pq.read_table(path, filters=[("episode", "==", 17), ("step", ">=", 290)])["step"]
    assert step.to_pylist() == list(range(290, EPISODE_ROWS))


def test_checksum_tells_a_damaged_page(tmp_path: Path) -> None:
    path = tmp_path / "steps.parquet"
    write_steps(path, episodes(2 * TABLE_ROWS), SCHEMA)
    data = bytearray(path.read_bytes())
    last_group = pq.read_metadata(path).row_group(1)
    data[last_group.column(0).data_page_offset + 100] ^= 1
    path.write_bytes(data)
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        assert decode_frames(file.read_row_group(0)["observation"]).any()
        with pytest.raises(OSError, match="CRC checksum"):
            file.read_row_group(1)


def test_few_row_groups_are_in_hand(tmp_path: Path) -> None:
    made: list[weakref.ref[np.ndarray]] = []
    in_hand = []

    def blocks() -> Iterator[Columns]:
        for _ in range(12):
            in_hand.append(sum(block() is not None for block in made))
            columns = steps(TABLE_ROWS)
            columns["observation"] = columns["observation"].copy()
            made.append(weakref.ref(columns["observation"]))
            yield columns
            del columns

    write_steps(tmp_path / "steps.parquet", blocks(), SCHEMA)
    # One for each thread, and one that waits, which is still held when the next is asked for.
    assert max(in_hand) <= min(pa.cpu_count(), MOST_THREADS) + 1
    assert not any(block() is not None for block in made)


def test_error_of_the_blocks_is_raised(tmp_path: Path) -> None:
    def blocks() -> Iterator[Columns]:
        yield from episodes(3 * TABLE_ROWS)
        raise OSError("the source is gone")

    with pytest.raises(OSError, match="the source is gone"):
        write_steps(tmp_path / "steps.parquet", blocks(), SCHEMA)


def test_error_of_a_thread_is_raised(tmp_path: Path) -> None:
    blocks = [steps(TABLE_ROWS) for _ in range(4)]
    blocks[1]["observation"] = blocks[1]["observation"].astype(np.int16)
    with pytest.raises(ValueError, match="int16"):
        write_steps(tmp_path / "steps.parquet", blocks, SCHEMA)


def as_pyarrow() -> Compress:
    """Compresses the frames as pyarrow compresses all else."""
    return partial(pa.Codec("zstd", ZSTD_LEVEL).compress, asbytes=True)


AS_PYARROW = Compression(ZSTD_LEVEL, as_pyarrow)


def cut(columns: Columns, start: int, stop: int) -> Columns:
    """Some of the steps."""
    return {name: column[start:stop] for name, column in columns.items()}
