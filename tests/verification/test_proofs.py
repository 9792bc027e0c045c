"""What `verify` proves: each sentence of docs/architecture.md, with datasets that break just that.

Each dataset is found at the depth that is said to find it, and not before: with --quick, by reading rows,
with a source and --quick, or by reading the source.
"""

import hashlib
import json
import os
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from atari_dqn_replay.builder.assembly.build import build, plan_build
from atari_dqn_replay.builder.repos.folder_reader import FolderReader
from atari_dqn_replay.builder.sources.open import open_source
from atari_dqn_replay.builder.verification.verify import verify
from crafting import (
    ChangeTable,
    edit_card,
    edit_manifest,
    render_card,
    rewrite,
    rewrite_bytes,
    with_pixel,
    with_png,
    with_value,
)
from logs import write_log

pytestmark = pytest.mark.slow

Craft = Callable[[Path], object]

FOLDER = "data/pong/run_1/checkpoint_00"
WHOLE, GOES_ON = (f"{FOLDER}/steps-0000{shard}-of-00002.parquet" for shard in (0, 1))
TABLE = "episodes/pong/run_1/checkpoint_00.parquet"
MANIFEST, SECOND = (f"manifests/pong/run_1/checkpoint_0{number}.json" for number in (0, 1))
CARD = "README.md"

QUICK, ROWS, SIZES, SOURCE = DEPTHS = ("quick", "rows", "source and quick", "source")


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("logs")
    write_log(root, (9, 10, 25, 10), capacity=30)
    return root


@pytest.fixture(scope="module")
def built(logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three checkpoints of Pong: two episodes in the first shard, one that goes on, and the log's end."""
    folder = tmp_path_factory.mktemp("built")
    source = open_source(str(logs))
    build(plan_build(source, source.games(), folder), folder)
    return folder


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "dataset"))


def differences(folder: Path, logs: Path, depth: str) -> list[str]:
    source = open_source(str(logs)) if depth in (SIZES, SOURCE) else None
    found = verify(FolderReader(folder), source=source, quick=depth in (QUICK, SIZES)).differences
    return [str(difference) for difference in found]


def test_the_dataset_is_right(built: Path, logs: Path) -> None:
    assert [differences(built, logs, depth) for depth in DEPTHS] == [[], [], [], []]


def check(folder: Path, logs: Path, depth: str, where: str, what: str) -> None:
    """Check that the difference is found at this depth, and at none that proves less."""
    # That --quick reads no rows is shown below once, since it takes long.
    weaker = {QUICK: [], ROWS: [], SIZES: [QUICK], SOURCE: [ROWS, SIZES]}[depth]
    assert [differences(folder, logs, each) for each in weaker] == [[] for _ in weaker]
    found = differences(folder, logs, depth)
    assert any(each.startswith(f"{where}") and what in each for each in found), found


# Each manifest is one, and lies in its place.

FIELDS = (
    "format", "game", "run", "checkpoint", "partial", "last_complete", "capacity", "provenance", "row_counts",
    "step_counts", "returns", "sources", "shards", "episodes_table", "earlier", "later",
)  # fmt: skip


@pytest.mark.parametrize("field", FIELDS)
def test_manifests_have_all_fields(folder: Path, logs: Path, field: str) -> None:
    edit_manifest(folder, MANIFEST, lambda record: record.pop(field))
    check(folder, logs, QUICK, MANIFEST, "not a manifest (")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "[" * 100_000,
        '{"format": NaN}',
        '{"format": 1e999}',
        "\0",
        '{"format": 2}' * 2,
        " " * 9,
    ],
)
def test_manifests_are_json(folder: Path, logs: Path, text: str) -> None:
    (folder / MANIFEST).write_text(text)
    check(folder, logs, QUICK, MANIFEST, "not a manifest (")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda record: record.update(checkpoint=1), "names files that do not belong"),
        (lambda record: record.update(run=2), "names files that do not belong"),
        (lambda record: record.update(game="Breakout"), "names files that do not belong"),
        (lambda record: record["shards"][0].update(path=f"../{WHOLE}"), "names files that do not belong"),
        (lambda record: record["shards"].reverse(), "names files that do not belong"),
        (lambda record: record["shards"].pop(), "names files that do not belong"),
        (lambda record: record["episodes_table"].update(path=WHOLE), "names files that do not belong"),
    ],
)
def test_manifests_name_their_own_files(
    folder: Path, logs: Path, change: Callable[[dict[str, Any]], object], what: str
) -> None:
    edit_manifest(folder, MANIFEST, change)
    check(folder, logs, QUICK, MANIFEST, what)


# Counts add up, and the checkpoints of a run fit together.


@pytest.mark.parametrize(
    ("group", "field"),
    [
        *(("row_counts", field) for field in ("rows_read", "transitions", "padding", "stale", "repeated")),
        ("row_counts", "final_observations"),
        *(("step_counts", field) for field in ("steps", "continued_from_earlier", "continued_in_later")),
        ("step_counts", "episodes"),
        ("episodes_table", "rows"),
    ],
)
def test_counts_add_up(folder: Path, logs: Path, group: str, field: str) -> None:
    edit_manifest(folder, MANIFEST, lambda record: record[group].update({field: record[group][field] + 1}))
    render_card(folder)
    check(folder, logs, QUICK, MANIFEST, "")


@pytest.mark.parametrize(
    ("path", "change", "what"),
    [
        (MANIFEST, lambda record: record.update(capacity=31), "is of another log"),
        (MANIFEST, lambda record: record["provenance"].update(origin="mine"), "is of another log"),
        (MANIFEST, lambda record: record["provenance"].update(details={"seed": 1}), "is of another log"),
        (MANIFEST, lambda record: record.update(partial=True), "is partial, but the log has checkpoint 1"),
        (MANIFEST, lambda record: record.update(last_complete=True), "says that it is the last complete"),
        (SECOND, lambda record: record.update(last_complete=False), "does not say that"),
        (SECOND, lambda record: record.update(earlier=None), "does not fit checkpoint 0"),
    ],
)
def test_checkpoints_fit_together(
    folder: Path, logs: Path, path: str, change: Callable[[dict[str, Any]], object], what: str
) -> None:
    edit_manifest(folder, path, change)
    render_card(folder)
    check(folder, logs, QUICK, "manifests/pong/run_1/", what)


def test_neighbours_were_made_from_the_same_files(folder: Path, logs: Path) -> None:
    edit_manifest(
        folder, MANIFEST, lambda record: [each.update(sha256="0" * 64) for each in record["sources"][-6:]]
    )
    check(folder, logs, QUICK, SECOND, "was made from another")


# Every file is there with its SHA-256, and none besides.


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def replace_by_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def replace_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replace_by_a_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("path", "damage"),
    [
        (WHOLE, Path.unlink),
        (TABLE, Path.unlink),
        (WHOLE, lambda path: path.write_bytes(b"")),
        (WHOLE, lambda path: path.write_bytes(path.read_bytes()[:-1])),
        (TABLE, lambda path: path.write_bytes(path.read_bytes() + b"\0")),
        (WHOLE, flip),
        (TABLE, flip),
        (WHOLE, replace_by_a_pipe),
        (TABLE, replace_by_a_pipe),
        (MANIFEST, replace_by_a_pipe),
        (TABLE, replace_by_a_folder),
        (WHOLE, replace_by_a_link),
    ],
)
def test_files_are_those_of_the_manifest(
    folder: Path, logs: Path, path: str, damage: Callable[[Path], object]
) -> None:
    damage(folder / path)
    check(folder, logs, QUICK, path, "")


@pytest.mark.parametrize(
    "path",
    [
        f"{FOLDER}/more.parquet",
        f"{FOLDER}/deep/er/notes",
        "data/x",
        "episodes/pong/run_9/checkpoint_00.parquet",
    ],
)
def test_no_file_is_unknown(folder: Path, logs: Path, path: str) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(b"")
    check(folder, logs, QUICK, "", "")


# The card.


def another_config(lines: str, name: str = "mine") -> Craft:
    return lambda folder: edit_card(folder, "configs:\n", f"configs:\n- config_name: {name}\n{lines}")


def in_config(lines: str) -> Craft:
    return lambda folder: edit_card(
        folder, "- config_name: pong-full\n", f"- config_name: pong-full\n{lines}"
    )


@pytest.mark.parametrize(
    ("craft", "what"),
    [
        (another_config("  data_files: /etc/*\n"), "found files outside of the repo (/etc/*)"),
        (another_config("  data_files: ../*.parquet\n"), "outside of the repo"),
        (another_config("  data_files: data/../../*.parquet\n"), "outside of the repo"),
        (another_config("  data_files: https://localhost:1/x.parquet\n"), "outside of the repo"),
        (another_config("  data_files: [hf://datasets/a/b/c.parquet]\n"), "outside of the repo"),
        (another_config("  data_files: [{split: a, path: [zip://x::y]}]\n"), "outside of the repo"),
        (another_config("  data_dir: /etc\n"), "outside of the repo"),
        (another_config("  data_files: ~/x.parquet\n"), "outside of the repo"),
        (another_config("  data_files: none.parquet\n"), "load_dataset fails"),
        (another_config("  data_files: 7\n"), "load_dataset fails"),
        (another_config("  data_files: data/**\n  columns: [x]\n", "pong-full"), "more than once"),
        (in_config("  columns: [action]\n"), "found columns, by which"),
        (in_config("  filters: [[step, <, 3]]\n"), "found filters, by which"),
        (in_config("  data_dir: data\n"), "found no split run_1"),
        (lambda folder: edit_card(folder, "split: run_1", "split: run_2"), "found no split run_1"),
        (lambda folder: edit_card(folder, "pong-mixed", "pong-minor"), "found no such config"),
        (
            lambda folder: edit_card(folder, "num_examples: ", "num_examples: 1"),
            "found num_examples of run_1",
        ),
        (lambda folder: edit_card(folder, "download_size: ", "download_size: 1"), "found download_size"),
        (lambda folder: edit_card(folder, "dtype: float32", "dtype: float64"), "found other features"),
        (lambda folder: edit_card(folder, "'2': RIGHT", "'2': UP"), "found other features"),
        (lambda folder: (folder / CARD).unlink(), "missing"),
        (lambda folder: (folder / CARD).write_text("---\nconfigs: !!python/object:os.system []\n---\n"), ""),
        (lambda folder: (folder / CARD).write_text("---\nconfigs: [\n---\n"), "cannot be read"),
        (lambda folder: (folder / CARD).write_text("---\nconfigs: 7\n---\n"), "is not a list of configs"),
        (lambda folder: (folder / CARD).write_bytes(b"\xff\xfe"), "is not UTF-8"),
        (lambda folder: (folder / CARD).write_text("---\n" + "[" * 5000 + "\n---\n"), ""),
    ],
)
def test_the_card_shows_what_the_manifests_state(folder: Path, logs: Path, craft: Craft, what: str) -> None:
    craft(folder)
    check(folder, logs, QUICK, CARD, what)


def test_files_of_a_split_come_once_and_in_the_order_of_play(folder: Path, logs: Path) -> None:
    full = "path: data/pong/run_1/checkpoint_0[0-2]/*.parquet"
    folders = [f"data/pong/run_1/checkpoint_0{number}/*.parquet" for number in (1, 0, 2)]
    edit_card(folder, full, f"path: [{', '.join(folders)}]")
    check(folder, logs, QUICK, f"{CARD} (pong-full)", "shows files in another order")
    edit_card(folder, f"path: [{folders[0]}", f"path: [{folders[0]}, {folders[1]}")
    check(folder, logs, QUICK, f"{CARD} (pong-full)", "shows files more than once")


def test_no_other_file_takes_the_place_of_the_card(folder: Path, logs: Path) -> None:
    (folder / ".huggingface.yaml").write_text("configs: [{config_name: pong-mixed, data_files: /etc/*}]")
    check(folder, logs, QUICK, ".huggingface.yaml", "replaces what the README.md states")


# Frames decode with any reader of PNGs.


def with_chunk(png: bytes, name: bytes, data: bytes) -> bytes:
    """Insert a chunk before the last one."""
    chunk = struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return png[:-12] + chunk + png[-12:]


def flipped(place: int) -> Callable[[bytes], bytes]:
    def change(png: bytes) -> bytes:
        content = bytearray(png)
        content[place] ^= 1
        return bytes(content)

    return change


@pytest.mark.parametrize(
    "change",
    [
        flipped(30),  # of the CRC of IHDR
        flipped(-20),  # of the pixels' Adler-32
        flipped(-14),  # of the CRC of IDAT
        flipped(-2),  # of the CRC of IEND
        lambda png: png[:-12],
        lambda png: png + b"more",
        lambda png: with_chunk(png, b"IDAT", b"more"),
        lambda png: with_chunk(png, b"IEND", b""),
    ],
)
def test_images_have_right_checksums(folder: Path, logs: Path, change: Callable[[bytes], bytes]) -> None:
    rewrite(folder, WHOLE, with_png(change))
    check(folder, logs, ROWS, WHOLE, "image")


def test_images_come_without_a_path(folder: Path, logs: Path) -> None:
    def change(table: pa.Table) -> pa.Table:
        png = table["observation"][3].as_py()["bytes"]
        return with_value("observation", 3, {"bytes": png, "path": "/etc/passwd"})(table)

    rewrite(folder, WHOLE, change)
    check(folder, logs, ROWS, WHOLE, "an image has a path")


# Statistics and the page index agree with the values.


def number(value: int) -> bytes:
    return b"\x04" + struct.pack("<i", value)


def lie(old: bytes, new: bytes, *, footer: bool) -> Callable[[bytes], bytes]:
    """Replace bytes of the footer, or of the page index before it, by others of the same length."""

    def change(file: bytes) -> bytes:
        start = len(file) - 8 - int.from_bytes(file[-8:-4], "little")
        pages = pq.ParquetFile(pa.BufferReader(file)).metadata.row_group(0).column(9)
        index = pages.data_page_offset + pages.total_compressed_size
        if pages.dictionary_page_offset:
            index = pages.dictionary_page_offset + pages.total_compressed_size
        part = slice(start, None) if footer else slice(index, start)
        assert old in file[part]
        before, after = file[: part.start], file[part.stop :] if part.stop else b""
        return before + file[part].replace(old, new) + after

    return change


@pytest.mark.parametrize("footer", [True, False])
@pytest.mark.parametrize(("old", "new"), [(number(9), number(8)), (number(9), number(99))])
def test_statistics_are_of_the_values(folder: Path, logs: Path, footer: bool, old: bytes, new: bytes) -> None:
    rewrite_bytes(folder, WHOLE, lie(old, new, footer=footer))
    where = "" if footer else "in the page index: "
    check(folder, logs, ROWS, WHOLE, f"row group 0, step: {where}found maximum")


def test_files_that_other_readers_would_skip(folder: Path, logs: Path) -> None:
    rewrite(folder, WHOLE, lambda table: table, write_statistics=True)
    check(folder, logs, ROWS, WHOLE, "row group 0, observation.bytes: found statistics, expected none")


def test_a_quick_look_reads_no_rows(folder: Path, logs: Path) -> None:
    rewrite(folder, WHOLE, with_pixel)
    assert differences(folder, logs, QUICK) == []
    check(folder, logs, ROWS, WHOLE, "found other values of observation")


def test_every_page_has_a_checksum(folder: Path, logs: Path) -> None:
    rewrite(folder, WHOLE, lambda table: table, write_page_checksum=False)
    check(folder, logs, ROWS, WHOLE, "has no checksum")


def test_no_order_is_claimed(folder: Path, logs: Path) -> None:
    order = [pq.SortingColumn(1)]
    rewrite(folder, WHOLE, lambda table: table, sorting_columns=order)
    check(folder, logs, ROWS, WHOLE, "row group 0: is said to be sorted")


# Columns have their types for every reader.


def with_metadata(more: dict[bytes, bytes]) -> ChangeTable:
    return lambda table: table.replace_schema_metadata({**table.schema.metadata, **more})


def cast(name: str, kind: pa.DataType) -> ChangeTable:
    def change(table: pa.Table) -> pa.Table:
        place = table.schema.get_field_index(name)
        return table.set_column(place, name, table[name].cast(kind))

    return change


@pytest.mark.parametrize(
    ("path", "change", "what"),
    [
        (
            WHOLE,
            with_metadata({b"pandas": json.dumps({"index_columns": ["step"]}).encode()}),
            "metadata of pa",
        ),
        (WHOLE, with_metadata({b"huggingface": b"{}"}), "found observation as"),
        (WHOLE, cast("step", pa.int64()), "found step as"),
        (WHOLE, cast("reward", pa.float64()), "found reward as"),
        (TABLE, cast("length", pa.int64()), "found length as"),
        (WHOLE, lambda table: table.drop_columns(["step"]), "found the columns"),
        (WHOLE, lambda table: table.append_column("more", table["step"]), "found the columns"),
        (WHOLE, lambda table: table.select(table.column_names[::-1]), "found the columns"),
        (WHOLE, with_value("reward", 3, None), "without a value"),
        (TABLE, with_value("length", 0, None), "without a value"),
        (WHOLE, with_value("observation", 3, None), "without an image"),
        (WHOLE, with_png(lambda png: b"GIF89a"), "not an image"),
    ],
)
def test_columns_have_their_types(
    folder: Path, logs: Path, path: str, change: ChangeTable, what: str
) -> None:
    rewrite(folder, path, change)
    check(folder, logs, ROWS, path, what)


# Rows are what the manifest, the table and the other rows make them.


@pytest.mark.parametrize("column", ["action", "terminated"])
def test_values_have_the_manifests_digests(folder: Path, logs: Path, column: str) -> None:
    value = pq.read_table(folder / WHOLE)[column][4].as_py()
    rewrite(folder, WHOLE, with_value(column, 4, not value if isinstance(value, bool) else value + 1))
    check(folder, logs, ROWS, WHOLE, f"found other values of {column}")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("action", 300), ("action", -1), ("reward", float("nan")), ("reward", float("inf")), ("reward", 3e38),
        ("terminated", True), ("truncated", True), ("return_to_go", 9.5), ("checkpoint", 7), ("episode", 1),
        ("step", 9),
    ],
)  # fmt: skip
def test_values_fit_together_whatever_the_manifest_vouches_for(
    folder: Path, logs: Path, column: str, value: object
) -> None:
    rewrite(folder, WHOLE, with_value(column, 4, value), digests=True)
    check(folder, logs, ROWS, WHOLE, column)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("game", "Breakout"), ("run", 2), ("checkpoint", 1), ("episode", 5), ("return", 17.0), ("length", 10),
        ("length", -9), ("length", 0), ("terminated", False), ("truncated", True), ("complete", False),
        ("file", GOES_ON), ("first_row", 1), ("first_row", -1),
        ("final_observation", {"bytes": b"no", "path": None}),
    ],
)  # fmt: skip
def test_episodes_are_those_of_the_steps(folder: Path, logs: Path, column: str, value: object) -> None:
    rewrite(folder, TABLE, with_value(column, 0, value))
    check(folder, logs, ROWS, "", "")


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record["returns"].update(mean=0.125),
        lambda record: record["returns"].update(minimum=-40.0),
        lambda record: record["returns"].update(maximum=None),
        lambda record: record["step_counts"].update(complete_episodes=1),
    ],
)
def test_the_manifest_sums_the_episodes_up(
    folder: Path, logs: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    edit_manifest(folder, MANIFEST, change)
    render_card(folder)
    check(folder, logs, ROWS, MANIFEST, "by the episodes table")


# What only the source can tell.


@pytest.mark.parametrize(
    ("depth", "change", "what"),
    [
        (SIZES, lambda record: record["sources"][0].update(size=1), "was made from"),
        (SIZES, lambda record: record["sources"][0].update(path="Pong/1/x.gz"), "which the source lacks"),
        (SOURCE, lambda record: record.update(sources=[]), "was made from another"),
        (SOURCE, lambda record: record["row_counts"].update(padding=0, stale=10), "row counts: found"),
        (SOURCE, lambda record: record.update(add_count=1), "add_count: found 1, but the source gives 29"),
    ],
)
def test_the_record_is_that_of_the_source(
    folder: Path, logs: Path, depth: str, change: Callable[[dict[str, Any]], object], what: str
) -> None:
    edit_manifest(folder, MANIFEST, change)
    check(folder, logs, depth, MANIFEST, what)


def test_frames_are_those_of_the_source(folder: Path, logs: Path) -> None:
    rewrite(folder, WHOLE, with_pixel, digests=True)
    check(folder, logs, SOURCE, WHOLE, "observation differ from the source")


def test_actions_are_those_of_the_source(folder: Path, logs: Path) -> None:
    action = pq.read_table(folder / WHOLE)["action"][4].as_py()
    rewrite(folder, WHOLE, with_value("action", 4, (action + 1) % 6), digests=True)
    check(folder, logs, SOURCE, WHOLE, "action differ from the source")


def test_what_is_not_published_is_noted(folder: Path, logs: Path) -> None:
    shutil.rmtree(folder / "data/pong/run_1/checkpoint_01")
    (folder / "episodes/pong/run_1/checkpoint_01.parquet").unlink()
    (folder / SECOND).unlink()
    render_card(folder)
    verification = verify(FolderReader(folder), source=open_source(str(logs)), quick=True)
    assert verification.notes == ["not published yet: Pong run 1, checkpoints 1"]


# What is advised mends.


@pytest.mark.parametrize(
    "craft",
    [
        lambda folder: flip(folder / WHOLE),
        lambda folder: rewrite(folder, WHOLE, with_pixel, digests=True),
        lambda folder: rewrite(folder, WHOLE, with_png(flipped(-14))),
        lambda folder: edit_manifest(folder, MANIFEST, lambda record: record.update(last_complete=True)),
        lambda folder: edit_manifest(folder, MANIFEST, lambda record: record.update(capacity=31)),
        lambda folder: edit_manifest(folder, MANIFEST, lambda record: record.clear()),
        lambda folder: edit_manifest(
            folder, MANIFEST, lambda record: [each.update(sha256="0" * 64) for each in record["sources"]]
        ),
        lambda folder: edit_manifest(
            folder, MANIFEST, lambda record: record["step_counts"].update(continued_in_later=1)
        ),
        lambda folder: edit_card(folder, "num_examples: ", "num_examples: 1"),
        another_config("  data_files: data/**\n", "pong-full"),
        lambda folder: edit_card(folder, "data_dir: data/pong", "data_dir: ../data"),
        lambda folder: (folder / CARD).unlink(),
        lambda folder: (folder / f"{FOLDER}/more.parquet").write_bytes(b""),
    ],
)
def test_the_advice_mends(folder: Path, built: Path, logs: Path, craft: Craft) -> None:
    craft(folder)
    found = differences(folder, logs, SOURCE)
    assert found
    for difference in found:
        path, advice = difference.partition(":")[0], difference.rpartition("; ")[2]
        for place in advice.partition("remove ")[2].partition(" and publish")[0].split(", "):
            named = path if place == "it" else place
            if named:
                shutil.rmtree(folder / named) if (folder / named).is_dir() else (folder / named).unlink(True)
    source = open_source(str(logs))
    build(plan_build(source, source.games(), folder), folder)
    assert digests(folder) == digests(built)


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
