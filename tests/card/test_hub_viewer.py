"""The rules of the Hub's dataset viewer, as its code has them, held by the card and the shards."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from atari_dqn_replay.builder.card.front_matter import FrontMatter
from atari_dqn_replay.builder.card.text import usage_body
from atari_dqn_replay.builder.format.configs import all_config_names
from atari_dqn_replay.builder.format.features import episodes_features
from atari_dqn_replay.builder.shards.writer import write_steps
from steps import SCHEMA, episodes

ROWS = 2_500

SCAN_BYTES = 300_000_000
"""Compressed bytes that the viewer reads for a page of rows."""
STATISTICS_BYTES = 5_000_000_000
"""Uncompressed bytes after which it computes no more statistics."""


@pytest.fixture(scope="module")
def metadata(tmp_path_factory: pytest.TempPathFactory) -> pq.FileMetaData:
    path: Path = tmp_path_factory.mktemp("shard") / "steps.parquet"
    write_steps(path, episodes(ROWS), SCHEMA)
    return pq.read_metadata(path)


@pytest.mark.slow
def test_a_page_of_rows_is_far_below_what_it_reads(metadata: pq.FileMetaData) -> None:
    """It reads the row groups that hold a hundred rows."""
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        columns = [group.column(column) for column in range(group.num_columns)]
        assert sum(column.total_compressed_size for column in columns) < SCAN_BYTES / 10
        assert sum(column.total_uncompressed_size for column in columns) < SCAN_BYTES / 10
        assert all(column.has_offset_index for column in columns)


def test_the_card_states_where_its_statistics_end(metadata: pq.FileMetaData) -> None:
    groups = [metadata.row_group(place).total_byte_size for place in range(metadata.num_row_groups)]
    rows = STATISTICS_BYTES / (sum(groups) / metadata.num_rows)
    assert rows == pytest.approx(690_000, rel=0.01)
    assert "the first 690,000 rows" in " ".join(usage_body(FrontMatter(""), [], None).split())


def test_it_finds_images_and_names_of_actions_in_the_schema() -> None:
    for schema in (SCHEMA, episodes_features().arrow_schema):
        assert schema.metadata is not None
        features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
        assert "Image" in {feature["_type"] for feature in features.values()}
        assert [*features] == schema.names and len(features) <= 1_000


def test_names_and_numbers_of_configs_are_within_its_limits() -> None:
    """4,000 configs, 30 splits of each, names of 500 characters that hold nothing that a path could not."""
    names = all_config_names()
    assert len(names) <= 4_000
    assert all(len(name) <= 500 and not set('<>:/\\|?*"') & set(name) for name in names)
