"""`atari-dqn-replay status`."""

import argparse

from .arguments import GAMES_HELP, add_destination, add_selection, add_source, open_plan

SUMMARY = "report how much of a source is published, and what workers are doing"
EXAMPLES = (
    "atari-dqn-replay status all --source mirror/dqn --repo-id me/atari-dqn-replay",
    "atari-dqn-replay status pong --source logs --to dataset",
)
WHEN_STOPPED = "nothing was changed"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is published, and where."""
    parser.add_argument("games", nargs="+", metavar="GAME", help=GAMES_HELP)
    add_destination(parser)
    add_source(parser)
    add_selection(parser)
    parser.add_argument("--work", metavar="FOLDER", help="the same folder or URL as was given to publish")


def run(options: argparse.Namespace) -> object:
    """Report on the publication."""
    from ..builder.assembly.status import status

    if options.source is None:
        options.refuse("--source is missing: it says what there is to publish")
    return status(open_plan(options, options.games))
