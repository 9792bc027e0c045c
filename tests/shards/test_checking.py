"""A finished file is opened again: what is damaged, cut or mistaken never gets into place."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from atari_dqn_replay.builder.errors import OutputError
from atari_dqn_replay.builder.shards.parquet.checking import check_parquet
from atari_dqn_replay.builder.shards.steps import TABLE_ROWS, steps_tables
from atari_dqn_replay.builder.shards.writer import write_shard, write_steps
from steps import SCHEMA, episodes

ROWS = 2 * TABLE_ROWS + 50


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A right file of three row groups."""
    path = tmp_path_factory.mktemp("written") / "steps.parquet"
    write_steps(path, episodes(ROWS), SCHEMA)
    return path.read_bytes()


def check(path: Path, data: bytes, rows: int = ROWS, schema: pa.Schema = SCHEMA) -> None:
    path.write_bytes(data)
    check_parquet(path, schema, rows)


def test_a_right_file_is_right(tmp_path: Path, written: bytes) -> None:
    check(tmp_path / "steps.parquet", written)


def test_a_file_of_another_length_or_schema_is_refused(tmp_path: Path, written: bytes) -> None:
    path = tmp_path / "steps.parquet"
    with pytest.raises(OutputError, match=r"steps.parquet: .*it holds 4,146 rows, expected 4,147"):
        check(path, written, ROWS + 1)
    with pytest.raises(OutputError, match="its schema is"):
        check(path, written, schema=SCHEMA.remove_metadata())


@pytest.mark.parametrize("kept", [0, 3, 100, -1, -8, -1000])
def test_a_file_that_is_cut_short_is_refused(tmp_path: Path, written: bytes, kept: int) -> None:
    with pytest.raises(OutputError, match="was not written as it should be"):
        check(tmp_path / "steps.parquet", written[:kept])


def test_a_damaged_page_is_refused(tmp_path: Path, written: bytes) -> None:
    path = tmp_path / "steps.parquet"
    metadata = pq.read_metadata(pa.BufferReader(written))
    for group in (0, metadata.num_row_groups - 1):
        for leaf in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(leaf)
            damaged = bytearray(written)
            damaged[chunk.data_page_offset + chunk.total_compressed_size - 1] ^= 1
            with pytest.raises(OutputError, match="was not written as it should be"):
                check(path, bytes(damaged))


def test_a_page_index_that_points_elsewhere_is_refused(tmp_path: Path, written: bytes) -> None:
    """Nobody who reads the pages alone notices; who skips by the index reads wrong rows."""
    path, (start, stop) = tmp_path / "steps.parquet", offset_indexes(written)
    random, refused = np.random.default_rng(0), 0
    for place in random.integers(start, stop, 40):
        damaged = bytearray(written)
        damaged[place] ^= 1 << int(random.integers(8))
        try:
            check(path, bytes(damaged))
        except OutputError:
            refused += 1
    assert refused >= 20


def test_a_file_without_page_index_is_refused(tmp_path: Path) -> None:
    tables = steps_tables(episodes(100), SCHEMA)
    with pytest.raises(OutputError, match="has no page index"):
        write_shard(tmp_path / "steps.parquet", tables, SCHEMA, {"write_page_index": False})


def test_a_file_without_rows_is_right(tmp_path: Path) -> None:
    write_steps(tmp_path / "steps.parquet", [], SCHEMA)
    write_shard(tmp_path / "shard.parquet", [], SCHEMA)


def offset_indexes(file: bytes) -> tuple[int, int]:
    """Where they lie: the last thing before the footer."""
    footer = len(file) - 8 - int.from_bytes(file[-8:-4], "little")
    return footer - 200, footer
