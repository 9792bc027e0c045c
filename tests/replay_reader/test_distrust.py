"""No reader believes a dataset whose files say different things of each other: each names what is wrong."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from atari_dqn_replay.replay_reader.errors import DatasetError
from command import run
from paths import THREE_LAPS

from atari_dqn_replay import Episodes, ReplayDataset, Sequences, Transitions

SELECTION = ("breakout-full", "run_1")
SHARD = "data/breakout/run_1/checkpoint_01/steps-00000-of-00002.parquet"
TABLE = "episodes/breakout/run_1/checkpoint_01.parquet"
MANIFEST = "manifests/breakout/run_1/checkpoint_01.json"

READERS: dict[str, Callable[[Path], Any]] = {
    "Transitions": lambda folder: list(
        Transitions(folder, *SELECTION, shuffle=False, batch_size=512, frame_stack=1)
    ),
    "Sequences": lambda folder: list(Sequences(folder, *SELECTION, length=20, stride=20)),
    "Episodes": lambda folder: list(Episodes(folder, *SELECTION)),
    "ReplayDataset": lambda folder: ReplayDataset(
        folder, *SELECTION, cache_dir=folder / "cache", frame_stack=1
    )[:],
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built") / "dataset"
    done = run("build", "breakout", "--source", THREE_LAPS, "--checkpoints", "1,2", "--out", out)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(built, tmp_path / "dataset"))


def change(path: Path, name: str, row: int, value: Any) -> None:
    """Write a table anew with another value in one place."""
    table = pq.read_table(path)
    index = table.schema.get_field_index(name)
    values = table[name].to_pylist()
    values[row] = value
    # Without its manifest, which would tell at once.
    pq.write_table(
        table.set_column(index, table.schema.field(index), pa.array(values, table.field(index).type)), path
    )


def forget_manifest(folder: Path) -> None:
    (folder / MANIFEST).unlink()


def assert_refused(folder: Path, *messages: str) -> None:
    for name, read in READERS.items():
        with pytest.raises(DatasetError) as refusal:
            read(folder)
        text = str(refusal.value)
        assert all(message in text for message in messages), f"{name}: {text}"


@pytest.mark.slow
def test_all_is_right_with_what_was_built(folder: Path) -> None:
    steps = sum(pq.read_metadata(path).num_rows for path in folder.glob("data/*/*/*/*.parquet"))
    assert sum(len(batch["action"]) for batch in READERS["Transitions"](folder)) == steps
    assert len(READERS["ReplayDataset"](folder)["action"]) == steps


@pytest.mark.parametrize(
    ("name", "row", "value", "message"),
    [
        ("length", 2, -5, "row 2: length is -5, expected 1 or more"),
        ("length", 2, 0, "row 2: length is 0, expected 1 or more"),
        ("first_row", 1, 1 << 40, "begins in row 1,099,511,627,776"),
        ("first_row", 1, -1, "row 1: first_row is -1, expected 0 or more"),
        ("checkpoint", 0, 2, "row 0: checkpoint is 2, expected 1"),
        ("episode", 1, 7, "row 1: episode is 7, expected 1"),
        ("run", 0, 2, "row 0: run is 2, expected 1"),
        ("game", 0, "Pong", "row 0: game is 'Pong', expected Breakout"),
        ("file", 0, SHARD.replace("checkpoint_01", "checkpoint_00"), "row 0: file is"),
        ("file", 0, "/etc/passwd", "row 0: file is '/etc/passwd'"),
        ("length", 0, None, "length is missing in 1 rows"),
    ],
)
def test_values_that_no_episodes_table_has(
    folder: Path, name: str, row: int, value: Any, message: str
) -> None:
    change(folder / TABLE, name, row, value)
    assert_refused(folder, TABLE, message)


def test_episodes_that_overlap(folder: Path) -> None:
    lengths = pq.read_table(folder / TABLE)["length"].to_pylist()
    change(folder / TABLE, "length", 0, lengths[0] + 1)
    change(folder / TABLE, "length", 1, lengths[1] - 1)
    assert_refused(folder, TABLE, "episode 1 begins in row", "where the one before ends")


def test_a_column_of_the_table_that_is_missing_or_of_another_type(folder: Path) -> None:
    table = pq.read_table(folder / TABLE)
    pq.write_table(table.drop_columns(["length"]), folder / TABLE)
    assert_refused(folder, TABLE, "lacks length; it has game, run")
    index = table.schema.get_field_index("length")
    texts = pa.array(map(str, table["length"].to_pylist()))
    pq.write_table(table.set_column(index, "length", texts), folder / TABLE)
    assert_refused(folder, TABLE, "length holds string; expected integer values")


def test_a_table_and_steps_that_disagree_on_how_an_episode_ends(folder: Path) -> None:
    table = pq.read_table(folder / TABLE)
    row = table["terminated"].to_pylist().index(True)
    change(folder / TABLE, "terminated", row, False)
    change(folder / TABLE, "truncated", row, True)
    assert_refused(folder, SHARD, "terminated", "the episodes table says")


def test_an_episode_that_ends_in_two_ways(folder: Path) -> None:
    row = pq.read_table(folder / TABLE)["terminated"].to_pylist().index(True)
    change(folder / TABLE, "truncated", row, True)
    assert_refused(folder, TABLE, f"row {row}: truncated is True, expected False where terminated")


def test_a_shard_that_is_missing_by_its_name(folder: Path) -> None:
    (folder / SHARD).unlink()
    forget_manifest(folder)
    assert_refused(folder, "steps-00000-of-00002.parquet: is missing, but steps-00001-of-00002.parquet is")


def test_shards_of_two_builds(folder: Path) -> None:
    shutil.copy(folder / SHARD, folder / SHARD.replace("of-00002", "of-00003"))
    forget_manifest(folder)
    assert_refused(folder, "has shards of different builds")


def test_a_shard_that_its_manifest_alone_knows(folder: Path) -> None:
    (folder / SHARD).unlink()
    assert_refused(folder, SHARD, "is missing")


def test_a_manifest_that_cannot_be_read(folder: Path) -> None:
    forget_manifest(folder)
    os.mkfifo(folder / MANIFEST)
    assert_refused(folder, MANIFEST, "not a regular file")


def test_a_manifest_of_other_files(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["shards"][0]["rows"] += 1
    (folder / MANIFEST).write_text(json.dumps(manifest))
    assert_refused(folder, SHARD, "its manifest lists")
    shutil.copy(folder / MANIFEST.replace("_01", "_02"), folder / MANIFEST)
    assert_refused(folder, MANIFEST, "is of Breakout run 1 checkpoint 2")
    (folder / MANIFEST).write_text("[" * 100_000)
    assert_refused(folder, MANIFEST)


@pytest.mark.parametrize(
    ("name", "row", "value", "message"),
    [
        ("action", 100, 300, "row 100: action is 300, expected 0 to 3"),
        ("action", 100, -1, "row 100: action is -1, expected 0 to 3"),
        ("step", 100, 3, "row 100: step is 3, expected"),
        ("terminated", 10, True, "row 10: "),
    ],
)
def test_values_that_no_steps_have(folder: Path, name: str, row: int, value: Any, message: str) -> None:
    change(folder / SHARD, name, row, value)
    forget_manifest(folder)
    assert_refused(folder, SHARD, message)


def test_rows_that_were_swapped(folder: Path) -> None:
    table = pq.read_table(folder / SHARD)
    order = np.arange(len(table))
    order[[20, 40]] = order[[40, 20]]
    pq.write_table(table.take(order), folder / SHARD)
    forget_manifest(folder)
    assert_refused(folder, SHARD, "row 20: step is 40, expected 20")


def test_a_flipped_byte_of_a_page(folder: Path) -> None:
    """pyarrow takes it for data unless it is asked to check the page's checksum."""
    metadata = pq.read_metadata(folder / SHARD)
    column = metadata.row_group(0).column(metadata.schema.names.index("action"))
    content = bytearray((folder / SHARD).read_bytes())
    content[column.data_page_offset + column.total_compressed_size - 3] ^= 1
    (folder / SHARD).write_bytes(content)
    assert_refused(folder, SHARD, "damaged")


@pytest.mark.slow
def test_a_flipped_byte_of_the_kept_frames(built: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"cache_dir": tmp_path, "frame_stack": 1}
    expected = ReplayDataset(built, *SELECTION, **options)[:]
    path = max(tmp_path.glob("*.frames"), key=lambda path: path.stat().st_size)
    content = path.read_bytes()
    random = np.random.default_rng(0)
    for place in [len(content) - 1, len(content) - 30, *random.integers(len(content), size=20).tolist()]:
        path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        try:
            found = ReplayDataset(built, *SELECTION, **options)[:]
        except DatasetError as error:
            assert path.name in str(error)
        else:
            assert all((found[name] == expected[name]).all() for name in expected), place


def test_what_is_no_regular_file(folder: Path) -> None:
    for name in (SHARD, TABLE, "README.md", MANIFEST):
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        os.mkfifo(folder / name)
        assert_refused(folder, Path(name).name)
        (folder / name).unlink()
        (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    "text",
    [
        "---\nconfigs: !!python/object:os.system\n---\n",
        "---\nconfigs: !!bool maybe\n---\n",
        "---\nconfigs: !!timestamp yesterday\n---\n",
        "---\nconfigs: [\n---\n",
        "---\nconfigs: " + "[" * 5000 + "\n---\n",
        "---\nconfigs: 7\n---\n",
        "no front matter",
        "---\nconfigs:\n- config_name: breakout-full\n  data_files: [{split: run_1, path: ../*}]\n---\n",
        "---\nconfigs:\n- config_name: breakout-full\n  data_files: [{split: run_1, path: [3, null]}]\n---\n",
        "---\nconfigs:\n- config_name: breakout-full\n  data_files: {}\n---\n",
    ],
)
def test_a_card_that_cannot_be_read(folder: Path, text: str) -> None:
    (folder / "README.md").write_text(text)
    assert_refused(folder, str(folder))
