"""Shows what agents learn offline from played logs, beside the data's mean return and a random player's.

For each game, `collect --policy player` plays logs whose play improves from random to the player's, `build`
makes a dataset of them, and each agent is trained on all of it, without playing, and evaluated over full
episodes. Agents differ from their defaults in what a short training needs: the small network, a learning rate
of 2.5e-4, and a target network that is copied every 500 updates. What was finished is kept in --work, and a
rerun goes on.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from atari_dqn_replay.agents.evaluation import EvaluationProtocol, evaluate
from atari_dqn_replay.agents.hyperparameters import HYPERPARAMETERS, hyperparameters_of
from atari_dqn_replay.agents.offline_training import plan_training, train
from atari_dqn_replay.agents.run_evaluation import EvaluationSettings, evaluate_run
from atari_dqn_replay.agents.run_folder import LOG
from atari_dqn_replay.agents.run_log import read_log
from atari_dqn_replay.agents.training_settings import TrainingSettings
from atari_dqn_replay.builder.collecting.collect import collect
from atari_dqn_replay.builder.format.games import Game, find_game
from atari_dqn_replay.commands.main import main as run_command
from common import argument_parser, print_table

HEADINGS = ["game", "who", "mean return", "95 % interval", "updates", "updates/s", "waiting for data"]


def main() -> None:
    """Train and evaluate each agent on each game, and print the table."""
    parser = argument_parser(__doc__)
    parser.add_argument("--games", nargs="+", default=["freeway", "breakout"], help="default: %(default)s")
    parser.add_argument(
        "--agents",
        nargs="+",
        default=["dqn-adam", "qr-dqn", "rem", "behaviour-cloning"],
        choices=HYPERPARAMETERS,
        help="default: %(default)s",
    )
    parser.add_argument("--updates", type=int, default=20_000, help="of each agent (default: %(default)s)")
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
        [str(game), "random player", f"{random_mean(game, options.episodes):.1f}", *["-"] * 4],
        [str(game), f"data, {plan.transitions:,} steps", f"{plan.mean_return:.1f}", *["-"] * 4],
    ]
    return rows + [agent_row(settings_of(game, agent, dataset, options), options) for agent in options.agents]


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
    return TrainingSettings(
        agent,
        hyperparameters_of(agent, network="small", learning_rate=2.5e-4, target_update_period=500),
        str(dataset),
        f"{game.slug}-full",
        "run_1",
        options.work / "runs" / f"{game.slug}-{agent}-{options.updates}",
        iterations=1,
        updates_per_iteration=options.updates,
        evaluation_steps=1,
        environments=1,
        device="cpu",
        cache_dir=options.work / "cache",
    )


def agent_row(settings: TrainingSettings, options: argparse.Namespace) -> list[str]:
    """Train an agent and evaluate it; return its row."""
    train(settings)
    evaluation = evaluate_run(EvaluationSettings(settings.out, options.episodes, device="cpu"))
    scores = evaluation.scores
    records = [record for record in read_log(settings.out / LOG) if record["kind"] == "training"]
    speed, waiting = (
        float(np.mean([record[name] for record in records]))
        for name in ("updates_per_second", "data_wait_share")
    )
    return [
        str(settings.game),
        settings.agent,
        f"{scores['mean']:.1f}",
        f"{scores['mean_low']:.1f} to {scores['mean_high']:.1f}",
        f"{evaluation.updates:,}",
        f"{speed:.1f}",
        f"{waiting:.1%}",
    ]


def random_mean(game: Game, episodes: int) -> float:
    """Returns the mean return of a player who acts at random."""
    protocol = EvaluationProtocol(epsilon=1.0)
    played = evaluate(
        lambda observation: np.zeros(len(observation), np.int64),
        game,
        seed=[0],
        protocol=protocol,
        episodes=episodes,
    )
    return float(np.mean([episode.total_return for episode in played]))


if __name__ == "__main__":
    main()
