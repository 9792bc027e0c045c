"""What readers open: parts of a repo, several splits, caches; and what they say to slips."""

import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.interop.selection import open_steps
from command import run
from dataset_folders import build_dataset
from forks import forked
from hub_server import HubServer
from huggingface_hub import HfApi
from paths import THREE_LAPS
from waiting import PATIENCE

from atari_dqn_replay import AtariReplayError, ReplayDataset, Transitions


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two games, of two runs with two checkpoints of 24 steps."""
    out = tmp_path_factory.mktemp("built")
    for game in ("breakout", "pong"):
        build_dataset(out, game, runs=(1, 2), shards=1)
    return out


def count(dataset: Any, config: str | None = "pong-full", split: str | None = "run_1", **options: Any) -> int:
    return Transitions(dataset, config, split, **options).samples


class TestParts:
    """What `hf download --include` leaves of a repo."""

    @pytest.mark.parametrize("game", ["breakout", "pong"])
    def test_one_game_with_the_card_of_all(self, folder: Path, tmp_path: Path, game: str) -> None:
        for part in ("README.md", f"data/{game}", f"episodes/{game}"):
            copy = shutil.copytree if (folder / part).is_dir() else shutil.copy
            (tmp_path / part).parent.mkdir(exist_ok=True)
            copy(folder / part, tmp_path / part)
        assert count(tmp_path, f"{game}-full") == 48
        with pytest.raises(AtariReplayError, match="none of its files is there"):
            count(tmp_path, {"pong": "breakout-full", "breakout": "pong-full"}[game])

    def test_some_checkpoints_with_a_warning(self, folder: Path, tmp_path: Path) -> None:
        part = Path(shutil.copytree(folder, tmp_path / "part"))
        shutil.rmtree(part / "data/pong/run_1/checkpoint_00")
        with pytest.warns(UserWarning, match="the card counts 48 steps .* its files here hold 24"):
            assert count(part) == 24

    def test_without_a_card(self, folder: Path, tmp_path: Path) -> None:
        shutil.copytree(folder / "data/pong", tmp_path / "data/pong")
        assert count(tmp_path) == count(tmp_path, split="run_2") == 48
        assert count(tmp_path, "pong-mixed") == 24
        with pytest.raises(AtariReplayError, match="no card to say which checkpoint is the last"):
            count(tmp_path, "pong-expert")

    def test_names_that_mean_something_to_globs_and_file_systems(self, folder: Path, tmp_path: Path) -> None:
        for name in ("a[0]", "a::b", "a*", "a#b", "ä é"):
            assert count(Path(shutil.copytree(folder, tmp_path / name))) == 48

    @pytest.mark.slow
    def test_without_datasets(self, folder: Path) -> None:
        code = (
            "import sys\nfrom atari_dqn_replay.replay_reader.transitions import Transitions\n"
            "before = 'datasets' in sys.modules\n"
            "print(len(list(Transitions(sys.argv[1], 'pong-full', 'run_1'))), before, 'torch' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True)
        assert done.stdout.split()[0] == "2", done.stderr
        assert done.stdout.split()[-1] == "False", "torch is never imported by us"


class TestCards:
    """A card that somebody wrote by hand."""

    @pytest.mark.parametrize(
        ("entry", "message"),
        [
            ("config_name: [x]\n  data_files: a.parquet", "not found; the card lists ['x']"),
            ("config_name: {a: b}\n  data_files: a.parquet", "not found; the card lists {'a': 'b'}"),
            ("config_name: pong-full\n  data_files: data/x**.parquet", "'data/x**.parquet' (Invalid pattern"),
            ('config_name: pong-full\n  data_files: "data/\\0/x.parquet"', "(a null character)"),
        ],
    )
    def test_what_no_card_can_mean(self, tmp_path: Path, entry: str, message: str) -> None:
        (tmp_path / "README.md").write_text(f"---\nconfigs:\n- {entry}\n---\n")
        with pytest.raises(AtariReplayError) as refusal:
            count(tmp_path, split="train")
        assert f"{tmp_path}: README.md: " in str(refusal.value)
        assert message in str(refusal.value)

    def test_another_config_or_its_size_does_no_harm(self, folder: Path, tmp_path: Path) -> None:
        copy = Path(shutil.copytree(folder, tmp_path / "dataset"))
        card = (copy / "README.md").read_text()
        for key in ("configs", "dataset_info"):
            assert f"\n{key}:\n" in card
            card = card.replace(f"\n{key}:\n", f"\n{key}:\n- config_name: [x]\n", 1)
        (copy / "README.md").write_text(card)
        assert count(copy) == 48

    def test_one_that_is_no_file(self, tmp_path: Path) -> None:
        (tmp_path / "README.md").mkdir()
        with pytest.raises(AtariReplayError, match=r"README.md: cannot be read \(.*irectory"):
            count(tmp_path)


class TestSplits:
    def test_several_at_once(self, folder: Path) -> None:
        assert count(folder, split="run_1+run_2") == count(folder, split="all") == 96
        first = Transitions(folder, "pong-full", "run_2+run_1", shuffle=False, batch_size=48)
        expected = Transitions(folder, "pong-full", "run_2", shuffle=False, batch_size=48)
        found, alone = next(iter(first)), next(iter(expected))
        assert all((found[name] == alone[name]).all() for name in alone)

    def test_a_stream_of_several(self, folder: Path) -> None:
        stream = datasets.load_dataset(str(folder), "pong-full", split="run_1+run_2", streaming=True)
        assert count(stream, None, None) == 96

    @pytest.mark.parametrize(
        ("split", "message"),
        [
            ("run_3", "has no split 'run_3'; it has run_1, run_2"),
            ("run_1+run_1", "names a split twice"),
            ("run_1[:10%]", "a slice of a split; choose episodes by EpisodeFilter"),
        ],
    )
    def test_what_is_no_split(self, folder: Path, split: str, message: str) -> None:
        with pytest.raises(AtariReplayError) as refusal:
            count(folder, split=split)
        assert message in str(refusal.value)


class TestSlips:
    def test_paths(self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(folder.parent))
        assert count(f"~/{folder.name}") == 48
        (tmp_path / "logs/Pong/1/replay_logs").mkdir(parents=True)
        for path, message in [
            ("./datset", "there is no such folder"),
            ("datset", "a repo on the Hub has a name like user/name"),
            (Path("user/name"), "there is no such folder"),
            (str(folder / "README.md"), "is a file"),
            (tmp_path, "these are replay logs; build a dataset of them first"),
            (tmp_path / "logs/Pong/1", "these are replay logs"),
            (folder / "data", "was it built?"),
        ]:
            with pytest.raises(AtariReplayError) as refusal:
                count(path)
            assert message in str(refusal.value)

    def test_a_misspelt_argument_is_of_the_class_that_was_called(self, folder: Path) -> None:
        with pytest.raises(TypeError, match=r"Transitions.*nstep"):
            count(folder, nstep=3)

    def test_numbers_of_numpy(self, folder: Path) -> None:
        numbers = {"seed": np.int64(1), "batch_size": np.int32(5), "memory": np.int64(1 << 30)}
        reader = Transitions(folder, "pong-full", "run_1", **numbers)  # pyright: ignore[reportArgumentType]
        state = json.loads(json.dumps(reader.state_dict()))
        Transitions(folder, "pong-full", "run_1", seed=1, batch_size=5, memory=1 << 30).load_state_dict(state)
        with pytest.raises(AtariReplayError, match=r"seed=1\.5: expected a whole number"):
            count(folder, seed=1.5)


OPEN = """
import sys
from atari_dqn_replay import AtariReplayError, Transitions
kind, token = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
name, config = "user/replay", "pong-full"
if kind == "snapshot":
    from huggingface_hub import snapshot_download
    snapshot_download(name, repo_type="dataset")
try:
    if kind == "stream":
        from datasets import load_dataset
        name, config = load_dataset(name, config, split="run_1", streaming=True, token=token), None
    print(Transitions(name, config, "run_1" if config else None).samples)
except AtariReplayError as error:
    print(error)
"""


def open_by_a_reader() -> None:
    ReplayDataset("user/replay", "pong-full", "run_1", cache_dir="frames")


def open_by_a_face() -> None:
    open_steps("user/replay", find_game("pong"), 1, cache_dir="frames")


def open_by_a_training() -> None:
    done = run(
        *("train", "dqn-adam", "--dataset", "user/replay", "--config", "pong-full", "--split", "run_1"),
        *("--out", "run", "--cache-dir", "frames", "--network", "tiny", "--iterations", 1, "--updates", 1),
        *("--device", "cpu", "--evaluation-steps", 1, "--max-steps-per-episode", 1),
    )
    assert done.returncode == 0, done.stderr


class TestHub:
    def open(self, hub: HubServer, kind: str, *arguments: str, **environment: str) -> str:
        command = [sys.executable, "-c", OPEN, kind, *arguments]
        own = {**hub.environment(hub.token), **environment}
        done = subprocess.run(command, env=own, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        self.warnings = done.stderr
        return done.stdout

    @pytest.fixture
    def repo(self, hub: HubServer, folder: Path) -> HubServer:
        api = HfApi(endpoint=hub.url, token=hub.token)
        api.create_repo("user/replay", repo_type="dataset", private=True)
        api.upload_folder(repo_id="user/replay", repo_type="dataset", folder_path=folder)
        return hub

    @pytest.mark.slow
    def test_offline_it_reads_what_is_cached_or_says_so(self, repo: HubServer, tmp_path: Path) -> None:
        cache = {"HF_HOME": str(tmp_path / "hf")}
        assert self.open(repo, "repo", **cache) == "48\n"
        found = self.open(repo, "repo", **cache, HF_HUB_OFFLINE="1")
        assert "HF_HUB_OFFLINE is set" in found
        assert "snapshot_download" in found
        assert self.open(repo, "snapshot", **cache) == "48\n"
        commit = HfApi(endpoint=repo.url, token=repo.token).dataset_info("user/replay").sha
        for unreachable, reason in (
            ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set"),
            ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "the Hub cannot be reached (ConnectError: "),
        ):
            assert self.open(repo, "repo", **cache, **unreachable) == "48\n"
            assert self.warnings.count("UserWarning") == 1
            assert f"user/replay: {reason}" in self.warnings
            assert f"of commit {commit}" in self.warnings

    @pytest.mark.slow
    def test_faces_and_trainings_ask_it_no_more_than_a_reader(
        self, repo: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = []
        for number, task in enumerate((open_by_a_reader, open_by_a_face, open_by_a_training)):
            (tmp_path / str(number)).mkdir()
            monkeypatch.chdir(tmp_path / str(number))
            before = len(repo.requests)
            with repo.of_this_process(repo.token):
                process = forked(task)  # which has nothing of the Hub's in its memory
                process.join(PATIENCE)
                assert process.exitcode == 0
            asked.append(len(repo.requests) - before)
        assert asked[0] == asked[1] == asked[2] > 0

    @pytest.mark.parametrize("name", ["user/a--b", "user/" + "a" * 100])
    def test_a_name_that_no_repo_has_is_its_own_error(self, name: str) -> None:
        with pytest.raises(AtariReplayError, match=r"cannot be opened on the Hub .HFValidationError: .*epo"):
            count(name)

    @pytest.mark.slow
    def test_a_private_stream_is_read_with_its_own_token(self, repo: HubServer, tmp_path: Path) -> None:
        cache = {"HF_HOME": str(tmp_path / "hf"), "HF_TOKEN": ""}
        assert self.open(repo, "stream", repo.token, **cache) == "48\n"
        assert "no such dataset on the Hub; if it is private, give token=" in self.open(repo, "repo", **cache)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="root may write everywhere")
def test_a_reader_needs_no_cache_that_can_be_written(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o555)
    code = (
        "import sys\nfrom atari_dqn_replay import AtariDQNReplay, ReplayDataset, Transitions\n"
        "print(Transitions(sys.argv[1], 'pong-full', 'run_1').samples)\n"
        "print(len(ReplayDataset(sys.argv[1], 'pong-full', 'run_1', cache_dir=sys.argv[2])))\n"
        "logs = AtariDQNReplay('breakout-full', source=sys.argv[3])\n"
        "print(next(iter(logs.as_streaming_dataset(split='run_1')))['step'])"
    )
    bound = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run(
        [*bound, sys.executable, "-c", code, str(folder), str(tmp_path / "frames"), str(THREE_LAPS)],
        env={**environment, "HOME": str(tmp_path / "home"), "USE_TORCH": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["48", "48", "0"], done.stderr


def test_a_whole_selection_gives_no_warning(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert count(folder) == 48
