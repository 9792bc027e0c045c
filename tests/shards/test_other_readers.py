"""Readers that share no code with pyarrow read shards whole, and every column is what was written."""

import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from atari_dqn_replay.builder.shards.steps import TABLE_ROWS, steps_tables
from atari_dqn_replay.builder.shards.writer import write_steps
from steps import SCHEMA, episodes

ROWS = 4 * TABLE_ROWS + 77


def by_duckdb(path: Path, condition: str) -> pa.Table:
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect() as connection:
        query = f"SELECT * FROM read_parquet('{path}') WHERE {condition} ORDER BY episode, step"
        return connection.sql(query).to_arrow_table()


def by_polars(path: Path, condition: str) -> pa.Table:
    polars = pytest.importorskip("polars")
    return polars.scan_parquet(path).filter(polars.sql_expr(condition)).collect().to_arrow()


def by_datafusion(path: Path, condition: str) -> pa.Table:
    datafusion = pytest.importorskip("datafusion")
    frame = datafusion.SessionContext().read_parquet(str(path))
    return frame.filter(frame.parse_sql_expr(condition)).sort("episode", "step").to_arrow_table()


READERS: dict[str, Callable[[Path, str], pa.Table]] = {
    "DuckDB": by_duckdb,
    "Polars": by_polars,
    "DataFusion": by_datafusion,
}


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shard") / "steps.parquet"
    write_steps(path, episodes(ROWS), SCHEMA)
    return path


@pytest.fixture(scope="module")
def written() -> pa.Table:
    return pa.concat_tables(steps_tables(episodes(ROWS), SCHEMA))


@pytest.mark.parametrize("reader", READERS)
def test_every_column_of_every_row_is_what_was_written(reader: str, shard: Path, written: pa.Table) -> None:
    assert_same(READERS[reader](shard, "step >= 0"), written)


@pytest.mark.parametrize("reader", READERS)
def test_rows_that_are_found_by_statistics_are_the_right_ones(
    reader: str, shard: Path, written: pa.Table
) -> None:
    expected = written.filter((pc.field("episode") == 17) & (pc.field("step") > 100))
    assert len(expected) == 199
    assert_same(READERS[reader](shard, "episode = 17 AND step > 100"), expected)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("rows", [0, 1, TABLE_ROWS])
def test_files_of_few_rows(reader: str, rows: int, tmp_path: Path) -> None:
    path = tmp_path / "steps.parquet"
    write_steps(path, episodes(rows), SCHEMA)
    expected = pa.concat_tables([SCHEMA.empty_table(), *steps_tables(episodes(rows), SCHEMA)])
    assert_same(READERS[reader](path, "step >= 0"), expected)


@pytest.mark.parametrize("query", ["WHERE episode = 17 AND step > 100", "LIMIT 100"])
def test_a_page_of_rows_takes_one_row_group(query: str, shard: Path) -> None:
    """DataFusion reads Parquet by the library with which the Hub's viewer reads it."""
    datafusion = pytest.importorskip("datafusion")
    context = datafusion.SessionContext()
    context.register_parquet("steps", str(shard))
    plan = str(context.sql(f"EXPLAIN ANALYZE SELECT * FROM steps {query}").to_arrow_table()["plan"][0])
    scanned = re.search(r"bytes_scanned=([0-9.]+)( K)?", plan)
    assert scanned is not None
    metadata = pq.read_metadata(shard)
    groups = [metadata.row_group(place) for place in range(metadata.num_row_groups)]
    sizes = [
        sum(group.column(place).total_compressed_size for place in range(group.num_columns))
        for group in groups
    ]
    assert 0 < float(scanned[1]) * (1_024 if scanned[2] else 1) <= 1.1 * max(sizes) < sum(sizes) / 3


def assert_same(found: pa.Table, written: pa.Table) -> None:
    """The same values in every column, in whatever of Arrow's types for strings the reader has them."""
    assert found.column_names == written.column_names
    assert len(found) == len(written)
    for name in written.column_names:
        assert found[name].cast(written[name].type).equals(written[name]), name
