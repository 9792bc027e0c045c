"""A part of a published dataset, downloaded as a dataset of its own."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import datasets
import pytest
from atari_dqn_replay.builder.publishing.editing import render_cards
from atari_dqn_replay.builder.publishing.publish import publish
from atari_dqn_replay.builder.repos.folder_destination import FolderDestination
from atari_dqn_replay.builder.repos.folder_reader import FolderReader
from atari_dqn_replay.builder.verification.verify import verify
from atari_dqn_replay.commands.main import main
from command import run
from dataset_folders import Contents, contents
from datasets.exceptions import DataFilesNotFoundError
from datasets_of_logs import build_from
from forks import killed_at
from hub_server import HubServer
from logs import write_log
from publishing import REPO, to_hub

from atari_dqn_replay import AtariReplayError, Episodes, download

LENGTHS = (40, 70, 60)
"""Of the episodes, which each log has in three files."""
SHARD = "data/pong/run_1/checkpoint_01/steps-00000-of-00001.parquet"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two games, two runs of Pong; not to be changed."""
    folder = tmp_path_factory.mktemp("whole")
    for game, number in (("Breakout", 1), ("Pong", 1), ("Pong", 2)):
        write_log(folder / "logs", LENGTHS, capacity=70, game=game, run=number)
    publish(
        build_from(folder / "logs", folder / "built"), FolderDestination(folder / "ds"), license="cc0-1.0"
    )
    return folder / "ds"


def data_of(files: Contents) -> Contents:
    """Returns all but the card and the games' pages."""
    return {path: content for path, content in files.items() if not path.endswith("README.md")}


def part_of(files: Contents, *beginnings: str) -> Contents:
    tops = ("data", "episodes", "manifests")
    wanted = tuple(f"{top}/{each}" for top in tops for each in beginnings)
    return {path: content for path, content in files.items() if path.startswith(wanted)}


@pytest.mark.slow
def test_a_game_is_a_dataset_of_its_own(whole: Path, tmp_path: Path) -> None:
    part = tmp_path / "part"
    done = download(whole, "Pong", part)
    assert data_of(contents(part)) == part_of(contents(whole), "pong/")
    assert set(done.publication.files) == set(contents(part))
    assert verify(FolderReader(part)).ok
    loaded: Any = datasets.load_dataset(str(part), "pong-full", cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in loaded.items()} == {"run_1": 170, "run_2": 170}
    assert "license: cc0-1.0" in (part / "README.md").read_text()
    assert download(whole, "pong", part).publication.nothing_to_do


@pytest.mark.slow
def test_a_part_that_was_copied_by_hand_gets_a_card_of_its_own(whole: Path, tmp_path: Path) -> None:
    part = tmp_path / "part"
    for top in ("data", "episodes", "manifests"):
        shutil.copytree(whole / top / "pong", part / top / "pong")
    shutil.copy(whole / "README.md", part)
    with pytest.raises(DataFilesNotFoundError):
        datasets.load_dataset(str(part), "pong-full", streaming=True)
    with pytest.raises(AtariReplayError, match="fetch them, as `atari-dqn-replay download` does"):
        Episodes(part, "breakout-full", split="run_1")
    told = [str(each) for each in verify(FolderReader(part), quick=True).differences]
    (advice,) = [each for each in told if each.startswith("README.md: lists Breakout, of which no file")]
    assert "write a card of what is here with `atari-dqn-replay render`" in advice
    render_cards(FolderDestination(part))
    assert verify(FolderReader(part)).ok
    assert set(datasets.load_dataset(str(part), "pong-full", streaming=True)) == {"run_1", "run_2"}


@pytest.mark.slow
def test_runs_and_checkpoints_are_chosen_and_added_to(whole: Path, hub: HubServer, tmp_path: Path) -> None:
    publish(whole, to_hub(hub))
    part = tmp_path / "part"
    chosen = ("download", REPO, "pong", "--runs", "2", "--checkpoints", "1-2", "--out", part)
    with hub.of_this_process():
        dry_run = run(*chosen, "--dry-run")
    assert dry_run.returncode == 0, dry_run.stderr
    assert not part.exists()
    with hub.of_this_process():
        assert run(*chosen).returncode == 0
    expected = part_of(contents(whole), "pong/run_2/checkpoint_01", "pong/run_2/checkpoint_02")
    assert data_of(contents(part)) == expected
    assert all(path in dry_run.stdout for path in expected)
    card = (part / "README.md").read_text()
    assert f"A part of {hub.url}/datasets/{REPO}, downloaded with" in card
    assert "breakout" not in card
    with hub.of_this_process():
        assert run("download", REPO, "all", "--out", part).returncode == 0
    assert data_of(contents(part)) == data_of(contents(whole))
    assert verify(FolderReader(part)).ok


@pytest.mark.parametrize(
    ("selection", "says"),
    [
        (["seaquest"], "holds no Seaquest; it has Breakout, Pong"),
        (["pongg"], "unknown game 'pongg': did you mean pong"),
        (["pong", "--runs", "1-3"], "holds no run 3 of Pong; it has 1-2"),
        (["all", "--checkpoints", "2-40"], "holds no checkpoint 3-40 of Breakout run 1; it has 0-2"),
    ],
)
def test_what_is_not_there_is_named(
    whole: Path, tmp_path: Path, selection: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["download", str(whole), *selection, "--out", str(tmp_path / "part")]) == 1
    assert says in capsys.readouterr().err
    assert not (tmp_path / "part").exists()


@pytest.mark.parametrize("n", [2, 14])
def test_killed_at_any_moment_it_goes_on_to_the_same_bytes(n: int, whole: Path, tmp_path: Path) -> None:
    part = tmp_path / "published/part"
    killed_at(n, lambda: download(whole, "pong", part, runs=[1]))
    download(whole, "pong", part, runs=[1])
    download(whole, "pong", tmp_path / "undisturbed", runs=[1])
    assert contents(part) == contents(tmp_path / "undisturbed")


@pytest.mark.slow
def test_a_damaged_file_stops_only_its_checkpoint(whole: Path, hub: HubServer, tmp_path: Path) -> None:
    publish(whole, to_hub(hub))
    content = (whole / SHARD).read_bytes()
    stored = hub.objects / hashlib.sha256(content).hexdigest()
    stored.write_bytes(content[:100] + b"?" + content[101:])
    part = tmp_path / "part"
    with hub.of_this_process():
        done = run("download", REPO, "pong", "--runs", "1", "--out", part)
    assert done.returncode == 1
    assert (
        f"Pong run 1 checkpoint 1: {SHARD}: damaged, its SHA-256 is not that in its manifest" in done.stdout
    )
    assert verify(FolderReader(part)).ok
    assert sorted(path.stem[-2:] for path in part.glob("manifests/*/*/*")) == ["00", "02"]
    stored.write_bytes(content)
    with hub.of_this_process():
        assert run("download", REPO, "pong", "--runs", "1", "--out", part).returncode == 0
    assert data_of(contents(part)) == part_of(contents(whole), "pong/run_1/")
