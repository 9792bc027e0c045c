"""Playing while learning: the log is the original's, and a stop loses nothing of it."""

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from atari_dqn_replay.agents import online_training
from atari_dqn_replay.agents.evaluation import EvaluationProtocol
from atari_dqn_replay.agents.hyperparameters import hyperparameters_of
from atari_dqn_replay.agents.online_training import AGENT_FOLDER, Playing, play
from atari_dqn_replay.agents.play_plan import plan_play
from atari_dqn_replay.agents.play_settings import PlaySettings, Schedule
from atari_dqn_replay.agents.replay_memory import ReplayMemory
from atari_dqn_replay.agents.run_evaluation import EvaluationSettings, evaluate_run
from atari_dqn_replay.agents.run_folder import RunFolder
from atari_dqn_replay.agents.run_log import read_log
from atari_dqn_replay.builder.collecting.dump_writer import DumpWriter
from atari_dqn_replay.builder.collecting.environment import AtariEnvironment
from atari_dqn_replay.builder.collecting.ring_buffer import RingBuffer
from atari_dqn_replay.builder.collecting.stream import console_seed
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.format.provenance import Provenance
from atari_dqn_replay.builder.sources.open import open_source
from command import run
from learning_runs import assert_same_run, stopping_after

from atari_dqn_replay import AtariReplayError

PONG = find_game("pong")
STEPS, LIMIT = 430, 50


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> PlaySettings:
    """A run of 430 steps in episodes of 50, played to its end without a stop."""
    settings = PlaySettings(
        "rem",
        hyperparameters_of("rem", network="tiny", outputs_per_action=4, batch_size=4),
        PONG,
        tmp_path_factory.mktemp("played"),
        Schedule(
            STEPS, checkpoint_size=120, min_replay_history=100, update_period=8, epsilon_decay_steps=100
        ),
        time_limit=LIMIT,
        device="cpu",
    )
    play(settings)
    return settings


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_log_holds_every_step_once_as_whole_episodes(whole: PlaySettings) -> None:
    reader = open_source(str(whole.out)).open_run(PONG, 1).reader()
    lengths = [len(e) for number in range(4) for e in reader.checkpoint(number).episodes()]
    reader.close()
    assert lengths == [LIMIT] * 8 + [STEPS - 8 * LIMIT]


def test_each_episode_that_ended_has_its_final_observation(whole: PlaySettings) -> None:
    """It is what the same actions give in a game that is not stopped by the time limit."""
    reader = open_source(str(whole.out)).open_run(PONG, 1).reader()
    environment = AtariEnvironment(PONG, seed=console_seed(whole.seed, whole.run))
    finals = 0
    for episode in (each for number in range(4) for each in reader.checkpoint(number).episodes()):
        frame = environment.reset()
        for action, logged in zip(episode.action, np.concatenate(list(episode.frames)), strict=True):
            np.testing.assert_array_equal(logged, frame)
            frame, *_ = environment.step(int(action))
        if episode.truncated:
            np.testing.assert_array_equal(episode.final_observation, frame)
            finals += 1
        else:
            assert episode.final_observation is None
    reader.close()
    assert finals == 8


def test_the_provenance_says_who_played_and_how(whole: PlaySettings) -> None:
    path = whole.logs / "provenance.json"
    provenance = Provenance.from_json(path.read_bytes(), str(path))
    assert provenance.origin == "collected"
    assert provenance.time_limit == LIMIT
    assert provenance.details["policy"] == "rem, learning while it plays"
    assert provenance.details["hyperparameters"]["outputs_per_action"] == 4
    assert len(provenance.details["rom_md5"]) == 32


def test_the_agent_learns_as_often_as_the_schedule_says(whole: PlaySettings) -> None:
    last = read_log(whole.folder / "agent" / "log.jsonl")[-1]
    assert last["update"] == STEPS // 8 - 100 // 8
    assert last["random_share"] == 0.01


def test_each_step_has_one_record_at_most(
    whole: PlaySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ring is dumped in steps of which each has a record anyway."""
    monkeypatch.setattr(online_training, "LOG_EVERY", 1)
    settings = replace(whole, out=tmp_path, schedule=replace(whole.schedule, steps=150))
    assert play(settings).checkpoints == 2
    steps = [record["step"] for record in read_log(settings.folder / "agent" / "log.jsonl")]
    assert steps == list(range(1, 150 + 1))


@pytest.mark.slow
@pytest.mark.parametrize("steps", [70, 333])
def test_a_stopped_run_goes_on_to_the_same_log_byte_for_byte(
    steps: int, whole: PlaySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(whole, out=tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Playing, "step", stopping_after(Playing.step, steps))
        with pytest.raises(KeyboardInterrupt):
            play(settings)
    (settings.logs / "add_count_ckpt.7.gz.incomplete").touch()  # what a kill may leave
    play(settings)
    assert contents(settings.logs) == contents(whole.logs)
    assert_same_run(settings.folder / AGENT_FOLDER, whole.folder / AGENT_FOLDER)
    assert play(settings).episodes == 8  # it is there already
    assert contents(settings.logs) == contents(whole.logs)


def test_the_agent_can_be_evaluated(whole: PlaySettings) -> None:
    evaluation = evaluate_run(
        EvaluationSettings(
            whole.folder / "agent", episodes=1, protocol=EvaluationProtocol(time_limit=20), device="cpu"
        )
    )
    assert evaluation.episodes[0].length == 20
    assert "Trained online, while it played" in (whole.folder / "agent" / "README.md").read_text()


@pytest.mark.slow
def test_a_full_disk_is_one_error_and_a_rerun_goes_on(
    whole: PlaySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full when the second dump's last file is written."""
    write, calls = DumpWriter._packed, iter(range(7 + 6))

    def full(*arguments: Any) -> Any:
        if next(calls, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(*arguments)

    settings = replace(whole, out=tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(DumpWriter, "_packed", full)
        with pytest.raises(AtariReplayError, match=r"Pong/1: cannot be written \(No space left on device\)"):
            play(settings)
    play(settings)
    assert contents(settings.logs) == contents(whole.logs)


def test_another_run_or_log_is_not_written_over(whole: PlaySettings, tmp_path: Path) -> None:
    with pytest.raises(AtariReplayError, match=r"holds a run with other settings \(seed\)"):
        play(replace(whole, seed=5))
    other = replace(whole, out=tmp_path)
    other.logs.mkdir(parents=True)
    with pytest.raises(AtariReplayError, match="holds a log that this run did not write"):
        play(other)


@pytest.mark.parametrize(
    ("console", "found"),
    [
        ({"console": torch.zeros(9, dtype=torch.uint8)}, ""),  # which the emulator refuses
        ({"console": None}, "'NoneType' object has no attribute 'numpy'"),
    ],
)
def test_a_state_that_the_game_cannot_go_on_from_is_one_error(
    console: dict[str, Any], found: str, whole: PlaySettings, tmp_path: Path
) -> None:
    settings = replace(whole, out=tmp_path)
    shutil.copytree(whole.folder, settings.folder)
    folder = RunFolder(settings.folder / "agent")
    state = folder.load()
    assert state is not None
    state["games"]["console"] |= console
    folder.save(state)
    with pytest.raises(AtariReplayError, match=rf"checkpoint\.pt: .*{found}.*; remove it to play from"):
        play(settings)


def test_what_cannot_be_played_is_refused(whole: PlaySettings, tmp_path: Path) -> None:
    with pytest.raises(AtariReplayError, match="behaviour-cloning with n_step 1 cannot learn online"):
        play(replace(whole, agent="behaviour-cloning", out=tmp_path))
    with pytest.raises(AtariReplayError, match="checkpoint_size is 3: expected 10 or more"):
        play(replace(whole, schedule=Schedule(checkpoint_size=3), out=tmp_path))
    with pytest.raises(AtariReplayError, match="run 100 is too large: expected 99 or less"):
        play(replace(whole, run=100, out=tmp_path))
    assert not any(tmp_path.iterdir())


def test_frames_that_the_networks_are_not_made_for_are_refused(tmp_path: Path) -> None:
    options = "--out", tmp_path / "logs", "--network", "tiny", "--dry-run"
    done = run("play", "dqn", "pong", "--observation", "rgb64", *options)
    assert done.returncode == 2
    assert "agents learn from grey84 only; `collect GAME --observation rgb64` plays" in done.stderr
    assert run("play", "dqn", "pong", "--observation", "grey84", *options).returncode == 0


def test_a_dry_run_says_what_would_be_played(whole: PlaySettings) -> None:
    assert "430 steps, about 41 updates" in str(plan_play(whole))
    with pytest.raises(AtariReplayError, match="steps is 0"):
        plan_play(replace(whole, schedule=Schedule(steps=0)))


# --- What is drawn ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("lengths", [[9] * 12, [1, 2, 3, 4, 30, 1, 1, 17, 40, 5]])
def test_only_transitions_of_play_are_drawn_and_nearly_all_of_them(
    lengths: list[int], tmp_path: Path
) -> None:
    """Each frame is its own number, so that what is drawn says where it comes from."""
    ring = RingBuffer(tmp_path, 40, observation_shape=(1, 1))
    memory, random = ReplayMemory(ring, 0.5), np.random.default_rng(0)
    number, begins = 0, {}
    for length in lengths:
        first = number + 1
        for step in range(length):
            number += 1
            begins[number] = first
            ring.add(np.full((1, 1), number, np.uint8), number % 5, float(number % 3 - 1), step == length - 1)
        if ring.add_count < 12:
            continue
        batch = memory.sample(400, random)
        shown = batch["observation"][:, :, 0, 0].astype(int)
        for stack, after, action, reward, terminated, discount in zip(
            shown,
            batch["next_observation"][:, :, 0, 0].astype(int),
            batch["action"],
            batch["reward"],
            batch["terminated"],
            batch["discount"],
            strict=True,
        ):
            at = stack[-1]
            frames = [frame if frame >= begins[at] else 0 for frame in range(at - 3, at + 2)]
            assert stack.tolist() == frames[:4]
            assert (action, reward) == (at % 5, at % 3 - 1)
            assert terminated == (at == number or begins[at + 1] != begins[at])
            assert discount == (0 if terminated else 0.5)
            if not terminated:
                assert after.tolist() == frames[1:]
        held = {int(frame) for frame in ring.observation.ravel()} - {0}
        assert len(held - set(shown[:, -1])) <= 4  # the newest, and those whose stack is being written over


def test_the_share_of_random_actions_falls_evenly() -> None:
    schedule = Schedule(min_replay_history=100, epsilon_decay_steps=200, epsilon=0.1)
    shares = [schedule.random_share(step) for step in (0, 100, 200, 300, 999)]
    assert shares == pytest.approx([1, 1, 0.55, 0.1, 0.1])
