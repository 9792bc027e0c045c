"""Collected worlds: the same bytes whoever plays them, and nothing lost when a collection is killed."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from atari_dqn_replay.builder.collecting.collect_world import collect_world
from atari_dqn_replay.builder.errors import OutputError, UnknownNameError
from atari_dqn_replay.builder.files import sha256_of
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.worlds.crafter import CrafterEnvironment

pytest.importorskip("crafter")
pytest.importorskip("numba", reason="without it a world takes seconds")

CRAFTER = find_game("crafter")
SMALL: dict[str, Any] = {"environments": 3, "steps": 100, "time_limit": 20}


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("played")
    print(collect_world(CRAFTER, out, **SMALL))
    return out


def files_of(out: Path) -> dict[str, str]:
    return {str(path.relative_to(out)): sha256_of(path) for path in out.rglob("*") if path.is_file()}


def test_each_environment_plays_its_share_of_the_steps(collected: Path) -> None:
    lengths = {
        path.name: len(np.load(path)["action"]) for path in (collected / "Crafter/1/episodes").glob("*.npz")
    }
    assert lengths == {
        "000000-0000.npz": 20,
        "000000-0001.npz": 20,
        "000000-0002.npz": 20,
        "000001-0000.npz": 14,
        "000001-0001.npz": 13,
        "000001-0002.npz": 13,
    }


def test_frames_and_states_are_those_of_the_environment(collected: Path) -> None:
    episode = np.load(collected / "Crafter/1/episodes/000001-0002.npz")
    _, seed, number = episode["origin"]
    environment = CrafterEnvironment(int(seed), time_limit=20)
    observation, state = environment.reset(int(number))
    for step, action in enumerate(episode["action"]):
        np.testing.assert_array_equal(episode["observation"][step], observation)
        np.testing.assert_array_equal(episode["state"][step], [*state.values()])
        observation, reward, *_, state = environment.step(int(action))
        assert np.float32(reward) == episode["reward"][step]
    np.testing.assert_array_equal(episode["final_observation"], observation)


@pytest.mark.slow
def test_environments_have_the_same_maps_or_their_own(collected: Path, tmp_path: Path) -> None:
    collect_world(CRAFTER, tmp_path, environments=2, steps=4, own_maps=True)

    def maps(out: Path) -> list[bytes]:
        paths = sorted((out / "Crafter/1/episodes").glob("000000-*.npz"))
        return [np.load(path)["map"].tobytes() for path in paths]

    assert len(set(maps(collected))) == 1
    assert len(set(maps(tmp_path))) == 2


@pytest.mark.slow
def test_a_collection_that_was_killed_goes_on_to_the_same_bytes(collected: Path, tmp_path: Path) -> None:
    """Some episodes are there, another is half written, and the folder does not have its name yet."""
    working = tmp_path / "Crafter/1/episodes.incomplete"
    working.mkdir(parents=True)
    done = collected / "Crafter/1/episodes"
    for name in ("provenance.json", "000000-0000.npz", "000000-0002.npz"):
        (working / name).write_bytes((done / name).read_bytes())
    (working / "000000-0001.npz.incomplete").write_bytes(b"PK half of it")
    collect_world(CRAFTER, tmp_path, **SMALL, workers=2)
    assert files_of(tmp_path) == files_of(collected)


def test_damaged_episodes_of_a_stopped_collection_are_played_again(collected: Path, tmp_path: Path) -> None:
    working = tmp_path / "Crafter/1/episodes.incomplete"
    shutil.copytree(collected / "Crafter/1/episodes", working)
    empty, cut, changed, other = sorted(working.glob("*.npz"))[:4]
    empty.write_bytes(b"")
    cut.write_bytes(cut.read_bytes()[:1000])
    content = bytearray(changed.read_bytes())
    content[200] ^= 1  # in the first array, which are the frames
    changed.write_bytes(content)
    np.savez(other, action=np.zeros(3))
    collect_world(CRAFTER, tmp_path, **SMALL)
    assert files_of(tmp_path) == files_of(collected)


def test_what_is_there_is_not_played_again_nor_overwritten(collected: Path) -> None:
    before = files_of(collected)
    assert collect_world(CRAFTER, collected, **SMALL).already_there
    with pytest.raises(OutputError, match=r"collected with other settings \(seed\): choose another --out"):
        collect_world(CRAFTER, collected, **SMALL, seed=1)
    assert files_of(collected) == before


def test_wrong_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="'player': Crafter is played by heuristic or random"):
        collect_world(CRAFTER, tmp_path, policy="player")
    with pytest.raises(OutputError, match="steps 1 is too small: expected 2 or more"):
        collect_world(CRAFTER, tmp_path, environments=2, steps=1)
    with pytest.raises(OutputError, match="workers -1 is too small: expected 1 or more"):
        collect_world(CRAFTER, tmp_path, workers=-1)
    assert not any(tmp_path.iterdir())
