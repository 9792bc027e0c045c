"""A run's agent is scored from its checkpoint, and published with a card that says what it scored."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from atari_dqn_replay.agents.agents import new_agent
from atari_dqn_replay.agents.evaluation import EvaluationProtocol
from atari_dqn_replay.agents.hyperparameters import hyperparameters_of
from atari_dqn_replay.agents.push import push_run
from atari_dqn_replay.agents.run_evaluation import EvaluationSettings, evaluate_run
from atari_dqn_replay.agents.run_folder import RunFolder, RunRecord
from atari_dqn_replay.builder.errors import OutputError
from atari_dqn_replay.builder.format.games import find_game
from command import run
from hub_server import HubServer, running_hub
from PIL import Image

from atari_dqn_replay import AtariReplayError

PONG = find_game("pong")
RECORD = RunRecord(
    agent="dqn-adam",
    game=PONG.name,
    actions=list(PONG.actions),
    hyperparameters=hyperparameters_of("dqn-adam", network="tiny"),
    dataset="me/atari-dqn-replay",
    config="pong-full",
    split="run_1",
    transitions=1000,
    updates_per_iteration=10,
    evaluation_steps=10,
    time_limit=27_000,
    seed=0,
)


def write_run(path: Path, record: RunRecord = RECORD) -> Path:
    """Write the folder of a run whose agent has learned nothing yet."""
    folder = RunFolder(path)
    folder.begin(record)
    agent = new_agent(record.agent, len(record.actions), record.hyperparameters)
    folder.save({"agent": agent.state_dict(), "evaluated": 0})
    return path


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EvaluationSettings]:
    """A run that was evaluated in three short episodes."""
    path = write_run(tmp_path_factory.mktemp("run") / "run")
    settings = EvaluationSettings(
        path, 3, 0, EvaluationProtocol(time_limit=70), device="cpu", video=path.with_name("best.gif")
    )
    evaluate_run(settings)
    yield settings


def test_every_return_is_kept_beside_the_scores(evaluated: EvaluationSettings) -> None:
    found = json.loads((evaluated.run / "evaluation.json").read_text())
    assert found["lengths"] == [70, 70, 70]
    assert found["truncated"] == [True, True, True]
    assert found["scores"]["mean"] == np.mean(found["returns"])
    assert found["scores"]["mean_low"] <= found["scores"]["mean"] <= found["scores"]["mean_high"]


def test_the_card_says_what_was_trained_and_scored(evaluated: EvaluationSettings) -> None:
    _, head, body = (evaluated.run / "README.md").read_text().split("---\n", 2)
    metadata = yaml.safe_load(head)
    assert metadata["datasets"] == ["me/atari-dqn-replay"]
    scores = json.loads((evaluated.run / "evaluation.json").read_text())["scores"]
    result = metadata["model-index"][0]["results"][0]
    assert result["metrics"][0]["value"] == pytest.approx(scores["mean"], abs=0.01)
    assert f"| mean return | {scores['mean']:.1f} | {scores['mean_low']:.1f} to" in body
    assert "| learning_rate | 5e-05 |" in body


def test_the_best_episode_is_a_picture_that_moves(evaluated: EvaluationSettings) -> None:
    assert evaluated.video is not None
    with Image.open(evaluated.video) as picture:
        assert picture.size == (84, 84)
        assert 1 < getattr(picture, "n_frames", 1) <= 70  # equal frames are joined


def test_a_run_is_published_as_a_model(evaluated: EvaluationSettings) -> None:
    with running_hub() as hub:
        said = push_run(evaluated.run, "user/pong", dry_run=True, token=hub.token, endpoint=hub.url)
        assert "would publish to" in str(said)
        assert not hub.repos
        push_run(evaluated.run, "user/pong", token=hub.token, endpoint=hub.url)
        files = hub.files("user/pong")
        assert not hub.unknown
    for name in ("README.md", "run.json", "checkpoint.pt", "evaluation.json"):
        assert files[name] == (evaluated.run / name).read_bytes()


def test_the_hubs_refusal_is_one_error(evaluated: EvaluationSettings, hub: HubServer) -> None:
    with pytest.raises(OutputError, match="the Hub does not accept the token"):
        push_run(evaluated.run, "user/pong", token="hf_wrong", endpoint=hub.url)
    with pytest.raises(OutputError, match="is not a repo's full name: expected USER/NAME"):
        push_run(evaluated.run, "pong", token=hub.token, endpoint=hub.url)


def test_the_command_prints_a_table_and_the_scores(evaluated: EvaluationSettings) -> None:
    done = run("evaluate", evaluated.run, "--episodes", 2, "--max-steps-per-episode", 30, "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert "episode  steps  return  ended by" in done.stdout
    assert "human-normalised mean    " in done.stdout


# --- What is refused --------------------------------------------------------------------------------------


def test_a_folder_without_a_run_or_a_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(AtariReplayError, match=r"no run\.json there; expected the folder that `train --out`"):
        evaluate_run(EvaluationSettings(tmp_path))
    RunFolder(tmp_path).begin(RECORD)
    with pytest.raises(AtariReplayError, match="no checkpoint there yet"):
        evaluate_run(EvaluationSettings(tmp_path))


def test_a_checkpoint_of_another_agent_is_refused(tmp_path: Path) -> None:
    other = replace(RECORD.hyperparameters, outputs_per_action=7)
    path = write_run(tmp_path / "run")
    write_run(tmp_path / "other", RunRecord(**{**as_dict(RECORD), "hyperparameters": other}))
    (tmp_path / "other" / "checkpoint.pt").replace(path / "checkpoint.pt")
    with pytest.raises(AtariReplayError, match=r"checkpoint\.pt: this is not the state of such an agent"):
        evaluate_run(EvaluationSettings(path, device="cpu"))


def as_dict(record: RunRecord) -> dict[str, object]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


def test_a_video_of_an_unknown_form_is_refused_before_anything_is_played(
    evaluated: EvaluationSettings,
) -> None:
    with pytest.raises(AtariReplayError, match=r"best\.avi: name a file that ends in \.mp4, \.gif, \.webp"):
        evaluate_run(replace(evaluated, video=Path("best.avi")))
