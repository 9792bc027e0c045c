"""`atari-dqn-replay download`."""

import argparse

from .arguments import GAMES_HELP, add_dry_run, add_selection, to_path, to_source

SUMMARY = (
    "download games of a published dataset, or some of their runs and checkpoints, as a dataset of its own"
)
EXAMPLES = (
    "atari-dqn-replay download me/atari-dqn-replay pong --out part --dry-run",
    "atari-dqn-replay download me/atari-dqn-replay pong --runs 1 --checkpoints 40-49 --out part",
    "atari-dqn-replay download /data/atari breakout seaquest --out part",
)
WHEN_STOPPED = "what was downloaded is kept, and the same command goes on with the rest"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is downloaded, and where to."""
    parser.add_argument(
        "dataset",
        type=to_source,
        metavar="DATASET",
        help="USER/NAME of a dataset repo on the Hub, or a folder with a dataset",
    )
    parser.add_argument("games", nargs="+", metavar="GAME", help=GAMES_HELP)
    add_selection(parser)
    parser.add_argument(
        "--out", type=to_path, required=True, metavar="FOLDER", help="folder to write to, or to add to"
    )
    parser.add_argument("--revision", help="branch, tag or commit of a repo on the Hub (default: main)")
    add_dry_run(parser)


def run(options: argparse.Namespace) -> object:
    """Download what is not there yet."""
    from ..builder.publishing.download import download

    return download(
        options.dataset,
        options.games,
        options.out,
        runs=options.runs,
        checkpoints=options.checkpoints,
        revision=options.revision,
        dry_run=options.dry_run,
    )
