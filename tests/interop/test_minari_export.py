"""What users of `export --format minari` rely on: `minari.load_dataset` gives every frame as it was."""

import random
import time
from pathlib import Path
from typing import Any

import pytest
from atari_dqn_replay.builder.collecting.environment import AtariEnvironment
from atari_dqn_replay.builder.format.games import find_game
from command import run
from dataset_folders import contents
from datasets_of_logs import build_from
from forks import killed_after
from logs import write_log
from paths import THREE_LAPS
from rl_unplugged_files import played, write_ordered

from atari_dqn_replay import AtariReplayError, EpisodeFilter, Episodes, export

minari = pytest.importorskip("minari", reason="the extra `minari` is not installed")

FULL = "atari-dqn-replay/breakout/full-run1-v0"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_from(THREE_LAPS / "dqn", tmp_path_factory.mktemp("dataset"))


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Minari looks for datasets."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    return tmp_path / "minari"


@pytest.mark.slow
def test_every_frame_is_exact(dataset: Path, out: Path) -> None:
    export(dataset, "breakout-full", format="minari", out=out)
    assert list(minari.list_local_datasets()) == [FULL]
    loaded = minari.load_dataset(FULL)
    expected = list(Episodes(str(dataset), "breakout-full", "run_1"))
    assert loaded.total_episodes == len(expected)
    for found, episode in zip(loaded.iterate_episodes(), expected, strict=True):
        steps = len(found.actions)
        assert found.observations.shape == (steps + 1, 84, 84)
        assert (found.observations[:steps] == episode["observation"][:steps]).all()
        assert (found.actions == episode["action"][:steps]).all()
        assert (found.rewards == episode["reward"][:steps]).all()
        assert found.terminations.tolist() == episode["terminated"][:steps].tolist()
        if episode["terminated"][-1]:
            assert steps == episode["length"]
            assert not found.observations[-1].any()
            assert found.infos["observation_known"].tolist() == [True] * steps + [False]
        else:
            # Cut by the end of the log: nothing is invented for whoever bootstraps from the last frame.
            assert steps == episode["length"] - 1
            assert (found.observations[-1] == episode["observation"][-1]).all()
            assert found.truncations[-1] and found.infos["observation_known"].all()


@pytest.mark.slow
def test_the_environment_can_be_recovered_and_is_ours(dataset: Path, out: Path) -> None:
    export(dataset, "breakout-full", format="minari", out=out, checkpoints=[0])
    loaded = minari.load_dataset("atari-dqn-replay/breakout/checkpoints-0-run1-v0")
    for environment in (loaded.recover_environment(), loaded.recover_environment(eval_env=True)):
        assert environment.observation_space == loaded.observation_space
        assert environment.action_space == loaded.action_space
        wrapped = environment.unwrapped
        assert wrapped.ale.getFloat("repeat_action_probability") == 0.25
        observation, _ = environment.reset(seed=0)
        expected = AtariEnvironment(find_game("breakout")).reset()
        assert (observation == expected).all()
        environment.close()


def test_the_best_episodes_alone(dataset: Path, out: Path) -> None:
    report = export(
        dataset,
        "breakout-full",
        format="minari",
        out=out,
        top=0.1,
        dataset_id="best-{game}-v2",
        author="A. N.",
    )
    loaded = minari.load_dataset("best-breakout-v2")
    best = list(Episodes(str(dataset), "breakout-full", "run_1", episodes=EpisodeFilter(top=0.1)))
    found = [float(episode.rewards.sum()) for episode in loaded.iterate_episodes()]
    assert found == [episode["return"] for episode in best]
    facts = list(loaded.storage.get_episode_metadata(range(len(best))))
    assert [each["episode"] for each in facts] == [episode["episode"] for episode in best]
    assert loaded.storage.metadata["author"] == {"A. N."}
    assert f"{len(best)} of 47 episodes are exported" in str(report)


@pytest.mark.slow
def test_the_last_observation_is_given_where_the_source_has_it(out: Path, tmp_path: Path) -> None:
    episodes = played("breakout", [2, 1])
    write_ordered(tmp_path / "unplugged", episodes, "breakout")
    built = build_from(tmp_path / "unplugged", tmp_path / "dataset")
    for source in (built, tmp_path / "unplugged"):
        export(source, "breakout-full", format="minari", out=out, dataset_id=f"{source.name}-v0")
        loaded = minari.load_dataset(f"{source.name}-v0")
        for found, expected in zip(loaded.iterate_episodes(), episodes, strict=True):
            if expected.final_observation is None:  # cut: without its last step, all that is there was seen
                assert (found.observations == expected.observation).all()
            else:
                assert (found.observations[:-1] == expected.observation).all()
                assert (found.observations[-1] == expected.final_observation).all()
            assert found.infos["observation_known"].all()


@pytest.mark.slow
def test_a_source_of_logs_gives_the_same_dataset(dataset: Path, out: Path, tmp_path: Path) -> None:
    export(dataset, "breakout-full", format="minari", out=out, checkpoints=[2, 3])
    export(THREE_LAPS / "dqn", "breakout-full", format="minari", out=tmp_path / "other", checkpoints=[2, 3])
    ours, theirs = contents(out), contents(tmp_path / "other")
    assert ours.keys() == theirs.keys()
    assert {path for path in ours if ours[path] != theirs[path]} <= {
        path for path in ours if path.endswith("export.json")
    }


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_to_the_same_bytes(dataset: Path, tmp_path: Path) -> None:
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "out"
    arguments = ["export", dataset, "breakout-full", "--checkpoints", "2,3", "--format", "minari", "--out"]
    began = time.monotonic()
    assert run(*arguments, undisturbed).returncode == 0
    seconds = time.monotonic() - began
    moments = random.Random(0)
    for _ in range(3):
        killed_after(moments.uniform(0, 1) * seconds, lambda: run(*arguments, out))
    assert run(*arguments, out).returncode == 0
    assert contents(out) == contents(undisturbed)


def test_an_episode_of_which_nothing_can_be_kept_is_left_out(out: Path, tmp_path: Path) -> None:
    """One step long and cut by the log's end: without its last step, nothing is left."""
    write_log(tmp_path / "dqn", [30, 1], capacity=60, in_mid_episode=True)
    built = build_from(tmp_path / "dqn", tmp_path / "dataset")
    report = export(built, "pong-full", format="minari", out=out)
    assert minari.load_dataset("atari-dqn-replay/pong/full-run1-v0").total_episodes == 1
    assert "1 of 2 episodes are exported" in str(report)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"dataset_id": "best of all"}, "Malformed dataset ID"),
        ({"dataset_id": "{seed}-v0"}, "an example is"),
        ({"top": 2.0}, "expected a share"),
        ({"min_return": 1e6}, "no episode is left"),
    ],
)
def test_a_wrong_option_is_one_clear_error(
    dataset: Path, out: Path, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(AtariReplayError, match=says):
        export(dataset, "breakout-full", format="minari", out=out, **options)
    assert not list(out.rglob("*.parquet"))
