"""Crafts datasets that differ from a right one in a single place, as a faulty build or a forger would."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from atari_dqn_replay.builder.format.checkpoint_id import CheckpointId
from atari_dqn_replay.builder.format.frames import decode_frames, encode_frames
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.repos.repo_folder import read_manifests
from atari_dqn_replay.builder.shards.steps import Digests
from atari_dqn_replay.builder.shards.writer import write_shard
from dataset_folders import write_card

ChangeTable = Callable[[pa.Table], pa.Table]


def manifest_of(path: str) -> str:
    """Returns the path of the manifest that names a Parquet file."""
    checkpoint = CheckpointId.of_file(path)
    assert checkpoint is not None
    return checkpoint.manifest


def edit_manifest(folder: Path, path: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a manifest's record."""
    place = folder / path
    record = json.loads(place.read_text())
    change(record)
    place.write_text(json.dumps(record, indent=2) + "\n")


def edit_card(folder: Path, old: str, new: str, count: int = 1) -> None:
    """Replace a text of the card that must be there."""
    card = folder / "README.md"
    text = card.read_text()
    assert old in text
    card.write_text(text.replace(old, new, count))


def render_card(folder: Path) -> None:
    """Make the card agree with the manifests as they are."""
    write_card(folder, read_manifests(folder, find_game("pong")), (folder / "README.md").read_text())


def rewrite(folder: Path, path: str, change: ChangeTable, *, digests: bool = False, **options: Any) -> None:
    """Change a Parquet file's table, and let the manifest and the card vouch for the new file.

    Args:
        folder: the dataset.
        path: the file, in the dataset.
        change: returns the new table.
        digests: whether the manifest's digests are of the new values, too.
        options: settings of the Parquet writer.
    """
    table = change(pq.read_table(folder / path))
    write_shard(folder / path, [table], table.schema, options)
    digested = None
    if digests:
        hashes = Digests(table.column_names)
        numbers = {name: table[name].to_numpy() for name in table.column_names if name != "observation"}
        hashes.update({**numbers, "observation": decode_frames(table["observation"])})
        digested = hashes.hexdigests()
    vouch(folder, path, len(table), digested)


def rewrite_bytes(folder: Path, path: str, change: Callable[[bytes], bytes]) -> None:
    """Change a Parquet file's bytes, and let the manifest and the card vouch for the new file."""
    (folder / path).write_bytes(change((folder / path).read_bytes()))
    vouch(folder, path)


def vouch(folder: Path, path: str, rows: int | None = None, digests: dict[str, str] | None = None) -> None:
    """Let the manifest and the card state what a file is now."""
    content = (folder / path).read_bytes()
    known: dict[str, Any] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    known |= {} if rows is None else {"rows": rows}
    known |= {} if digests is None else {"digests": digests}

    def change(record: dict[str, Any]) -> None:
        for file in (*record["shards"], record["episodes_table"]):
            if file["path"] == path:
                file |= known

    edit_manifest(folder, manifest_of(path), change)
    render_card(folder)


def with_value(name: str, row: int, value: object) -> ChangeTable:
    """Returns a change that puts one value into a table."""

    def change(table: pa.Table) -> pa.Table:
        values = table[name].to_pylist()
        values[row] = value
        place = table.column_names.index(name)
        return table.set_column(place, table.field(name), pa.array(values, table.field(name).type))

    return change


def with_pixel(table: pa.Table) -> pa.Table:
    """Change one pixel of one frame."""
    frames = decode_frames(table["observation"])
    frames[len(frames) // 2, 40, 40] ^= 1
    return table.set_column(0, table.field("observation"), pa.chunked_array([encode_frames(frames)]))


def with_png(change: Callable[[bytes], bytes], row: int = 3, column: str = "observation") -> ChangeTable:
    """Returns a change of the bytes of one image."""

    def change_table(table: pa.Table) -> pa.Table:
        png = table[column][row].as_py()["bytes"]
        return with_value(column, row, {"bytes": change(png), "path": None})(table)

    return change_table
