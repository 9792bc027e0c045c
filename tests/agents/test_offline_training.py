"""Training from fixed replay: it goes on to the same bits, and refuses what it cannot go on with."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from atari_dqn_replay.agents import offline_training
from atari_dqn_replay.agents.evaluation import EvaluationProtocol
from atari_dqn_replay.agents.hyperparameters import hyperparameters_of
from atari_dqn_replay.agents.joined_games import JoinedGames
from atari_dqn_replay.agents.offline_training import train
from atari_dqn_replay.agents.run_evaluation import EvaluationSettings, evaluate_run
from atari_dqn_replay.agents.run_folder import RunFolder
from atari_dqn_replay.agents.training_batches import TrainingBatches
from atari_dqn_replay.agents.training_plan import plan_training
from atari_dqn_replay.agents.training_settings import TrainingSettings
from atari_dqn_replay.builder.collecting.collect import collect
from atari_dqn_replay.builder.format.frame_format import FrameFormat
from atari_dqn_replay.builder.format.games import find_game
from command import run
from datasets_of_logs import build_from
from learning_runs import log_of
from reader_datasets import CONFIG, SHARDS, write_dataset

from atari_dqn_replay import AtariReplayError, Preprocessing, ReplayDataset

TOO_LARGE = hyperparameters_of("rem", network="tiny", outputs_per_action=10**12)
SHORT = EvaluationProtocol(time_limit=30)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> TrainingSettings:
    """A training of seconds, on a dataset of some hundred real frames."""
    folder = tmp_path_factory.mktemp("agents")
    write_dataset(folder / "dataset", SHARDS)
    return TrainingSettings(
        "rem",
        hyperparameters_of("rem", network="tiny", outputs_per_action=4, target_update_period=7),
        str(folder / "dataset"),
        *CONFIG,
        folder / "run",
        iterations=2,
        updates_per_iteration=14,
        evaluation_steps=50,
        time_limit=30,
        environments=2,
        device="cpu",
        cache_dir=folder / "cache",
    )


@pytest.fixture(scope="module")
def whole(settings: TrainingSettings) -> TrainingSettings:
    """The settings of a run that came to its end without a stop."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(offline_training, "LOG_EVERY", 4)
        train(settings)
    return settings


@pytest.mark.slow
def test_each_iteration_is_updates_and_an_evaluation_of_full_episodes(whole: TrainingSettings) -> None:
    records = log_of(whole.out)
    assert [(record["kind"], record["update"]) for record in records] == [
        *[("training", update) for update in (4, 8, 12, 14)],
        ("evaluation", 14),
        *[("training", update) for update in (18, 22, 26, 28)],
        ("evaluation", 28),
    ]
    assert records[4]["lengths"] == [30, 30]
    assert records[4]["mean_return"] == np.mean(records[4]["returns"])


def test_a_finished_run_goes_on_with_more_iterations(
    whole: TrainingSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(whole.out, tmp_path / "run")
    settings = replace(whole, out=tmp_path / "run", iterations=3)
    monkeypatch.setattr(offline_training, "LOG_EVERY", 4)
    assert [record["update"] for record in train(settings).evaluations] == [14, 28, 42]


def test_tensorboard_shows_batch_rls_scalars(whole: TrainingSettings) -> None:
    from tensorboardX.proto import event_pb2

    (path,) = (whole.out / "tensorboard").iterdir()
    content, scalars = path.read_bytes(), {}
    while content:  # a record: its length, a checksum, the event, a checksum
        size = int.from_bytes(content[:8], "little")
        event: Any = event_pb2.Event.FromString(content[12 : 12 + size])  # pyright: ignore[reportAttributeAccessIssue]
        scalars.update({(value.tag, event.step): value.simple_value for value in event.summary.value})
        content = content[16 + size :]
    evaluation = log_of(whole.out)[-1]
    assert scalars["Eval/AverageReturns", 28] == pytest.approx(evaluation["mean_return"])
    assert scalars["Eval/NumEpisodes", 28] == len(evaluation["returns"])
    assert ("training/data_wait_share", 28) in scalars


def test_an_updates_batch_depends_on_its_number_alone(settings: TrainingSettings) -> None:
    data = ReplayDataset(settings.dataset, settings.config, settings.split, cache_dir=settings.cache_dir)
    cpu = torch.device("cpu")
    begun, later = (TrainingBatches(data, 4, seed=1, device=cpu, first=first) for first in (0, 5))
    taken = [begun.take() for _ in range(7)]
    for batch in taken[5:]:
        assert all(map(torch.equal, batch[:-1], later.take()[:-1]))
    begun.close()
    later.close()


def test_a_dry_run_says_what_would_be_done_and_does_nothing(
    settings: TrainingSettings, tmp_path: Path
) -> None:
    plan = plan_training(replace(settings, out=tmp_path / "run"))
    assert "28 in all: 1.0 passes over the data" in str(plan)
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def both(settings: TrainingSettings, tmp_path_factory: pytest.TempPathFactory) -> TrainingSettings:
    """A training on two games at once."""
    folder = tmp_path_factory.mktemp("both")
    games = [find_game("breakout"), find_game("freeway")]
    write_dataset(folder / "dataset", SHARDS[:2], games=games)
    return replace(
        settings, dataset=str(folder / "dataset"), config="breakout-full+freeway-full", out=folder / "run"
    )


@pytest.mark.slow
def test_an_agent_learns_several_games_and_is_evaluated_in_each(both: TrainingSettings) -> None:
    evaluations = train(both).evaluations
    assert [(record["game"], record["update"]) for record in evaluations] == [
        (game, update) for update in (14, 28) for game in ("Breakout", "Freeway")
    ]
    record = RunFolder(both.out).read()
    assert (record.game, len(record.actions)) == ("Breakout+Freeway", 18)
    played = evaluate_run(EvaluationSettings(both.out, 1, protocol=SHORT, device="cpu", game="freeway"))
    assert played.game.name == "Freeway"
    assert "episodes of Freeway" in (both.out / "README.md").read_text()
    with pytest.raises(AtariReplayError, match="no game is named: expected one of breakout, freeway"):
        evaluate_run(EvaluationSettings(both.out, 1, device="cpu"))
    with pytest.raises(AtariReplayError, match="did not learn Pong: expected one of breakout, freeway"):
        evaluate_run(EvaluationSettings(both.out, 1, device="cpu", game="pong"))


def test_actions_of_several_games_are_numbered_among_all(both: TrainingSettings) -> None:
    full = Preprocessing(full_action_space=True)
    games = [
        ReplayDataset(both.dataset, config, both.split, preprocessing=full, cache_dir=both.cache_dir)
        for config in both.configs
    ]
    joined = JoinedGames(games)
    indices = np.array([len(joined) - 1, 0, len(games[0]), 7, len(games[0]) - 1])
    batch, singly = joined.gather(indices), [joined.gather(indices[at : at + 1]) for at in range(5)]
    for name, column in batch.items():
        np.testing.assert_array_equal(column, np.concatenate([one[name] for one in singly]))
    np.testing.assert_array_equal(batch["observation"][2:3], games[1].gather([0])["observation"])
    np.testing.assert_array_equal(batch["observation"][4:], games[0].gather([-1])["observation"])
    drawn = joined.gather(np.arange(len(games[0]), len(joined)))["action"]
    freeway = find_game("freeway").actions
    assert {joined.action_names[action] for action in drawn.tolist()} <= set(freeway)


@pytest.mark.parametrize("with_probs", ["breakout", "freeway"])
def test_a_column_that_not_all_games_have_is_left_out(with_probs: str, tmp_path: Path) -> None:
    games = [find_game("breakout"), find_game("freeway")]
    dataset = write_dataset(tmp_path / "dataset", SHARDS[:1], games=games)
    for path in (dataset / "data" / with_probs).rglob("*.parquet"):
        table = pq.read_table(path)
        probs = pa.array(np.ones(len(table), np.float32))
        pq.write_table(table.append_column("prob", probs), path, row_group_size=50)
    opened = [ReplayDataset(str(dataset), f"{game.slug}-full", "run_1", cache_dir=tmp_path) for game in games]
    assert sum("prob" in game.gather([0]) for game in opened) == 1
    joined = JoinedGames(opened)
    for indices in ([0], [len(joined) - 1], [0, len(joined) - 1]):
        assert "prob" not in joined.gather(np.array(indices))


@pytest.mark.parametrize(
    ("agent", "config", "message"),
    [
        ("rem", "pong-full+pong-expert", "a game comes twice"),
        ("off-policy-dqn", "pong-full+freeway-full", "learns from one game at a time"),
        ("sarsa", "pong-full", "unknown agent 'sarsa'"),
    ],
)
def test_games_that_do_not_go_together_are_refused(
    agent: str, config: str, message: str, settings: TrainingSettings
) -> None:
    with pytest.raises(AtariReplayError, match=message):
        train(replace(settings, agent=agent, config=config))


# --- What is refused --------------------------------------------------------------------------------------


def test_a_run_with_other_settings_is_not_gone_on_with(whole: TrainingSettings) -> None:
    other = replace(whole, seed=1, hyperparameters=replace(whole.hyperparameters, learning_rate=0.1))
    with pytest.raises(
        AtariReplayError, match=r"holds a run with other settings \(seed, learning_rate\): choose"
    ):
        train(other)
    with pytest.raises(AtariReplayError, match=r"other settings \(agent, "):
        train(replace(whole, agent="dqn", hyperparameters=hyperparameters_of("dqn", network="tiny")))


@pytest.mark.slow
def test_a_run_without_a_checkpoint_makes_way_for_another(settings: TrainingSettings, tmp_path: Path) -> None:
    too_many = replace(settings.hyperparameters, batch_size=10**12)
    with pytest.raises(AtariReplayError, match="this machine has too little memory"):
        train(replace(settings, out=tmp_path, hyperparameters=too_many))
    assert [record["update"] for record in train(replace(settings, out=tmp_path)).evaluations] == [14, 28]


def test_a_folder_of_something_else_is_not_written_to(settings: TrainingSettings, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    with pytest.raises(AtariReplayError, match="holds something that is not a run"):
        train(replace(settings, out=tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("content", ["nothing", "text", "cut", "flipped", "pickle", "older"])
def test_a_checkpoint_that_cannot_be_read_is_named_and_never_unpickled(
    content: str, whole: TrainingSettings, tmp_path: Path
) -> None:
    shutil.copytree(whole.out, tmp_path / "run")
    path = tmp_path / "run" / "checkpoint.pt"
    if content in ("nothing", "text"):
        path.write_text("" if content == "nothing" else "hello")
    elif content in ("cut", "flipped"):
        there = bytearray(path.read_bytes())
        middle = len(there) // 2
        there[middle] ^= 1
        path.write_bytes(there if content == "flipped" else there[:middle])
    else:
        torch.save(Touching(tmp_path / "touched") if content == "pickle" else {"format": 0}, path)
    with pytest.raises(AtariReplayError, match=r"checkpoint\.pt: not a checkpoint"):
        train(replace(whole, out=tmp_path / "run"))
    assert not (tmp_path / "touched").exists()


def test_a_checkpoint_of_another_form_is_one_error(whole: TrainingSettings, tmp_path: Path) -> None:
    shutil.copytree(whole.out, tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    folder.save({"agent": (folder.load() or {})["agent"], "evaluated": "two"})
    with pytest.raises(AtariReplayError, match=r"checkpoint\.pt: .*'two'; remove it to train from"):
        train(replace(whole, out=tmp_path / "run"))


class Touching:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 7}, "a run of format 7; this version reads format 1"),
        ({"agent": 3}, "not a run's record"),
        ({"hyperparameters": {}}, "not a run's record"),
    ],
)
def test_a_record_of_another_version_is_refused(
    changes: dict[str, Any], message: str, whole: TrainingSettings, tmp_path: Path
) -> None:
    record = json.loads((whole.out / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**record, **changes}))
    with pytest.raises(AtariReplayError, match=message):
        train(replace(whole, out=tmp_path))


def test_an_agent_that_diverges_stops(settings: TrainingSettings, tmp_path: Path) -> None:
    wild = replace(settings.hyperparameters, learning_rate=1e30)
    with pytest.raises(AtariReplayError, match="the agent has diverged; a lower --learning-rate helps"):
        train(replace(settings, out=tmp_path / "run", hyperparameters=wild))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"device": "abacus"}, "device 'abacus' cannot be used"),
        ({"dataset": "/nowhere"}, "/nowhere"),
        ({"split": "run_9"}, "run_9"),
        ({"iterations": 0}, "iterations is 0: expected 1 or more"),
        ({"hyperparameters": TOO_LARGE}, "this machine has too little memory .* needs less"),
    ],
)
def test_what_is_not_there_is_one_error(
    changes: dict[str, Any], message: str, settings: TrainingSettings, tmp_path: Path
) -> None:
    with pytest.raises(AtariReplayError, match=message):
        train(replace(settings, out=tmp_path / "runs" / "run", **changes))
    assert not (tmp_path / "runs").exists()  # nothing is left behind


@pytest.mark.slow
def test_the_command_trains_and_says_how_well(settings: TrainingSettings, tmp_path: Path) -> None:
    done = run(
        *("train", "behaviour-cloning", "--dataset", settings.dataset, "--config", settings.config),
        *("--out", tmp_path / "run", "--cache-dir", tmp_path / "cache", "--network", "tiny", "--top", 0.5),
        *("--iterations", 1, "--updates", 3, "--evaluation-steps", 10, "--max-steps-per-episode", 10),
    )
    assert done.returncode == 0, done.stderr
    assert "iteration 0: mean return 0.0 over 1 episodes" in done.stdout
    assert json.loads((tmp_path / "run" / "run.json").read_text())["episodes"]["top"] == 0.5


@pytest.mark.parametrize("name", ["rgb64", "grey64"])
def test_frames_that_the_networks_are_not_made_for_are_refused(
    name: str, settings: TrainingSettings, tmp_path: Path
) -> None:
    frame_format = FrameFormat.parse(name)
    collect(
        find_game("breakout"),
        tmp_path / "logs",
        checkpoints=1,
        checkpoint_size=60,
        frame_format=frame_format,
    )
    dataset = build_from(tmp_path / "logs", tmp_path / "dataset")
    other = replace(
        settings,
        dataset=str(dataset),
        config="breakout-full",
        split="run_1",
        out=tmp_path / "run",
        cache_dir=tmp_path / "cache",
    )
    for attempt in (plan_training, train):
        with pytest.raises(
            AtariReplayError, match=f"{frame_format.describe()}, expected 84×84 grey"
        ) as error:
            attempt(other)
        assert str(dataset) in str(error.value)
    assert not other.out.exists() and not (tmp_path / "cache").exists()  # no frames were prepared
