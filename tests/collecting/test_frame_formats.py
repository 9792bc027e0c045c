"""Games played in another frame format: the same pixels in the logs, in the dataset and in every reader."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from atari_dqn_replay.builder.assembly.build import build, plan_build
from atari_dqn_replay.builder.collecting.collect import collect
from atari_dqn_replay.builder.collecting.environment import AtariEnvironment
from atari_dqn_replay.builder.format.frame_format import FrameFormat
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.repos.folder_reader import FolderReader
from atari_dqn_replay.builder.sources.open import open_source
from atari_dqn_replay.builder.verification.verify import verify
from atari_dqn_replay.interop.selection import open_steps
from command import run
from datasets_of_logs import build_from
from numpy.typing import NDArray

from atari_dqn_replay import (
    AtariReplayError,
    Episodes,
    Preprocessing,
    ReplayDataset,
    Sequences,
    Transitions,
    decode_frames,
)

BREAKOUT = find_game("breakout")
RGB64 = FrameFormat(64, 64, 3)
WHERE = "breakout-full", "run_1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Logs, what was played, and the dataset built from them; episodes cross the checkpoints' bounds."""
    folder = tmp_path_factory.mktemp("rgb64")
    record = folder / "played.npz"
    collect(BREAKOUT, folder / "logs", checkpoints=2, checkpoint_size=220, record=record, frame_format=RGB64)
    build_from(folder / "logs", folder / "dataset")
    return folder


@pytest.fixture(scope="module")
def played(folder: Path) -> NDArray[np.uint8]:
    return np.load(folder / "played.npz")["observation"]


def test_colour_frames_are_the_maximum_of_the_last_two_by_area() -> None:
    """Compared with the same play in the console's own size, which is not resized."""
    import cv2

    own = AtariEnvironment(BREAKOUT, seed=3, frame_format=FrameFormat(210, 160, 3))
    small = AtariEnvironment(BREAKOUT, seed=3, frame_format=RGB64)
    whole, resized = own.reset(), small.reset()
    for step in range(40):
        assert whole.shape == (210, 160, 3)
        assert np.array_equal(cv2.resize(whole, (64, 64), interpolation=cv2.INTER_AREA), resized)
        whole, resized = own.step(step % 4)[0], small.step(step % 4)[0]


def test_a_dataset_holds_what_was_played_and_says_so(folder: Path, played: NDArray[np.uint8]) -> None:
    dataset = folder / "dataset"
    shards = sorted((dataset / "data").rglob("*.parquet"))
    frames = [decode_frames(pq.read_table(shard)["observation"]) for shard in shards]
    assert np.array_equal(np.concatenate([each for each in frames if len(each)]), played)
    assert '"frames": "rgb64"' in (dataset / "manifests/breakout/run_1/checkpoint_00.json").read_text()
    assert "frame of 64×64 RGB" in (dataset / "README.md").read_text()
    report = verify(FolderReader(dataset), source=open_source(str(folder / "logs")))
    assert not report.differences
    again = build_from(dataset, folder / "again")
    assert [each.read_bytes() for each in sorted(again.rglob("*.parquet"))] == [
        each.read_bytes() for each in sorted(dataset.rglob("*.parquet"))
    ]


def test_every_reader_gives_the_same_pixels(folder: Path, played: NDArray[np.uint8], tmp_path: Path) -> None:
    """Colour comes last, as in Gymnasium; a stack comes before the height."""
    place = str(folder / "dataset"), *WHERE
    assert np.array_equal(np.concatenate([each["observation"] for each in Episodes(*place)]), played)
    batches = [batch["observation"] for batch in Transitions(*place, batch_size=64, shuffle=False)]
    assert batches[0].shape == (64, 4, 64, 64, 3)
    assert np.array_equal(np.concatenate(batches)[:, -1], played)
    window = next(iter(Sequences(*place, length=8, batch_size=3, shuffle=False)))["observation"]
    assert np.array_equal(window[0], played[:8])
    for _ in range(2):  # written, then mapped again
        replay = ReplayDataset(*place, cache_dir=tmp_path)
        assert np.array_equal(replay.frames(np.arange(len(replay))), played)


@pytest.mark.parametrize(
    ("options", "shape", "channels_last"),
    [
        ({}, (4, 64, 64, 3), True),
        ({"rgb": True}, (4, 3, 64, 64), False),
        ({"rgb": True, "channels_last": True}, (4, 64, 64, 3), True),
        ({"size": (20, 30)}, (4, 20, 30, 3), True),
    ],
)
def test_preprocessing_moves_colour_and_never_repeats_it(
    folder: Path, tmp_path: Path, options: dict, shape: tuple[int, ...], channels_last: bool
) -> None:
    place = str(folder / "dataset"), *WHERE
    plain = ReplayDataset(*place, cache_dir=tmp_path)[9]["observation"]
    found = ReplayDataset(*place, cache_dir=tmp_path, preprocessing=Preprocessing(**options))[9][
        "observation"
    ]
    assert found.shape == shape
    if "size" not in options:
        assert np.array_equal(found if channels_last else np.moveaxis(found, -3, -1), plain)


def test_one_game_has_one_format(folder: Path, tmp_path: Path) -> None:
    """Another run in grey is refused, whether it would come into the dataset or is a dump of the same log."""
    dataset, logs = tmp_path / "dataset", tmp_path / "logs"
    shutil.copytree(folder / "dataset", dataset)
    collect(BREAKOUT, logs, checkpoints=1, checkpoint_size=60, run=2)
    with pytest.raises(AtariReplayError, match=r"frames of 64×64 RGB .* and of 84×84 grey"):
        build(plan_build(open_source(str(logs)), [BREAKOUT], dataset), dataset)
    inside = logs / "Breakout/2/replay_logs/$store$_observation_ckpt.0.gz"
    shutil.copy(inside, logs / "Breakout/2/replay_logs/$store$_observation_ckpt.1.gz")
    shutil.copy(folder / "logs/Breakout/1/replay_logs" / inside.name, inside)
    with pytest.raises(AtariReplayError, match=r"\(60, 84, 84\), expected \(rows, 64, 64, 3\)|holds"):
        build(plan_build(open_source(str(logs)), [BREAKOUT], tmp_path / "other"), tmp_path / "other")


def test_libraries_that_know_only_84_by_84_are_refused_and_dumps_come_back(
    folder: Path, tmp_path: Path
) -> None:
    dataset = folder / "dataset"
    with pytest.raises(AtariReplayError, match="64×64 RGB, expected 84×84 grey"):
        open_steps(dataset, BREAKOUT, 1, cache_dir=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()  # no frames were prepared
    done = run("export", dataset, "breakout-full", "--format", "lram", "--out", tmp_path / "lram")
    assert done.returncode == 1
    assert "expected 84×84 grey" in done.stderr
    done = run("verify", dataset, "--source", folder / "logs", "--round-trip")
    assert done.returncode == 0, done.stderr
    assert "every array of its dumps" in done.stdout


def test_an_unknown_format_is_a_clear_error(tmp_path: Path) -> None:
    done = run("collect", "pong", "--out", tmp_path, "--observation", "rgb640")
    assert done.returncode == 1
    assert "unknown frame format 'rgb640'" in done.stderr
    assert "rgb210x160" in done.stderr
