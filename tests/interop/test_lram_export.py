"""What users of `export --format lram` rely on: files as LRAM's download script writes them."""

import json
import pickle
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from atari_dqn_replay.interop.export.lram.slices import Limits, chosen_files
from command import run
from dataset_folders import contents
from datasets_of_logs import build_from
from forks import killed_after
from hypothesis import given
from hypothesis import strategies as st
from paths import THREE_LAPS

from atari_dqn_replay import AtariReplayError, Episodes, Preprocessing, export

CAPACITY = 3000
Fields = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_from(THREE_LAPS / "dqn", tmp_path_factory.mktemp("dataset"))


def played() -> Fields:
    with np.load(THREE_LAPS / "played.npz") as file:
        return {name: file[name] for name in file.files}


def true_episodes() -> list[Fields]:
    """What was played, cut after each end; the last, which was not ended, left out."""
    arrays = played()
    ends = np.flatnonzero(arrays["terminal"]) + 1
    pieces = [np.split(arrays[name], ends)[:-1] for name in ("observation", "action", "reward")]
    return [
        dict(zip(("states", "actions", "rewards"), piece, strict=True)) for piece in zip(*pieces, strict=True)
    ]


def load(path: Path) -> Fields:
    """A file as LRAM's buffers load it."""
    if path.suffix == ".hdf5":
        h5py = pytest.importorskip("h5py", reason="LRAM's default files are HDF5")
        with h5py.File(path) as file:
            return {name: file[name][()] for name in file}
    if path.suffix == ".pkl":
        return pickle.loads(path.read_bytes())  # written by this very test
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("save_format", "suffix"), [("hdf5", "hdf5"), ("npz", "npz"), ("npzc", "npz"), ("pkl", "pkl")]
)
def test_every_whole_episode_is_a_file(dataset: Path, tmp_path: Path, save_format: str, suffix: str) -> None:
    if save_format == "hdf5":
        pytest.importorskip("h5py", reason="LRAM's default files are HDF5")
    export(
        dataset, "breakout-full", format="lram", out=tmp_path, checkpoints=range(4), save_format=save_format
    )
    expected = true_episodes()
    files = sorted((tmp_path / "breakout").glob(f"*.{suffix}"))
    assert [file.stem for file in files] == [f"{number:09d}" for number in range(len(expected))]
    for file, episode in zip(files, expected, strict=True):
        found = load(file)
        assert (found["states"].dtype, found["states"].shape[1:]) == (np.uint8, (1, 84, 84))
        assert (found["states"][:, 0] == episode["states"]).all()
        assert found["actions"].dtype == np.int32 and (found["actions"] == episode["actions"]).all()
        assert found["rewards"].dtype == np.float32 and (found["rewards"] == episode["rewards"]).all()
        assert np.shape(found["dones"]) == () and found["dones"].dtype == np.float32 and found["dones"] == 1
        assert found.keys() == {"states", "actions", "rewards", "dones"}


@pytest.mark.slow
def test_options_change_pictures_actions_and_returns(dataset: Path, tmp_path: Path) -> None:
    export(
        dataset,
        "breakout-full",
        format="lram",
        out=tmp_path,
        checkpoints=[1, 2],
        save_format="npz",
        a_to_full_space=True,
        add_rtgs=True,
        to_rgb=True,
        crop_dim=64,
    )
    preprocessing = Preprocessing(size=(64, 64), rgb=True, full_action_space=True)
    wanted = [
        episode
        for episode in Episodes(str(dataset), "breakout-full", "run_1", preprocessing=preprocessing)
        if episode["checkpoint"] in (1, 2) and episode["complete"]
    ]
    files = sorted((tmp_path / "breakout").glob("*.npz"))
    for file, episode in zip(files, wanted, strict=True):
        found = load(file)
        assert found["states"].shape[1:] == (3, 64, 64)
        assert (found["states"] == episode["observation"]).all()
        assert found["actions"].dtype == np.int64 and (found["actions"] == episode["action"]).all()
        assert found["returns_to_go"].dtype == np.float32
        assert (found["returns_to_go"] == episode["return_to_go"]).all()


def test_by_choice_with_padding_as_that_script_cuts_the_dumps(dataset: Path, tmp_path: Path) -> None:
    from gzip import open as gzip_open

    def array(name: str, number: int) -> np.ndarray:
        folder = THREE_LAPS / "dqn" / "Breakout" / "1" / "replay_logs"
        with gzip_open(folder / f"$store$_{name}_ckpt.{number}.gz") as file:
            return np.load(file)

    options: dict[str, Any] = {"format": "lram", "save_format": "npz", "padding": True}
    export(dataset, "breakout-full", out=tmp_path, **options)
    expected = []
    for number in (1, 2, 3):  # its slices are files 1 … 50
        ends = np.flatnonzero(array("terminal", number)) + 1
        expected += np.split(array("observation", number), ends)[: len(ends)]
    files = sorted((tmp_path / "breakout").glob("*.npz"))
    for file, states in zip(files, expected, strict=True):
        assert (load(file)["states"][:, 0] == states).all()


def test_statistics_are_those_of_that_script(dataset: Path, tmp_path: Path) -> None:
    export(dataset, "breakout-full", format="lram", out=tmp_path, save_format="npz", max_transitions=3500)
    folder = tmp_path / "breakout"
    episodes = [
        episode
        for episode in Episodes(str(dataset), "breakout-full", "run_1")
        if episode["checkpoint"] in (1, 2) and episode["complete"]
    ]
    lengths = json.loads((folder / "episode_lengths.json").read_text())
    returns = json.loads((folder / "episode_returns.json").read_text())
    statistics = json.loads((folder / "stats.json").read_text())
    saved = len(list(folder.glob("*.npz")))
    assert list(lengths) == list(returns) == [f"{number:09d}" for number in range(saved)]
    assert list(lengths.values()) == [episode["length"] for episode in episodes[:saved]]
    assert list(returns.values()) == [episode["return"] for episode in episodes[:saved]]
    assert statistics["slices"] == 50 and statistics["episodes"] == saved
    assert statistics["transitions"] == sum(episode["length"] for episode in episodes)
    assert statistics["max_episode_len"] == max(lengths.values())
    assert statistics["mean_episode_return"] == round(np.mean([each["return"] for each in episodes]), 4)


@given(num_slices=st.integers(1, 50), quality=st.sampled_from(["mixed", "random", "expert"]))
def test_slices_are_files_1_to_50_in_that_scripts_order(num_slices: int, quality: str) -> None:
    files = chosen_files(num_slices, quality)
    assert len(set(files)) == num_slices and set(files) <= set(range(1, 51))
    random.seed(0)
    if num_slices == 50:
        assert files == list(range(1, 51))
    elif quality == "mixed":
        assert files == [1 + number for number in random.sample(range(50), num_slices)]
    elif quality == "random":
        assert files == list(range(1, num_slices + 1))
    else:
        assert files == list(range(50, 50 - num_slices, -1))


def test_limits_are_counted_as_there() -> None:
    assert not Limits(max_episodes=2).ends_slice(2, 0, 1), "one more than the limit is saved"
    assert Limits(max_episodes=2).ends_slice(3, 0, 1)
    assert not Limits(max_transitions=100).ends_slice(0, 90, 10)
    assert Limits(max_transitions=100).ends_slice(0, 90, 11)
    assert not Limits(max_transitions=100).ends_export(5, 100)
    assert not Limits().ends_export(10**9, 10**9)


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_to_the_same_bytes(dataset: Path, tmp_path: Path) -> None:
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "out"
    arguments = [
        "export",
        dataset,
        "--envs",
        "breakout",
        "--format",
        "lram",
        "--save-format",
        "npzc",
        "--out",
    ]
    began = time.monotonic()
    assert run(*arguments, undisturbed).returncode == 0
    seconds = time.monotonic() - began
    moments = random.Random(0)
    for _ in range(3):
        killed_after(moments.uniform(0, 1) * seconds, lambda: run(*arguments, out))
    assert run(*arguments, out).returncode == 0
    assert contents(out) == contents(undisturbed)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"save_format": "csv"}, "unknown save format 'csv'"),
        ({"num_slices": 51}, "expected 1 to 50"),
        ({"quality": "best"}, "unknown quality 'best'"),
        ({"crop_dim": 0}, "crop_dim 0 is too small"),
        ({"num_slices": 3, "checkpoints": [1]}, "choose from a whole run"),
        ({"n_jobs": 2}, "lram has no option 'n_jobs'"),
        ({"runs": [2]}, "no run 2"),
        ({"checkpoints": [7]}, "no checkpoint 7"),
    ],
)
def test_a_wrong_option_is_one_clear_error(
    dataset: Path, tmp_path: Path, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(AtariReplayError, match=says):
        export(dataset, "breakout-full", format="lram", out=tmp_path, **{"save_format": "npz", **options})
    assert not any(tmp_path.iterdir())


def test_another_export_in_the_same_folder_is_refused(dataset: Path, tmp_path: Path) -> None:
    export(dataset, "breakout-full", format="lram", out=tmp_path, checkpoints=[3], save_format="npz")
    with pytest.raises(AtariReplayError, match="an export with another add_rtgs began here"):
        export(
            dataset,
            "breakout-full",
            format="lram",
            out=tmp_path,
            checkpoints=[3],
            save_format="npz",
            add_rtgs=True,
        )
