"""`atari-dqn-replay build`."""

import argparse

from ..builder.format.compression import SMALL
from .arguments import (
    GAMES_HELP,
    add_compression,
    add_dry_run,
    add_license,
    add_preview,
    add_selection,
    add_source,
    open_source,
    to_path,
)

SUMMARY = "write a dataset repo into a folder, straight from replay logs or another source"
EXAMPLES = (
    "atari-dqn-replay build pong breakout --source mirror/dqn --out dataset",
    "atari-dqn-replay build all --source mirror/dqn --out dataset --runs 1-2 --checkpoints 0,9,49",
    "atari-dqn-replay build pong --source hf://datasets/me/atari-dqn-replay --out part --checkpoints 40-49",
)
WHEN_STOPPED = "finished checkpoints are kept, and the same command goes on with the others"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what of a source is built, and where."""
    parser.add_argument("games", nargs="+", metavar="GAME", help=GAMES_HELP)
    add_source(parser, required=True)
    parser.add_argument(
        "--out", type=to_path, required=True, metavar="FOLDER", help="folder to write the dataset to"
    )
    add_selection(parser)
    add_compression(parser)
    add_license(parser)
    add_preview(parser)
    add_dry_run(parser)


def run(options: argparse.Namespace) -> object:
    """Build what is not built yet."""
    from ..builder.assembly.build import build, plan_build
    from ..builder.assembly.publish_source import forecast
    from ..builder.sources.open import named_games

    source = open_source(options)
    plan = plan_build(
        source,
        named_games(source, options.games),
        options.out,
        runs=options.runs,
        checkpoints=options.checkpoints,
        compression=options.compression or SMALL,
    )
    if options.dry_run:
        return forecast(plan, 1, preview=options.preview)
    return build(plan, options.out, license=options.license, preview=options.preview)
