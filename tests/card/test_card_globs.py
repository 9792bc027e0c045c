"""A card's globs: they show the checkpoints that the card tells of, and no data that lies there besides."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from atari_dqn_replay.builder.card.card import merge_card
from atari_dqn_replay.builder.format.numbers import number_globs
from dataset_folders import build_dataset, manifests
from fsspec.implementations.memory import MemoryFileSystem
from hub_server import running_hub
from huggingface_hub import HfApi
from hypothesis import example, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.slow

STEPS = 3
HELD = range(24)
"""Checkpoints whose data lies there."""

TOLD = [{7}, {2, 3, 5, 9, 11, 20, 23}, {*HELD}]
"""Those that the card tells of."""

LOAD = """
import gc, json, sys
from datasets import load_dataset
for repo in sys.argv[1:]:
    answers = []
    for streaming in (False, True):
        for config in ("pong-full", "pong-episodes"):
            rows = load_dataset(repo, config, split="run_1", streaming=streaming)
            answers.append([row["checkpoint"] for row in rows])
    print(json.dumps(answers))
del rows
gc.collect()  # see builder/stock_streams.py
"""


@pytest.fixture(scope="module")
def files() -> MemoryFileSystem:
    """A folder for each two-digit number, beside names that are nearly such."""
    files = MemoryFileSystem()
    for name in [*(f"{number:02d}" for number in range(100)), "1", "100", "0x", "01.incomplete", "-1", "[0"]:
        files.pipe(f"/data/checkpoint_{name}/steps.parquet", b"")
    return files


@settings(deadline=None, max_examples=100)
@given(st.sets(st.integers(0, 99)))
@example({*range(50)})
@example({*range(100)})
def test_globs_match_exactly_the_wanted_numbers_in_order(files: MemoryFileSystem, numbers: set[int]) -> None:
    globs = number_globs(numbers)
    found = [path for glob in globs for path in files.glob(f"/data/checkpoint_{glob}/*.parquet")]
    assert found == [f"/data/checkpoint_{number:02d}/steps.parquet" for number in sorted(numbers)]
    assert len(globs) <= 10


def test_globs_are_short() -> None:
    assert number_globs(range(50)) == ["[0-4][0-9]"]
    assert number_globs(range(49)) == ["[0-3][0-9]", "4[0-8]"]
    assert number_globs({9}) == ["09"]
    assert number_globs({*range(10)} - {7}) == ["0[0-689]"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Many checkpoints of three steps each."""
    path = tmp_path_factory.mktemp("globs") / "pong"
    return build_dataset(path, checkpoints=tuple(HELD), shards=1, steps=STEPS)


def tell_of(folder: Path, checkpoints: set[int]) -> None:
    told = [each for each in manifests(folder) if each.checkpoint in checkpoints]
    (folder / "README.md").write_text(merge_card(None, told))


Shown = dict[str, list[list[int]]]


@pytest.fixture(scope="module")
def shown(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """What `datasets` shows of each card in a folder and on the Hub, by the place's name.

    The steps' and the episodes' checkpoints: loaded, which checks their number, and streamed.
    """
    copies = tmp_path_factory.mktemp("told")
    with running_hub() as hub:
        api = HfApi(endpoint=hub.url, token=hub.token)
        for number, told in enumerate(TOLD):
            copy = shutil.copytree(folder, copies / str(number) / "pong")
            tell_of(copy, told)
            api.create_repo(f"user/{number}", repo_type="dataset")
            api.upload_folder(repo_id=f"user/{number}", repo_type="dataset", folder_path=copy)
        numbers = range(len(TOLD))
        places = [f"user/{number}" for number in numbers] + [f"{number}/pong" for number in numbers]
        command = [sys.executable, "-c", LOAD, *places]
        done = subprocess.run(
            command, cwd=copies, env=hub.environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert hub.unknown == []
    return dict(zip(places, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("number", range(len(TOLD)), ids=[",".join(number_globs(told)) for told in TOLD])
def test_a_folder_and_a_repo_on_the_hub_show_what_their_card_tells_of(number: int, shown: Shown) -> None:
    steps = [checkpoint for checkpoint in sorted(TOLD[number]) for _ in range(STEPS)]
    expected = [steps, sorted(TOLD[number])] * 2
    assert shown[f"{number}/pong"] == expected
    assert shown[f"user/{number}"] == expected
