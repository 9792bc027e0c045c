"""`atari-dqn-replay remove`."""

import argparse

from .arguments import add_destination, add_dry_run, open_place, to_numbers

SUMMARY = "remove games, or runs of them, from a published dataset"
EXAMPLES = (
    "atari-dqn-replay remove pong --to dataset",
    "atari-dqn-replay remove pong breakout --runs 3-5 --repo-id me/atari-dqn-replay --dry-run",
    "atari-dqn-replay remove pong breakout --to '/data/atari-{game}'",
)
WHEN_STOPPED = "the same command goes on with what is left to remove"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is removed, and from where."""
    parser.add_argument("games", nargs="+", metavar="GAME", help="games in any spelling")
    add_destination(parser)
    parser.add_argument(
        "--runs", type=to_numbers("runs"), metavar="1-5", help="runs to remove (default: all)"
    )
    add_dry_run(parser)


def run(options: argparse.Namespace) -> object:
    """Remove the games, and write the card anew."""
    from ..builder.format.games import find_game
    from ..builder.publishing.editing import remove_at

    games = [find_game(name) for name in options.games]
    return remove_at(open_place(options), games, runs=options.runs, dry_run=options.dry_run)
