"""Records that are read back hold what their fields declare, whoever wrote them; else there is one error."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from atari_dqn_replay.builder.assembly.job import JOB, Job
from atari_dqn_replay.builder.assembly.pieces import Piece
from atari_dqn_replay.builder.assembly.work_folder import WorkFolder
from atari_dqn_replay.builder.assembly.worker import FailureNote, ProgressNote
from atari_dqn_replay.builder.errors import OutputError, ReplayLogError
from atari_dqn_replay.builder.files import read_small
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.format.manifest import Manifest
from atari_dqn_replay.builder.format.provenance import Provenance
from atari_dqn_replay.builder.format.records import MOST_LEVELS, Record, read_record, to_json
from atari_dqn_replay.builder.publishing.editing import render_cards
from atari_dqn_replay.builder.publishing.publish import publish
from atari_dqn_replay.builder.repos.folder_destination import FolderDestination
from atari_dqn_replay.builder.repos.folder_reader import FolderReader
from atari_dqn_replay.builder.repos.repo_folder import read_manifests
from atari_dqn_replay.builder.verification.verify import verify
from dataset_folders import build_dataset
from hypothesis import given
from hypothesis import strategies as st

MANIFEST = "manifests/pong/run_1/checkpoint_00.json"

DEEP = b'{"format": 2, "provenance": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


class Sizes(Record, frozen=True):
    rows: int
    mean: float | None = None
    names: tuple[str, ...] = ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"rows": true}', "rows: Expected `int`, got `bool`"),
        ('{"rows": 1.5}', "rows: Expected `int`, got `float`"),
        ('{"rows": "1"}', "rows: Expected `int`, got `str`"),
        ('{"rows": 1, "names": [1]}', r"names\[0\]: Expected `str`, got `int`"),
        ('{"rows": 1, "more": 2}', "unknown field `more`"),
        ('{"rows": 1, "mean": NaN}', "malformed"),
        ('{"rows": 1, "mean": 1e999}', "out of range"),
        ("{}", "missing required field `rows`"),
        ("[1]", "Expected `object`, got `array`"),
        ('{"rows": 1', "truncated"),
        ("", "truncated"),
        ("[" * 100_000, "nested more than"),
        ('{"rows": ' + "[" * 999 + "]" * 999 + "}", "nested more than"),
        (b"\xff\xfe", "malformed"),
    ],
)
def test_what_a_record_does_not_declare_is_refused(text: str | bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read_record(text, Sizes)


@given(st.integers(), st.none() | st.floats(allow_nan=False, allow_infinity=False), st.lists(st.text()))
def test_a_record_is_read_back_as_it_was_written(rows: int, mean: float | None, names: list[str]) -> None:
    record = Sizes(rows, mean, tuple(names))
    assert read_record(to_json(record), Sizes) == record


def test_numbers_that_json_cannot_hold_are_not_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(Sizes(1, float("nan")))


def test_nesting_within_the_limit_is_read() -> None:
    details: Any = 1
    for _ in range(MOST_LEVELS - 3):
        details = [details]
    record = Provenance("collected", {"details": details})
    assert Provenance.from_json(record.to_json(), "here") == record


@pytest.mark.parametrize(
    "text",
    [
        DEEP,
        b'{"origin": 1, "details": {}}',
        b'{"origin": "collected", "details": [1]}',
        b'{"details": {"a": NaN}}',
    ],
)
def test_a_strangers_provenance_is_refused(text: bytes) -> None:
    with pytest.raises(ReplayLogError, match=r"^here: not a provenance record \("):
        Provenance.from_json(text, "here")


STRANGE: dict[str, Callable[[dict[str, Any]], object] | bytes] = {
    "another type": lambda record: record.update(game=7),
    "no shards": lambda record: record.update(shards=[]),
    "details": lambda record: record["provenance"].update(details=[1]),
    "not a number": lambda record: record["returns"].update(mean=float("nan")),
    "unknown game": lambda record: record.update(game="Chess"),
    "another spelling": lambda record: record.update(game="pong"),
    "negative": lambda record: record["shards"][0].update(rows=-1),
    "too many": lambda record: record.update(checkpoint=100),
    "other columns": lambda record: record["shards"][1]["digests"].pop("action"),
    "newer": lambda record: record.update(format=4, weather="fine"),
    "older": lambda record: record.update(format=1),
    "deep": DEEP,
    "no JSON": b"\x00" * 100,
}


@pytest.mark.slow
@pytest.mark.parametrize("change", STRANGE.values(), ids=STRANGE.keys())
def test_a_strangers_manifest_gives_one_error_everywhere(
    change: Callable[[dict[str, Any]], object] | bytes, tmp_path: Path
) -> None:
    folder = build_dataset(tmp_path / "dataset")
    place = folder / MANIFEST
    if isinstance(change, bytes):
        place.write_bytes(change)
    else:
        record = json.loads(place.read_text())
        change(record)
        place.write_text(json.dumps(record))
    says = rf"{MANIFEST}: (not a manifest \(|a manifest of format [14], )"
    for use in (
        lambda: Manifest.from_json(place.read_bytes(), str(place)),
        lambda: read_manifests(folder, find_game("pong")),
        lambda: publish(folder, FolderDestination(tmp_path / "published")),
        lambda: render_cards(FolderDestination(folder)),
    ):
        with pytest.raises(OutputError, match=says):
            use()
    told = [each for each in verify(FolderReader(folder), quick=True).differences if each.path == MANIFEST]
    assert len(told) == 1


def test_records_of_a_work_folder_that_are_anothers(tmp_path: Path) -> None:
    work = WorkFolder(str(tmp_path))
    work.write("notes/a.json", b'{"doing": "Pong", "done": 1, "total": 2, "time": 3.0}')
    work.write("notes/b.json", b'{"doing": "Pong", "do')
    work.write("notes/c.json", to_json(FailureNote("pong", 1, 0, "SourceError", "gone")).encode())
    assert list(work.notes("notes", ProgressNote)) == [ProgressNote("Pong", 1, 2, 3.0)]
    work.write(JOB, b'{"source": 1}')
    with pytest.raises(OutputError, match=r"job.json: not a job \(source: Expected `str`"):
        Job.load(work)
    with pytest.raises(ValueError, match="missing required field"):
        Piece.from_json(b"{}")


def test_only_regular_files_of_bounded_size_are_read_whole(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "vast").open("wb") as file:
        file.truncate(1 << 40)
    for name, says in (("pipe", "not a regular file"), ("vast", "more than the 67,108,864 bytes")):
        with pytest.raises(OSError, match=says):
            read_small(tmp_path / name)
