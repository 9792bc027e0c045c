"""However pyarrow lays files out, what is written is right: put together by hand, or by pyarrow alone."""

import warnings
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from atari_dqn_replay.builder.format.compression import COMPRESSIONS
from atari_dqn_replay.builder.shards.parquet import compression
from atari_dqn_replay.builder.shards.row_groups import is_layout_known
from atari_dqn_replay.builder.shards.settings import writer_options
from atari_dqn_replay.builder.shards.steps import TABLE_ROWS, steps_tables
from atari_dqn_replay.builder.shards.writer import _warn_of_layout, write_shard, write_steps
from steps import SCHEMA, episodes

ROWS = 2 * TABLE_ROWS + 50

OTHER_LAYOUTS: dict[str, dict[str, Any]] = {
    "pages of the second version": {"data_page_version": "2.0"},
    "several pages in a row group": {"data_page_size": 1 << 16, "write_batch_size": 16},
    "pages cut by content": {"use_content_defined_chunking": True},
    "a dictionary of frames": {"use_dictionary": True, "column_encoding": None},
    "another codec": {"compression": "gzip"},
}
"""What other settings make of pyarrow, another version may make of ours."""


@pytest.fixture(autouse=True)
def warn_anew() -> None:
    _warn_of_layout.cache_clear()


def test_this_pyarrow_lays_files_out_as_expected(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    assert is_layout_known(SCHEMA, writer_options(SCHEMA))
    write_steps(tmp_path / "steps.parquet", episodes(10), SCHEMA)
    assert len(recwarn) == 0


@pytest.mark.slow
@pytest.mark.parametrize("layout", OTHER_LAYOUTS)
def test_another_layout_is_left_to_pyarrow_with_one_warning(tmp_path: Path, layout: str) -> None:
    path, options = tmp_path / "steps.parquet", OTHER_LAYOUTS[layout]
    assert not is_layout_known(SCHEMA, {**writer_options(SCHEMA), **options})
    with pytest.warns(UserWarning, match=rf"pyarrow {pa.__version__} lays Parquet files out differently"):
        assert write_steps(path, episodes(ROWS), SCHEMA, options=options) == ROWS
    expected = pa.concat_tables(steps_tables(episodes(ROWS), SCHEMA))
    assert pq.read_table(path, page_checksum_verification=True).equals(expected)
    with warnings.catch_warnings(action="error"):
        write_steps(tmp_path / "another.parquet", episodes(ROWS), SCHEMA, options=options)
    assert path.read_bytes() == (tmp_path / "another.parquet").read_bytes()


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_what_pyarrow_writes_alone_has_the_nearest_of_its_levels(tmp_path: Path, name: str) -> None:
    chosen = compression.COMPRESSIONS[name]
    path, expected = tmp_path / "steps.parquet", tmp_path / "expected.parquet"
    options = OTHER_LAYOUTS["pages of the second version"]
    with pytest.warns(UserWarning):
        write_steps(path, episodes(ROWS), SCHEMA, chosen, options)
    write_shard(
        expected,
        steps_tables(episodes(ROWS), SCHEMA),
        SCHEMA,
        {**options, "compression_level": chosen.level},
    )
    assert path.read_bytes() == expected.read_bytes()
