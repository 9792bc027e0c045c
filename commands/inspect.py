"""`atari-dqn-replay inspect`."""

import argparse

from .arguments import SOURCE_HELP, add_storage_option, open_source, to_source

SUMMARY = "report what a source holds: games, runs, checkpoints, missing files, holes, sizes"
EXAMPLES = (
    "atari-dqn-replay inspect mirror/dqn",
    "atari-dqn-replay inspect gs://my-mirror/dqn --storage-option token=anon",
    "atari-dqn-replay inspect https://example.org/dqn --games pong breakout",
)
WHEN_STOPPED = "nothing was changed"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the source, and which of its games."""
    parser.add_argument("source", type=to_source, metavar="SOURCE", help=SOURCE_HELP)
    parser.add_argument(
        "--games",
        nargs="+",
        metavar="GAME",
        default=["all"],
        help="games to report on (default: all that the source lists)",
    )
    add_storage_option(parser)


def run(options: argparse.Namespace) -> object:
    """Report on the source without reading its frames."""
    from ..builder.sources.inspection import inspect_source
    from ..builder.sources.open import named_games

    source = open_source(options)
    return inspect_source(source, named_games(source, options.games))
