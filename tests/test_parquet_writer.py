"""A shard is the very file that one Parquet writer makes, however many threads have made it."""

import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from atari_dqn_replay.builder.features import steps_features
from atari_dqn_replay.builder.frames import decode_frames, encode_frames
from atari_dqn_replay.builder.games import find_game
from atari_dqn_replay.builder.parquet_writer import MOST_THREADS, parquet_writer, write_shard
from hypothesis import given, settings
from hypothesis import strategies as st
from logs import real_frames

GROUP_ROWS = 300
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


@given(row_groups())
@settings(deadline=None)
def test_bytes_are_those_of_one_writer(
    tmp_path_factory: pytest.TempPathFactory, groups: tuple[pa.Schema, list[pa.Table]]
) -> None:
    schema, tables = groups
    path = tmp_path_factory.getbasetemp() / "any.parquet"
    assert write_shard(path, iter(tables), schema) == sum(map(len, tables))
    assert path.read_bytes() == by_one_writer(schema, tables)


@pytest.mark.parametrize("cores", [1, 3])
def test_steps_are_written_as_by_one_writer(tmp_path: Path, cores: int) -> None:
    tables, path, usual = list(steps(24)), tmp_path / "steps.parquet", pa.cpu_count()
    pa.set_cpu_count(cores)
    try:
        write_shard(path, tables, steps_schema())
    finally:
        pa.set_cpu_count(usual)
    assert path.read_bytes() == by_one_writer(steps_schema(), tables)


def test_rows_are_read_with_page_index_and_checksums(tmp_path: Path) -> None:
    path = tmp_path / "steps.parquet"
    write_shard(path, steps(24), steps_schema())
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        for number, expected in enumerate(steps(24)):
            assert file.read_row_group(number).equals(expected)
            chunks = [
                file.metadata.row_group(number).column(leaf) for leaf in range(file.metadata.num_columns)
            ]
            assert all(chunk.has_offset_index for chunk in chunks)
            # The observation's two leaves have no statistics.
            assert [chunk.has_column_index for chunk in chunks] == [False, False] + [True] * (len(chunks) - 2)
        assert file.num_row_groups == 24
    step = pq.read_table(path, filters=[("episode", "==", 17), ("step", ">=", 290)])["step"]
    assert step.to_pylist() == list(range(290, GROUP_ROWS))


def test_checksum_tells_a_damaged_page(tmp_path: Path) -> None:
    path = tmp_path / "steps.parquet"
    write_shard(path, steps(3), steps_schema())
    data = bytearray(path.read_bytes())
    last_group = pq.read_metadata(path).row_group(2)
    data[last_group.column(0).data_page_offset + 100] ^= 1
    path.write_bytes(data)
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        assert decode_frames(file.read_row_group(1)["observation"]).any()
        with pytest.raises(OSError, match="CRC checksum"):
            file.read_row_group(2)


def test_few_blocks_are_in_hand(tmp_path: Path) -> None:
    made: list[weakref.ref[np.ndarray]] = []
    in_hand = []

    def blocks() -> Iterator[pa.Table]:
        for value in range(40):
            in_hand.append(sum(block() is not None for block in made))
            array = np.full(1 << 16, value, np.int64)
            made.append(weakref.ref(array))
            yield pa.table(
                {"step": pa.Array.from_buffers(pa.int64(), len(array), [None, pa.py_buffer(array)])}
            )
            del array

    write_shard(tmp_path / "steps.parquet", blocks(), pa.schema([("step", pa.int64())]))
    # A block for each thread; and each may not yet have let go of the one before.
    assert max(in_hand) <= 2 * min(pa.cpu_count(), MOST_THREADS)
    assert not any(block() is not None for block in made)


def test_error_of_the_blocks_is_raised(tmp_path: Path) -> None:
    def blocks() -> Iterator[pa.Table]:
        yield from steps(5)
        raise OSError("the source is gone")

    with pytest.raises(OSError, match="the source is gone"):
        write_shard(tmp_path / "steps.parquet", blocks(), steps_schema())


def test_error_of_a_thread_is_raised(tmp_path: Path) -> None:
    tables = list(steps(5))
    tables[2] = tables[2].drop_columns("step")
    with pytest.raises(ValueError, match="schema"):
        write_shard(tmp_path / "steps.parquet", tables, tables[0].schema)


def steps_schema() -> pa.Schema:
    """That of a game's steps."""
    return steps_features(find_game("breakout")).arrow_schema


def steps(groups: int) -> Iterator[pa.Table]:
    """Row groups of real frames, each an episode."""
    frames = real_frames("breakout", 8 * GROUP_ROWS)
    for number in range(groups):
        start = number % 8 * GROUP_ROWS
        columns = {
            "observation": encode_frames(frames[start : start + GROUP_ROWS]),
            "action": np.arange(GROUP_ROWS) % 4,
            "reward": np.arange(GROUP_ROWS) % 11 == 0,
            "terminated": np.arange(GROUP_ROWS) == GROUP_ROWS - 1,
            "truncated": np.zeros(GROUP_ROWS, bool),
            "return_to_go": np.arange(GROUP_ROWS)[::-1] // 11,
            "checkpoint": np.full(GROUP_ROWS, 3),
            "episode": np.full(GROUP_ROWS, number),
            "step": np.arange(GROUP_ROWS),
        }
        schema = steps_schema()
        yield pa.table(
            {field.name: pa.array(columns[field.name]).cast(field.type) for field in schema}, schema
        )


def by_one_writer(schema: pa.Schema, tables: list[pa.Table]) -> bytes:
    """The file that a single writer makes of the same row groups."""
    file = pa.BufferOutputStream()
    with parquet_writer(file, schema) as writer:
        for table in tables:
            writer.write_table(table)
    return file.getvalue().to_pybytes()
