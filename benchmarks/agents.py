"""Shows what agents learn offline from played logs, beside the data's mean return and a random player's.

For each game, `collect --policy player` plays logs whose play improves from random to the player's, `build`
makes a dataset of them, and each agent is trained on all of it, without playing, and evaluated over full
episodes. Behaviour cloning learns from the best episodes alone. Agents differ from their defaults in what a
short training needs: see CHANGES, VALUE_CHANGES and MANY_OUTPUTS. Returns are compared as the logs have them,
with rewards clipped to [-1, 1]. What was finished is kept in --work, and a rerun goes on.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from atari_dqn_replay.agents.evaluation import EvaluationProtocol, evaluate
from atari_dqn_replay.agents.hyperparameters import HYPERPARAMETERS, hyperparameters_of
from atari_dqn_replay.agents.offline_training import train
from atari_dqn_replay.agents.run_evaluation import EVALUATION, EvaluationSettings, evaluate_run
from atari_dqn_replay.agents.scores import mean, score
from atari_dqn_replay.agents.training_plan import plan_training
from atari_dqn_replay.agents.training_settings import TrainingSettings
from atari_dqn_replay.builder.collecting.collect import collect
from atari_dqn_replay.builder.files import replacing
from atari_dqn_replay.builder.format.games import Game, find_game
from atari_dqn_replay.commands.main import main as run_command
from atari_dqn_replay.replay_reader.episode_filter import EpisodeFilter
from common import argument_parser, print_table

HEADINGS = ["game", "who", "mean return", "95 % interval", "not clipped", "processor minutes"]

CHANGES: dict[str, Any] = {
    "network": "tiny",
    "learning_rate": 5e-4,
    "optimizer_epsilon": 1e-5,
    "target_update_period": 250,
}
"""The hyperparameters of all agents that differ from their defaults."""

VALUE_CHANGES: dict[str, Any] = {"n_step": 10, "cql": 0.1}
"""More of those that learn values."""

MANY_OUTPUTS: dict[str, Any] = {"outputs_per_action": 50}
"""Fewer heads and quantiles than the papers' 200."""

TOP = 0.2
"""The share of the best episodes that behaviour cloning learns from."""

ENVIRONMENTS = 20
"""Games that an evaluation plays at once."""

TIME_LIMIT = 3_000
"""Steps after which an evaluation's episodes are cut off: an agent that hides could play on for very long."""


def main() -> None:
    """Train and evaluate each agent on each game, and print the table."""
    parser = argument_parser(__doc__)
    parser.add_argument(
        "--games", nargs="+", default=["freeway", "demon-attack"], help="default: %(default)s"
    )
    parser.add_argument(
        "--agents",
        nargs="+",
        default=["dqn-adam", "rem", "behaviour-cloning"],
        choices=HYPERPARAMETERS,
        help="default: %(default)s",
    )
    parser.add_argument("--updates", type=int, default=2_000, help="of each agent (default: %(default)s)")
    parser.add_argument("--episodes", type=int, default=20, help="of an evaluation (default: %(default)s)")
    parser.add_argument("--checkpoints", type=int, default=10, help="of the logs (default: %(default)s)")
    parser.add_argument("--checkpoint-size", type=int, default=5_000, help="in rows (default: %(default)s)")
    parser.add_argument("--work", type=Path, required=True, help="folder of logs, datasets and runs")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = [row for name in options.games for row in rows_of(find_game(name), options)]
    print_table(HEADINGS, rows)


def rows_of(game: Game, options: argparse.Namespace) -> list[list[str]]:
    """Returns the table's rows of one game: the random player, the data, and each agent."""
    dataset = played_dataset(game, options)
    plan = plan_training(settings_of(game, "dqn-adam", dataset, options))
    rows = [
        kept(
            options.work / "runs" / f"{game.slug}-random.json",
            lambda: row_of(game, "random player", random_returns(game, options.episodes)),
        ),
        [str(game), f"data, {plan.transitions:,} steps", f"{plan.data[0].mean_return:.1f}", *["-"] * 3],
    ]
    return rows + [agent_row(settings_of(game, agent, dataset, options), options) for agent in options.agents]


def row_of(game: Game, who: str, returns: dict[str, list[float]], minutes: str = "-") -> list[str]:
    """Returns a row of the table of these returns, clipped and not."""
    clipped = score(np.array(returns["clipped_returns"]), mean)
    whole = f"{np.mean(returns['returns']):.1f}"
    return [
        str(game),
        who,
        f"{clipped.value:.1f}",
        f"{clipped.low:.1f} to {clipped.high:.1f}",
        whole,
        minutes,
    ]


def played_dataset(game: Game, options: argparse.Namespace) -> Path:
    """Returns a dataset of played logs, made if it is not there yet."""
    logs, dataset = options.work / "logs", options.work / "dataset"
    size, checkpoints = options.checkpoint_size, options.checkpoints
    collect(game, logs, policy="player", checkpoints=checkpoints, checkpoint_size=size)
    if run_command(["build", game.slug, "--source", str(logs), "--out", str(dataset)]):
        raise SystemExit(1)
    return dataset


def settings_of(game: Game, agent: str, dataset: Path, options: argparse.Namespace) -> TrainingSettings:
    """Returns the training of one agent, in one iteration."""
    clones = agent == "behaviour-cloning"
    default = HYPERPARAMETERS[agent].outputs_per_action
    changes = {**CHANGES, **({} if clones else VALUE_CHANGES), **(MANY_OUTPUTS if default == 200 else {})}
    return TrainingSettings(
        agent,
        hyperparameters_of(agent, **changes),
        str(dataset),
        f"{game.slug}-full",
        "run_1",
        options.work / "runs" / f"{game.slug}-{agent}-{options.updates}",
        iterations=1,
        updates_per_iteration=options.updates,
        evaluation_steps=1,
        time_limit=TIME_LIMIT,
        episodes=EpisodeFilter(top=TOP) if clones else None,
        environments=1,
        device="cpu",
        cache_dir=options.work / "cache",
    )


def agent_row(settings: TrainingSettings, options: argparse.Namespace) -> list[str]:
    """Train an agent and evaluate it, unless that was done; return its row."""

    def make() -> list[str]:
        began = time.process_time()
        train(settings)
        protocol = EvaluationProtocol(time_limit=TIME_LIMIT, environments=ENVIRONMENTS)
        evaluate_run(EvaluationSettings(settings.out, options.episodes, protocol=protocol, device="cpu"))
        minutes = f"{(time.process_time() - began) / 60:.1f}"
        evaluation = json.loads((settings.out / EVALUATION).read_text(encoding="utf-8"))
        return row_of(settings.games[0], settings.agent, evaluation, minutes)

    return kept(settings.out / "row.json", make)


def kept(path: Path, make: Callable[[], list[str]]) -> list[str]:
    """Returns a row that was made before, or makes it, and prints it."""
    if not path.exists():
        row = make()
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(row), encoding="utf-8")
    row = json.loads(path.read_text(encoding="utf-8"))
    print(*row, sep="\t", flush=True)
    return row


def random_returns(game: Game, episodes: int) -> dict[str, list[float]]:
    """Returns the returns of a player who acts at random."""
    protocol = EvaluationProtocol(epsilon=1.0, time_limit=TIME_LIMIT, environments=ENVIRONMENTS)
    played = evaluate(
        lambda observation: np.zeros(len(observation), np.int64),
        game,
        seed=[0],
        protocol=protocol,
        episodes=episodes,
    )
    return {
        "returns": [episode.total_return for episode in played],
        "clipped_returns": [episode.clipped_return for episode in played],
    }


if __name__ == "__main__":
    main()
