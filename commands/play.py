"""`atari-dqn-replay play`."""

import argparse

from ..agents.hyperparameters import HYPERPARAMETERS, LEARN_FROM_LOGS
from .arguments import add_dry_run, to_path, to_positive
from .train import HYPERPARAMETER_OPTIONS, add_hyperparameters

SUMMARY = "play a game with an agent that learns, and log its replay as the original's agents did"
EXAMPLES = (
    "atari-dqn-replay play dqn pong --out logs",
    "atari-dqn-replay play dqn-adam freeway --out logs --network small --steps 100000 "
    "--checkpoint-size 20000 --min-replay-history 2000 --epsilon-decay-steps 30000",
    "atari-dqn-replay play dqn-adam pong --out logs --environments 8 --dry-run",
)
WHEN_STOPPED = "the same command goes on from the last checkpoint of the log"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the agent, the game, where the log goes, and the schedule."""
    parser.add_argument("agent", metavar="AGENT", choices=_PLAYING, help=f"one of {', '.join(_PLAYING)}")
    parser.add_argument("game", metavar="GAME", help="game in any spelling: pong, MsPacman, ms-pacman")
    parser.add_argument("--out", type=to_path, required=True, metavar="LOGS", help="root folder of the logs")
    parser.add_argument(
        "--run", type=to_positive, default=1, metavar="R", help="number of the run (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="random seed (default: %(default)s)")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, … (default: a GPU if there is one)")
    parser.add_argument(
        "--environments",
        type=to_positive,
        default=1,
        metavar="N",
        help="games played at once, while the agent learns; whole episodes are logged, in the order in which "
        "they end (default: %(default)s, as the original)",
    )
    parser.add_argument(
        "--observation",
        type=_to_observation,
        metavar="FORMAT",
        help="colour and size of the frames: grey84, for which the networks are made; `collect` plays others",
    )
    add_dry_run(parser)
    schedule = parser.add_argument_group("schedule", "The defaults are those of the original's agents.")
    for name, default, meaning in (
        ("--steps", 50_000_000, "agent steps to play"),
        (
            "--checkpoint-size",
            1_000_000,
            "rows of the replay buffer and of a checkpoint, 7 KB of memory each",
        ),
        ("--min-replay-history", 20_000, "steps before the first update"),
        ("--update-period", 4, "steps between updates"),
        ("--epsilon-decay-steps", 250_000, "steps over which the share of random actions falls"),
        ("--max-steps-per-episode", 27_000, "agent steps after which an episode is cut off"),
    ):
        schedule.add_argument(
            name, type=to_positive, default=default, metavar="N", help=f"{meaning} (default: %(default)s)"
        )
    schedule.add_argument(
        "--epsilon", type=float, default=0.01, metavar="X", help="share in the end (default: %(default)s)"
    )
    add_hyperparameters(parser, leaving_out=("n_step",))


_PLAYING = tuple(name for name in HYPERPARAMETERS if name not in LEARN_FROM_LOGS)


def _to_observation(name: str) -> str:
    """Parses a frame format: the one that the networks are made for."""
    if name != "grey84":
        raise argparse.ArgumentTypeError(
            f"{name!r}: agents learn from grey84 only; `collect GAME --observation {name}` plays without "
            "learning"
        )
    return name


def run(options: argparse.Namespace) -> object:
    """Play, learn and log."""
    from ..agents.devices import require_torch
    from ..agents.hyperparameters import hyperparameters_of
    from ..builder.format.games import find_game

    chosen = {name: getattr(options, name, None) for name in HYPERPARAMETER_OPTIONS}
    hyperparameters = hyperparameters_of(options.agent, **chosen)
    require_torch()
    from ..agents.online_training import play
    from ..agents.play_plan import plan_play
    from ..agents.play_settings import PlaySettings, Schedule

    settings = PlaySettings(
        options.agent,
        hyperparameters,
        find_game(options.game),
        options.out,
        Schedule(
            options.steps,
            options.checkpoint_size,
            options.min_replay_history,
            options.update_period,
            options.epsilon,
            options.epsilon_decay_steps,
        ),
        options.run,
        options.seed,
        options.max_steps_per_episode,
        options.device,
        options.environments,
    )
    return plan_play(settings) if options.dry_run else play(settings)
