"""Any agent's play in Gymnasium is logged, and comes back as it was seen."""

import errno
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from atari_dqn_replay.agents.errors import AgentError
from atari_dqn_replay.agents.replay_logger import ReplayLogger
from atari_dqn_replay.builder.collecting.dump_writer import DumpWriter
from atari_dqn_replay.builder.errors import OutputError
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.format.provenance import Provenance
from atari_dqn_replay.builder.sources.open import open_source

gymnasium = pytest.importorskip("gymnasium", reason="ReplayLogger is a wrapper of gymnasium's")


def game(**options: Any) -> Any:
    import ale_py

    gymnasium.register_envs(ale_py)
    env = gymnasium.make("ALE/Breakout-v5", frameskip=1, max_num_frames_per_episode=0, **options)
    return gymnasium.wrappers.AtariPreprocessing(env, noop_max=0, terminal_on_life_loss=False)


def test_what_was_seen_and_done_comes_back_as_whole_episodes(tmp_path: Path) -> None:
    env = ReplayLogger(game(), tmp_path, agent="by chance", checkpoint_size=150, time_limit=80)
    random = np.random.default_rng(0)
    played: list[list[tuple[np.ndarray, int, float]]] = [[]]
    observation, _ = env.reset(seed=0)
    for _ in range(400):
        action = int(random.integers(4))
        after, reward, terminated, truncated, _ = env.step(action)
        played[-1].append((observation, action, float(reward)))
        observation = after
        if terminated or truncated:
            observation, _ = env.reset()
            played.append([])
    env.close()
    env.close()  # once more changes nothing

    reader = open_source(str(tmp_path)).open_run(find_game("breakout"), 1).reader()
    episodes = (episode for number in range(3) for episode in reader.checkpoint(number).episodes())
    for episode, each in zip(episodes, filter(None, played), strict=True):
        frames, actions, rewards = zip(*each, strict=True)
        np.testing.assert_array_equal(np.concatenate(list(episode.frames)), np.stack(frames))
        np.testing.assert_array_equal(episode.action, actions)
        np.testing.assert_array_equal(episode.reward, np.clip(rewards, -1, 1))
        assert episode.truncated == (len(each) == 80)
    reader.close()


def test_all_is_closed_although_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    frames, closed = game(), []
    monkeypatch.setattr(frames, "close", lambda: closed.append(1))
    monkeypatch.setattr(DumpWriter, "_packed", full)
    before = set(threading.enumerate())
    env = ReplayLogger(frames, tmp_path, agent="mine", checkpoint_size=100)
    env.reset()
    env.step(0)
    with pytest.raises(OSError, match="No space left"):
        env.close()
    assert closed and not [t for t in threading.enumerate() if t not in before and t.name.startswith("dump")]


def test_the_provenance_says_who_played(tmp_path: Path) -> None:
    env = ReplayLogger(game(), tmp_path, agent="by chance", checkpoint_size=150, time_limit=80)
    env.close()
    path = env.folder / "provenance.json"
    provenance = Provenance.from_json(path.read_bytes(), str(path))
    assert (provenance.origin, provenance.details["policy"]) == ("collected", "by chance")
    assert provenance.time_limit == 80
    assert provenance.details["protocol"]["repeat_action_probability"] == 0.25


def test_what_a_log_cannot_say_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match=r"expected uint8 of shape \(84, 84\): put ReplayLogger between"):
        ReplayLogger(gymnasium.wrappers.FrameStackObservation(game(), 4), tmp_path, agent="mine")
    with pytest.raises(AgentError, match="expected the minimal set of Breakout: NOOP, FIRE, RIGHT, LEFT"):
        ReplayLogger(game(full_action_space=True), tmp_path, agent="mine")
    env = ReplayLogger(game(), tmp_path, agent="mine", checkpoint_size=100)
    env.reset()
    env.step(0)
    with pytest.raises(AgentError, match="reset after 1 steps of an episode that has not ended"):
        env.reset()
    with pytest.raises(OutputError, match="is there already: choose another out or run"):
        ReplayLogger(game(), tmp_path, agent="mine")


def test_a_truncation_at_another_time_than_the_logs_is_refused(tmp_path: Path) -> None:
    env = ReplayLogger(gymnasium.wrappers.TimeLimit(game(), 5), tmp_path, agent="mine", checkpoint_size=100)
    env.reset()
    with pytest.raises(AgentError, match=r"truncated an episode after 5 steps, expected 27,000; give"):
        for _ in range(5):
            env.step(0)
