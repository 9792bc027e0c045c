"""`atari-dqn-replay train`."""

import argparse
from collections.abc import Collection

from ..agents.hyperparameters import HYPERPARAMETERS, NETWORK_NAMES, OPTIMIZERS
from .arguments import add_dry_run, to_numbers, to_path, to_positive, to_source

SUMMARY = "train an agent from a dataset, without playing, and evaluate it in the game"
EXAMPLES = (
    "atari-dqn-replay train dqn-adam --dataset dataset --config pong-full --split run_1 --out runs/pong-dqn",
    "atari-dqn-replay train rem --dataset me/atari-dqn-replay --config pong-full --out runs/rem --dry-run",
    "atari-dqn-replay train behaviour-cloning --dataset dataset --config pong-full --top 0.1 --out runs/best "
    "--network small --iterations 5 --updates 2000 --evaluation-steps 10000",
)
WHEN_STOPPED = "the same command goes on from the last checkpoint"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the agent, the data, the protocol, and the hyperparameters."""
    parser.add_argument(
        "agent", metavar="AGENT", choices=HYPERPARAMETERS, help=f"one of {', '.join(HYPERPARAMETERS)}"
    )
    parser.add_argument("--dataset", type=to_source, required=True, help="a folder, or USER/NAME on the Hub")
    parser.add_argument(
        "--config",
        required=True,
        help="what to learn from: pong-expert, pong-full, …, or several games as pong-full+breakout-full",
    )
    parser.add_argument(
        "--split", default="run_1", help="run_1, several as run_1+run_2, or all (default: %(default)s)"
    )
    parser.add_argument(
        "--out", type=to_path, required=True, metavar="RUN", help="folder of the run: log, checkpoint, record"
    )
    parser.add_argument("--revision", metavar="REVISION", help="of a dataset on the Hub (default: main)")
    parser.add_argument(
        "--cache-dir",
        type=to_path,
        metavar="FOLDER",
        help="where prepared frames are kept, 0.1 to 0.6 GB for a million (default: the Hugging Face cache)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="random seed (default: %(default)s)")
    add_dry_run(parser)
    _add_protocol(parser.add_argument_group("protocol", "The defaults are batch_rl's."))
    _add_episodes(parser.add_argument_group("episodes", "Which of the config's episodes to learn from."))
    add_hyperparameters(parser)
    _add_device(parser.add_argument_group("device"))


def run(options: argparse.Namespace) -> object:
    """Train the agent, or say what would be done."""
    from ..agents.devices import require_torch
    from ..agents.hyperparameters import hyperparameters_of
    from ..replay_reader.episode_filter import EpisodeFilter

    hyperparameters = hyperparameters_of(
        options.agent, **{name: getattr(options, name) for name in HYPERPARAMETER_OPTIONS}
    )
    chosen = {"top": options.top, "share": options.share, "checkpoints": options.checkpoints}
    require_torch()
    from ..agents.offline_training import train
    from ..agents.training_plan import plan_training
    from ..agents.training_settings import TrainingSettings

    settings = TrainingSettings(
        options.agent,
        hyperparameters,
        options.dataset,
        options.config,
        options.split,
        options.out,
        iterations=options.iterations,
        updates_per_iteration=options.updates,
        evaluation_steps=options.evaluation_steps,
        time_limit=options.max_steps_per_episode,
        seed=options.seed,
        episodes=EpisodeFilter(**chosen) if any(value is not None for value in chosen.values()) else None,
        revision=options.revision,
        cache_dir=options.cache_dir,
        device=options.device,
        mixed_precision=options.mixed_precision,
        compile=options.compile,
        environments=options.environments,
    )
    return plan_training(settings) if options.dry_run else train(settings)


def _add_protocol(group: "argparse._ArgumentGroup") -> None:
    for name, default, meaning in (
        ("--iterations", 200, "rounds of updates and an evaluation; more later go on with the run"),
        ("--updates", 62_500, "updates in an iteration"),
        ("--evaluation-steps", 125_000, "agent steps of an evaluation, in full episodes"),
        ("--max-steps-per-episode", 27_000, "agent steps after which an evaluation's episode is cut off"),
        ("--environments", 8, "games that an evaluation plays at once"),
    ):
        group.add_argument(
            name, type=to_positive, default=default, metavar="N", help=f"{meaning} (default: %(default)s)"
        )


def _add_episodes(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("--top", type=float, metavar="SHARE", help="only the best episodes by return: 0.1")
    group.add_argument(
        "--share",
        type=float,
        metavar="SHARE",
        help="only so much of each checkpoint, in whole episodes: 0.01",
    )
    group.add_argument(
        "--checkpoints", type=to_numbers("checkpoints"), metavar="0,9,40-49", help="only these checkpoints"
    )


HYPERPARAMETER_OPTIONS: dict[str, dict[str, object]] = {
    "network": {"choices": NETWORK_NAMES, "help": "of 2015 (nature), of 2013 (small), or for trials (tiny)"},
    "optimizer": {"choices": OPTIMIZERS, "help": "RMSProp of the Nature DQN, or Adam"},
    "learning_rate": {"type": float, "metavar": "X", "help": "of the optimizer"},
    "optimizer_epsilon": {"type": float, "metavar": "X", "help": "of the optimizer"},
    "batch_size": {"type": to_positive, "metavar": "N", "help": "transitions in a batch"},
    "discount": {"type": float, "metavar": "X", "help": "per step"},
    "n_step": {"type": to_positive, "metavar": "N", "help": "rewards summed before a value"},
    "target_update_period": {
        "type": to_positive,
        "metavar": "N",
        "help": "updates between copies to the target network",
    },
    "outputs_per_action": {"type": to_positive, "metavar": "N", "help": "heads, quantiles or atoms"},
    "value_limit": {"type": float, "metavar": "X", "help": "of C51's largest atom"},
    "cql": {"type": float, "metavar": "X", "help": "weight of the CQL penalty"},
}
"""The options of hyperparameters; None stands for the agent's own."""


def add_hyperparameters(parser: argparse.ArgumentParser, leaving_out: Collection[str] = ()) -> None:
    """Add the options of hyperparameters but these."""
    group = parser.add_argument_group("hyperparameters", "The defaults are the agent's; see docs/agents.md.")
    for name, options in HYPERPARAMETER_OPTIONS.items():
        if name not in leaving_out:
            group.add_argument(f"--{name.replace('_', '-')}", **options)  # pyright: ignore[reportArgumentType]


def _add_device(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("--device", help="cpu, cuda, cuda:1, … (default: a GPU if there is one)")
    group.add_argument(
        "--mixed-precision", action="store_true", help="compute in bfloat16 where it is safe; results differ"
    )
    group.add_argument("--compile", action="store_true", help="compile the networks; results may differ")
