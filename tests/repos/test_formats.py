"""A dataset's folders hold nothing but Parquet, and manifests of the format before are still read."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import polars
import pyarrow.dataset
import pyarrow.parquet
import pytest
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.publishing.editing import remove_games, render_cards
from atari_dqn_replay.builder.publishing.publish import publish
from atari_dqn_replay.builder.repos.folder_destination import FolderDestination
from atari_dqn_replay.builder.repos.folder_reader import FolderReader
from atari_dqn_replay.builder.verification.verify import verify
from atari_dqn_replay.interop.selection import open_repo
from dataset_folders import contents
from datasets_of_logs import build_from
from logs import write_log

from atari_dqn_replay import AtariReplayError, Episodes

PONG = find_game("pong")
MANIFEST = "data/pong/run_1/checkpoint_00/manifest.json"
RUNS, CHECKPOINTS = (1, 2), (0, 1)
LENGTHS = (40, 70, 60)
"""Of the episodes, which the logs of each run have in two files."""
STEPS = sum(LENGTHS)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset; not to be changed."""
    folder = tmp_path_factory.mktemp("built")
    for run in RUNS:
        write_log(folder / "logs", LENGTHS, capacity=100, run=run)
    return build_from(folder / "logs", folder / "dataset")


@pytest.fixture
def old(built: Path, tmp_path: Path) -> Path:
    """The same dataset as it was written in format 2: the manifests lie among the shards."""
    folder = Path(shutil.copytree(built, tmp_path / "old"))
    for manifest in folder.glob("manifests/*/*/*.json"):
        record = json.loads(manifest.read_text()) | {"format": 2}
        place = folder / "data" / manifest.relative_to(folder / "manifests").with_suffix("")
        (place / "manifest.json").write_text(json.dumps(record, indent=2) + "\n")
    shutil.rmtree(folder / "manifests")
    return folder


READERS: dict[str, Callable[[str], Any]] = {
    "pandas.read_parquet": pandas.read_parquet,
    "pyarrow.parquet.read_table": pyarrow.parquet.read_table,
    "pyarrow.dataset": lambda folder: pyarrow.dataset.dataset(folder, format="parquet").to_table(),
    "polars.read_parquet": polars.read_parquet,
}


@pytest.mark.parametrize("reader", READERS)
def test_a_folder_is_read_whole_by_any_parquet_reader(reader: str, built: Path) -> None:
    read = READERS[reader]
    assert len(read(f"{built}/data/pong")) == len(RUNS) * STEPS
    assert 0 < len(read(f"{built}/data/pong/run_1/checkpoint_00")) < STEPS
    assert len(read(f"{built}/episodes/pong")) == len(RUNS) * len(LENGTHS)


@pytest.mark.slow
def test_a_dataset_of_format_2_is_read_and_verified(old: Path) -> None:
    assert verify(FolderReader(old)).ok
    assert len(list(Episodes(old, "pong-full", split="run_1"))) == len(LENGTHS)
    assert open_repo(FolderReader(old)).open_run(PONG, 1).checkpoints == list(CHECKPOINTS)
    # Its manifests still count.
    (old / MANIFEST).write_text("{}")
    with pytest.raises(AtariReplayError, match=f"{MANIFEST}: not a manifest"):
        Episodes(old, "pong-full", split="run_1")
    assert verify(FolderReader(old), quick=True).differences[0].path == MANIFEST


def test_publishing_a_dataset_of_format_2_writes_it_in_the_new_one(
    old: Path, built: Path, tmp_path: Path
) -> None:
    publish(old, FolderDestination(tmp_path / "new"))
    assert contents(tmp_path / "new") == contents(built)


def test_a_destination_of_format_2_is_brought_up_to_date(old: Path, built: Path) -> None:
    done = publish(built, FolderDestination(old))
    assert all(path.startswith("manifests/") for path in done.files), "the data is there already"
    assert contents(old) == contents(built)


@pytest.mark.slow
def test_a_destination_of_format_2_takes_more(old: Path, tmp_path: Path) -> None:
    write_log(tmp_path / "logs", LENGTHS, capacity=100, run=3)
    more = build_from(tmp_path / "logs", tmp_path / "more")
    publish(more, FolderDestination(old))
    assert (old / MANIFEST).exists()
    assert verify(FolderReader(old)).ok
    assert render_cards(FolderDestination(old)).nothing_to_do
    remove_games([PONG], FolderDestination(old))
    assert list(contents(old)) == ["README.md"]


def test_of_two_formats_the_newer_counts(old: Path, built: Path) -> None:
    shutil.copytree(built / "manifests", old / "manifests")
    (old / MANIFEST).write_text("{")
    assert len(list(Episodes(old, "pong-full", split="run_1"))) == len(LENGTHS)
    assert [each.path for each in verify(FolderReader(old), quick=True).differences] == [
        f"data/pong/run_{run}/checkpoint_0{number}/manifest.json" for run in RUNS for number in CHECKPOINTS
    ]


def test_the_place_of_a_manifest_is_that_of_its_format(old: Path) -> None:
    (old / MANIFEST).write_text((old / MANIFEST).read_text().replace('"format": 2', '"format": 3'))
    difference = verify(FolderReader(old), quick=True).differences[0]
    assert "names files that do not belong to this checkpoint; remove it and publish" in difference.message
