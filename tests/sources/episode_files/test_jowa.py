"""JOWA's file of episodes as a source, written as its format is documented."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from atari_dqn_replay.builder.assembly.build import build, plan_build
from atari_dqn_replay.builder.errors import SourceError
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.sources.open import named_games, open_source
from dataset_folders import contents
from datasets_of_logs import build_from
from logs import real_frames
from web_server import running_web

from atari_dqn_replay import Episodes

h5py = pytest.importorskip("h5py", reason="JOWA's files are HDF5")

PONG = find_game("pong")
LENGTHS = (60, 700, 1, 33, 90)


def write(path: Path) -> list[dict[str, np.ndarray]]:
    """Write episodes of real frames with three blank rows before each but the first, which is cut there."""
    random, frames = np.random.default_rng(0), real_frames("Pong", sum(LENGTHS))
    played, start = [], 0
    with h5py.File(path, "w") as file:
        for number, length in enumerate(LENGTHS):
            episode = {
                "observations": frames[start : start + length],
                "actions": random.integers(len(PONG.actions), size=length, dtype=np.int32),
                "rewards": random.choice(np.array([-1, 0, 1], np.float32), size=length),
                "terminals": np.arange(length) == length - 1,
            }
            start += length
            played.append(episode)
            for name, values in episode.items():
                padding = [(3 if number else 0, 0), *[(0, 0)] * (values.ndim - 1)]
                group = file.require_group(str(number))
                compression = "gzip" if number % 2 else None
                group.create_dataset(name, data=np.pad(values, padding), compression=compression)
    return played


@pytest.mark.slow
def test_its_episodes_come_in_order_and_without_padding(tmp_path: Path) -> None:
    (tmp_path / "jowa").mkdir()
    played = write(tmp_path / "jowa" / "Pong.h5")
    source = open_source(str(tmp_path / "jowa"))
    assert named_games(source, ["all"]) == [PONG] and source.runs(PONG) == [1]
    built = build_from(tmp_path / "jowa", tmp_path / "built")
    found = list(Episodes(built, "pong-full", "run_1"))
    for each, expected in zip(found, played, strict=True):
        assert (each["observation"] == expected["observations"]).all()
        assert (each["action"] == expected["actions"]).all()
        assert (each["reward"] == expected["rewards"]).all()
    assert [each["complete"] for each in found] == [False, True, True, True, True]


@pytest.mark.slow
def test_it_is_taken_by_itself_or_from_an_archive(tmp_path: Path) -> None:
    (tmp_path / "jowa").mkdir()
    write(tmp_path / "jowa" / "Pong.h5")
    (tmp_path / "jowa" / "Breakout.h5").write_bytes(b"another game, not read")
    place = tmp_path / "jowa" / "Pong.h5"
    expected = build_from(place, tmp_path / "of-file")
    assert named_games(open_source(str(place)), ["all"]) == [PONG]
    shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, "jowa")
    source = open_source(str(tmp_path / "packed.zip"))
    build(plan_build(source, [PONG], tmp_path / "of-archive"), tmp_path / "of-archive")
    assert contents(tmp_path / "of-archive") == contents(expected)


def test_another_file_of_that_name_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "Pong.h5", "w") as file:
        file["weights"] = np.zeros(3)
    with pytest.raises(SourceError, match=r"Pong\.h5: holds 'weights', expected a group for each episode"):
        build_from(tmp_path, tmp_path / "built")
    (tmp_path / "Pong.h5").write_bytes(b"no HDF5")
    with pytest.raises(SourceError, match=r"Pong\.h5: not an HDF5 file"):
        build_from(tmp_path, tmp_path / "built")


def test_a_terminal_step_within_an_episode_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "Pong.h5", "w") as file:
        file["0/observations"] = real_frames("Pong", 4)
        file["0/actions"], file["0/rewards"] = np.zeros(4, np.uint8), np.zeros(4)
        file["0/terminals"] = np.array([0, 1, 0, 1])
    with pytest.raises(SourceError, match="episode 0: a terminal step is not its last one"):
        build_from(tmp_path, tmp_path / "built")


@pytest.mark.slow
def test_it_may_lie_on_a_web_server(tmp_path: Path) -> None:
    """HDF5 needs random access, which a temporary copy gives; it is gone afterwards."""
    (tmp_path / "jowa").mkdir()
    write(tmp_path / "jowa" / "Pong.h5")
    expected = build_from(tmp_path / "jowa", tmp_path / "of-folder")
    with running_web(tmp_path / "jowa") as server:
        source = open_source(server.url)
        build(plan_build(source, [PONG], tmp_path / "of-web"), tmp_path / "of-web")
    assert contents(tmp_path / "of-web") == contents(expected)
