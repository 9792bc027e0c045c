"""The probability of each action goes from logs through datasets to readers, and back into the same logs."""

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest
from atari_dqn_replay.builder.collecting.collect import collect
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.repos.folder_reader import FolderReader
from atari_dqn_replay.builder.sources.open import open_source
from atari_dqn_replay.interop.export.bucket.round_trip import compare_round_trip
from command import run
from datasets_of_logs import build_from
from logs import log_transitions, real_frames
from web_server import running_web

from atari_dqn_replay import Episodes, ReplayDataset, Sequences, Transitions, export

LENGTHS = [37, 25, 60, 18, 44]
STEPS = sum(LENGTHS)
PROB = np.random.default_rng(0).uniform(0.001, 1, STEPS).astype(np.float32)


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four dumps of 60 rows, whose episodes cross their bounds."""
    terminal = np.zeros(STEPS, bool)
    terminal[np.cumsum(LENGTHS) - 1] = True
    action, reward = np.arange(STEPS, dtype=np.int32) % 4, np.zeros(STEPS, np.float32)
    root = tmp_path_factory.mktemp("logs")
    frames = real_frames("Breakout", STEPS)
    log_transitions(root, frames, action, reward, terminal, capacity=60, game="Breakout", prob=PROB)
    return root


@pytest.fixture(scope="module")
def dataset(logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_from(logs, tmp_path_factory.mktemp("dataset") / "built")


def test_readers_give_the_probability_of_each_action(dataset: Path) -> None:
    where = (str(dataset), "breakout-full", "run_1")
    (batch,) = Transitions(*where, batch_size=STEPS, shuffle=False)
    np.testing.assert_array_equal(batch["prob"], PROB)
    stored = ReplayDataset(*where, cache_dir=dataset.parent / "cache")
    np.testing.assert_array_equal(stored.gather(np.arange(STEPS))["prob"], PROB)
    single = ReplayDataset(*where, frame_stack=1, cache_dir=dataset.parent / "cache")
    np.testing.assert_array_equal(single.gather([5, -1, 5])["prob"], PROB[[5, -1, 5]])
    whole = np.concatenate([episode["prob"] for episode in Episodes(*where)])
    np.testing.assert_array_equal(whole, PROB)
    (windows,) = Sequences(*where, length=10, stride=10, batch_size=1_000, shuffle=False)
    np.testing.assert_array_equal(windows["prob"][windows["mask"]], PROB)
    assert (windows["prob"][~windows["mask"]] == 1).all()


@pytest.mark.slow
def test_the_dataset_verifies_and_shows_the_column_on_its_card(dataset: Path, logs: Path) -> None:
    verified = run("verify", dataset, "--source", logs)
    assert verified.returncode == 0, verified
    assert "- name: prob" in (dataset / "README.md").read_text()


def test_logs_come_back_with_their_seventh_array(dataset: Path, logs: Path, tmp_path: Path) -> None:
    compared = compare_round_trip(FolderReader(dataset), open_source(str(logs)))
    assert compared.ok, compared
    export(dataset, "breakout-full", out=tmp_path, format="bucket")
    originals = sorted(logs.rglob("$store$_prob_ckpt.*.gz"))
    assert len(originals) == 4
    for path in originals:
        again = tmp_path / path.relative_to(logs)
        assert gzip.decompress(again.read_bytes()) == gzip.decompress(path.read_bytes())


def test_a_dataset_of_a_dataset_is_the_same(dataset: Path, tmp_path: Path) -> None:
    again = build_from(dataset, tmp_path / "again")
    for path in dataset.rglob("*.parquet"):
        assert (again / path.relative_to(dataset)).read_bytes() == path.read_bytes()


def test_a_log_that_lacks_one_of_the_files_has_no_such_column(logs: Path, tmp_path: Path) -> None:
    part = Path(shutil.copytree(logs, tmp_path / "part"))
    next(part.rglob("$store$_prob_ckpt.1.gz")).unlink()
    run_of_part = open_source(str(part)).open_run(find_game("breakout"), 1)
    assert run_of_part.optional_columns == ()
    remark = "checkpoint 1 lacks prob, which others have: the run has no column prob"
    assert remark in run_of_part.remarks()
    assert remark in run("inspect", part).stdout


def test_a_log_that_lacks_final_observations_of_some_checkpoints_says_so(logs: Path, tmp_path: Path) -> None:
    part = Path(shutil.copytree(logs, tmp_path / "part"))
    first = next(part.rglob("$store$_prob_ckpt.0.gz"))
    first.with_name("final_observation-0.npy.zst").write_bytes(b"zstd")
    expected = "checkpoint 1-3 lacks final_observation, which others have: episodes that end there have none"
    with running_web(part, listing=False) as server:
        for source in (str(part), server.url):
            assert expected in open_source(source).open_run(find_game("breakout"), 1).remarks()


def test_a_probability_of_zero_is_refused(logs: Path, tmp_path: Path) -> None:
    wrong = Path(shutil.copytree(logs, tmp_path / "wrong"))
    path = next(wrong.rglob("$store$_prob_ckpt.1.gz"))
    with gzip.open(path) as file:
        prob = np.load(file)
    prob[7] = 0
    with gzip.open(path, "wb") as file:
        np.save(file, prob)
    built = run("build", "breakout", "--source", wrong, "--out", tmp_path / "built")
    assert built.returncode == 1
    assert "holds probability 0 of an action that was done, expected above 0, at most 1" in built.stderr


@pytest.mark.slow
def test_collect_logs_probabilities_when_asked_and_else_the_same_bytes(tmp_path: Path) -> None:
    game = find_game("pong")
    for name in ("with", "without"):
        collect(
            game,
            tmp_path / name,
            policy="player",
            checkpoints=2,
            checkpoint_size=200,
            probabilities=name == "with",
        )
    plain, more = (
        {path.name: path.read_bytes() for path in (tmp_path / name).rglob("*.gz")}
        for name in ("without", "with")
    )
    assert {name: more[name] for name in plain} == plain
    probs = sorted(name for name in more if name not in plain)
    assert probs == [f"$store$_prob_ckpt.{number}.gz" for number in range(3)]
    with gzip.open(next((tmp_path / "with").rglob(probs[1]))) as file:
        found = set(np.load(file).tolist())
    assert found <= {0.0, 1.0, np.float32(1 / 6)} and np.float32(1 / 6) in found
