"""`atari-dqn-replay collect`."""

import argparse

from .arguments import to_path

SUMMARY = "play a game and write replay logs in the layout of the DQN Replay Dataset"
EXAMPLES = (
    "atari-dqn-replay collect pong --out logs --policy player --checkpoints 11 --checkpoint-size 5000",
    "atari-dqn-replay collect seaquest --out logs --run 2 --seed 2",
)
WHEN_STOPPED = "nothing is kept of this log; the same command starts it from the beginning"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the game, who plays it, and the size of the log."""
    parser.add_argument("game", metavar="GAME", help="game in any spelling: pong, MsPacman, ms-pacman")
    parser.add_argument("--out", type=to_path, required=True, metavar="LOGS", help="root folder of the logs")
    parser.add_argument(
        "--policy",
        choices=("random", "player"),
        default="random",
        help="uniformly random, or a hand-written player whose share of random actions falls over the "
        "checkpoints (default: %(default)s)",
    )
    parser.add_argument(
        "--checkpoints",
        type=int,
        default=50,
        metavar="N",
        help="number of checkpoints with a full replay buffer (default: %(default)s)",
    )
    parser.add_argument(
        "--checkpoint-size",
        type=int,
        default=10_000,
        metavar="C",
        help="replay capacity in transitions, 7 KB of memory each; 1,000,000 in the original "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--run", type=int, default=1, metavar="R", help="number of the run (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="random seed (default: %(default)s)")


def run(options: argparse.Namespace) -> object:
    """Play the game and write its logs."""
    from ..builder.collecting.collect import collect
    from ..builder.format.games import find_game

    return collect(
        find_game(options.game),
        options.out,
        policy=options.policy,
        checkpoints=options.checkpoints,
        checkpoint_size=options.checkpoint_size,
        run=options.run,
        seed=options.seed,
    )
