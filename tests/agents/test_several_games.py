"""Several games at once: whole episodes in the order in which they end, and a stop loses nothing of them."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from atari_dqn_replay.agents.hyperparameters import hyperparameters_of
from atari_dqn_replay.agents.online_training import AGENT_FOLDER, Playing, play
from atari_dqn_replay.agents.play_settings import PlaySettings, Schedule
from atari_dqn_replay.agents.run_folder import RunFolder
from atari_dqn_replay.agents.several_games import SeveralGames
from atari_dqn_replay.builder.collecting.dump_writer import DumpWriter
from atari_dqn_replay.builder.collecting.environment import AtariEnvironment
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.format.protocol import FRAME_SKIP
from atari_dqn_replay.builder.format.provenance import Provenance
from atari_dqn_replay.builder.sources.open import open_source
from forks import killed_in_call
from learning_runs import assert_same_run

from atari_dqn_replay import AtariReplayError

pytestmark = pytest.mark.slow
pytest.importorskip("gymnasium", reason="ALE's vector environment needs it")
GAME, LIMIT, GAMES = find_game("breakout"), 220, 3


def test_each_episode_is_what_its_seed_and_actions_give_in_one_game_alone() -> None:
    """ALE's vector environment shows the frames of ours, bit for bit, sticky actions and all."""
    games, random = SeveralGames(GAME, GAMES, (0, 1), LIMIT), np.random.default_rng(0)
    episodes = 0
    while episodes < 4:
        actions = random.integers(len(GAME.actions), size=GAMES)
        games.send(actions, np.full(GAMES, 0.25))
        ended = games.receive(begin_episodes=True)
        for total, episode in zip(ended, list(games._ended), strict=True):
            alone = AtariEnvironment(GAME, seed=games._seed_of(episode.place, episode.number))
            frame, rewards, over = alone.reset(), [], False
            for index in range(len(episode.actions)):
                step = games.next_logged()
                assert step is not None and not over
                np.testing.assert_array_equal(step.observation, frame)
                frame, reward, over, _ = alone.step(step.action)
                rewards.append(reward)
                assert (step.reward, step.prob) == (reward, 0.25)
                assert step.terminal == (index == len(episode.actions) - 1)
                if step.terminal:
                    np.testing.assert_array_equal(step.final_observation, frame)
            assert over or len(rewards) == LIMIT
            assert total == sum(rewards)
            episodes += 1
        assert games.next_logged() is None


def test_a_game_that_is_over_in_a_steps_last_frame_can_also_show_the_step_before() -> None:
    """The one difference, which provenance.json reports; games of Assault end so."""
    game, random = find_game("assault"), np.random.default_rng(0)
    games = SeveralGames(game, 1, (7, 1), 1_000)
    while games.playing.any():
        games.send(random.integers(len(game.actions), size=1), np.ones(1))
        games.receive(begin_episodes=False)
    alone = AtariEnvironment(game, seed=games._seed_of(0, 0))
    frame, over, began, last = alone.reset(), False, 0, None
    while (step := games.next_logged()) is not None:
        np.testing.assert_array_equal(step.observation, frame)
        began, last = alone._ale.getFrameNumber(), step
        frame, _, over, _ = alone.step(step.action)
    assert over and alone._ale.getFrameNumber() - began == FRAME_SKIP
    assert last is not None and last.final_observation is not None
    assert (last.final_observation != frame).any()
    assert (last.final_observation >= frame).all()  # a maximum of more screens


class Played(NamedTuple):
    """A run that was played to its end without a stop."""

    settings: PlaySettings
    saved: list[Path]
    """Copies of its folder as each save left it."""


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """A run of three games; its ring is shorter than an episode."""
    settings = PlaySettings(
        "dqn-adam",
        hyperparameters_of("dqn-adam", network="tiny", batch_size=4),
        GAME,
        tmp_path_factory.mktemp("played"),
        Schedule(
            660, checkpoint_size=110, min_replay_history=100, update_period=8, epsilon_decay_steps=5_000
        ),
        time_limit=LIMIT,
        device="cpu",
        environments=GAMES,
    )
    saved: list[Path] = []
    save, copies = Playing._save, tmp_path_factory.mktemp("saved")

    def saving(playing: Playing) -> None:
        save(playing)
        playing.ring.flush()
        saved.append(Path(shutil.copytree(settings.folder, copies / str(len(saved)) / "Breakout" / "1")))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Playing, "_save", saving)
        play(settings)
    return Played(settings, saved)


@pytest.fixture(scope="module")
def whole(played: Played) -> PlaySettings:
    return played.settings


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_log_holds_whole_episodes_and_all_that_was_played(whole: PlaySettings) -> None:
    reader = open_source(str(whole.out)).open_run(GAME, 1).reader()
    dumps = len(list(whole.logs.glob("add_count_*")))
    found = [
        (len(episode), episode.complete)
        for number in range(dumps)
        for episode in reader.checkpoint(number).episodes()
    ]
    reader.close()
    assert all(complete for _, complete in found), found
    assert 550 <= sum(length for length, _ in found) < 550 + GAMES * LIMIT
    assert len({length for length, _ in found}) > 1


def test_the_provenance_says_that_several_games_were_played(whole: PlaySettings) -> None:
    path = whole.logs / "provenance.json"
    details = Provenance.from_json(path.read_bytes(), str(path)).details
    assert details["environments"].startswith("3 at once; whole episodes are logged, in the order")
    assert details["environments"].endswith("can contain what the step before showed")


def test_a_run_stopped_at_any_dump_goes_on_to_the_same_log_byte_for_byte(
    played: Played,
) -> None:
    """The run goes on from what each save leaves on the disk, as after a kill at any time before the next."""
    whole, saved = played
    expected = contents(whole.logs)
    assert len(saved) >= 5
    for folder in (saved[1], saved[-2]):
        settings = replace(whole, out=folder.parents[1])
        (settings.logs / "$store$_observation_ckpt.77.gz.incomplete").touch()  # what a kill may leave
        gone_on = play(settings)
        assert contents(settings.logs) == expected
        assert play(settings).episodes == gone_on.episodes  # it is there already


def test_a_run_killed_again_and_again_ends_with_the_same_bits(whole: PlaySettings, tmp_path: Path) -> None:
    """It is killed while it plays, while it writes a dump, and between a dump and the agent's state."""
    settings = replace(whole, out=tmp_path)
    for owner, name, call in [
        (DumpWriter, "_packed", 11),
        (RunFolder, "save", 2),
        (SeveralGames, "receive", 40),
    ]:
        killed_in_call(call, owner, name, lambda: play(settings))
    play(settings)
    assert contents(settings.logs) == contents(whole.logs)
    assert_same_run(settings.folder / AGENT_FOLDER, whole.folder / AGENT_FOLDER)


def test_a_run_of_another_number_of_games_is_not_written_over(whole: PlaySettings, tmp_path: Path) -> None:
    with pytest.raises(AtariReplayError, match=r"other settings \(schedule\)"):
        play(replace(whole, environments=2))
    for number in (0, 100_000):
        with pytest.raises(AtariReplayError, match=f"environments is {number}: expected 1 to 256"):
            play(replace(whole, environments=number, out=tmp_path))
