"""What papers on this dataset select and feed to their models, as options of the readers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from atari_dqn_replay.replay_reader.catalog import EPISODE_FIELDS
from command import run
from hypothesis import given
from hypothesis import strategies as st
from paths import THREE_LAPS

from atari_dqn_replay import AtariReplayError, EpisodeFilter, Episodes, Preprocessing, Sequences, Transitions

CONFIG = ("breakout-full", "run_1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built") / "dataset"
    done = run("build", "breakout", "--source", THREE_LAPS / "dqn", "--out", out)
    assert done.returncode == 0, done.stderr
    return out


def some_episodes(lengths: list[int], in_checkpoint: int) -> np.ndarray:
    episodes = np.zeros(len(lengths), EPISODE_FIELDS)
    episodes["length"] = lengths
    episodes["checkpoint"] = np.arange(len(lengths)) // in_checkpoint
    return episodes


LENGTHS = st.lists(st.integers(1, 500), min_size=1, max_size=60)
SHARES = st.floats(0.01, 1)


@given(lengths=LENGTHS, share=SHARES)
def test_the_first_share_of_a_run_is_its_beginning_and_no_longer_than_it_must(
    lengths: list[int], share: float
) -> None:
    chosen = EpisodeFilter(first=share).choose(some_episodes(lengths, 10))
    assert (chosen == np.arange(len(chosen))).all()
    assert sum(lengths[: len(chosen)]) >= share * sum(lengths) - 1e-6
    assert sum(lengths[: len(chosen) - 1]) < share * sum(lengths)


@given(lengths=LENGTHS, share=SHARES, seed=st.integers(0, 3))
def test_a_share_by_chance_is_the_same_for_everybody_and_even_over_checkpoints(
    lengths: list[int], share: float, seed: int
) -> None:
    episodes = some_episodes(lengths, 10)
    chosen = EpisodeFilter(share=share, seed=seed).choose(episodes)
    assert (np.diff(chosen) > 0).all()
    for checkpoint in np.unique(episodes["checkpoint"]):
        own = episodes["checkpoint"] == checkpoint
        taken = np.zeros(len(episodes), bool)
        taken[chosen] = True
        got, wanted = episodes["length"][own & taken].sum(), share * episodes["length"][own].sum()
        assert wanted - 1e-6 <= got < wanted + episodes["length"][own].max()
        # What else is selected changes nothing.
        alone = EpisodeFilter(share=share, seed=seed, checkpoints=[int(checkpoint)]).choose(episodes)
        assert (alone == np.flatnonzero(own & taken)).all()


def test_a_known_choice_stays_what_it_is() -> None:
    # Who published results with a seed must find the same episodes again.
    episodes = some_episodes([100] * 20, 10)
    assert EpisodeFilter(share=0.3, seed=7).choose(episodes).tolist() == [0, 7, 8, 10, 18, 19]


@pytest.mark.slow
def test_return_tokens_and_reward_classes(folder: Path) -> None:
    options = Preprocessing(return_range=(-20, 2), reward_class=True)
    windows = Sequences(folder, *CONFIG, length=40, batch_size=64, preprocessing=options)
    classes: set[int] = set()
    for batch in windows:
        token, mask = batch["return_token"], batch["mask"]
        assert token.dtype == batch["reward_class"].dtype == np.int64
        assert (token[mask] == np.clip(batch["return_to_go"], -20, 2)[mask] + 20).all()
        assert not token[~mask].any()
        assert not batch["reward_class"][~mask].any()
        expected = np.where(batch["terminated"], 2, np.where(batch["reward"] > 0, 1, 0))
        assert (batch["reward_class"] == expected).all()  # Breakout has no negative rewards
        classes.update(np.unique(batch["reward_class"]).tolist())
    assert classes == {0, 1, 2}
    whole = next(iter(Episodes(folder, *CONFIG, preprocessing=options)))
    assert whole["return_token"].shape == (whole["length"],)


def test_negative_rewards_have_a_class_of_their_own() -> None:
    batch = {"reward": np.array([-1, 0, 1, 1], np.float32), "terminated": np.array([0, 0, 0, 1], bool)}
    found = Preprocessing(reward_class=True)({**batch, "action": np.zeros(4, np.int64)})
    assert found["reward_class"].tolist() == [3, 0, 1, 2]


def test_a_selection_is_what_is_read(folder: Path) -> None:
    share = EpisodeFilter(share=0.5, seed=1)
    episodes = [(item["checkpoint"], item["episode"]) for item in Episodes(folder, *CONFIG, episodes=share)]
    steps = Transitions(folder, *CONFIG, episodes=share).samples
    every = Transitions(folder, *CONFIG).samples
    assert 0.5 <= steps / every < 0.6
    assert {checkpoint for checkpoint, _ in episodes} == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"episodes": EpisodeFilter(first=0)}, "first=0: expected a share"),
        ({"episodes": EpisodeFilter(share=1.5)}, "share=1.5: expected a share"),
        ({"preprocessing": Preprocessing(return_range=(3, 1))}, "lower bound first"),
        ({"preprocessing": Preprocessing(return_range=(0, 1))}, "no return_to_go"),
    ],
)
def test_what_is_impossible_is_said(folder: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(AtariReplayError, match=message):
        next(iter(Transitions(folder, *CONFIG, **options)))
