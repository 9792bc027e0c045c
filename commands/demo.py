"""`atari-dqn-replay demo`; what it does is in `demonstration`."""

import argparse
from pathlib import Path

from .arguments import to_path

SUMMARY = "play three games, build a dataset of them, publish it to a folder and stream it back"
EXAMPLES = (
    "atari-dqn-replay demo",
    "atari-dqn-replay demo --out my-demo",
)
WHEN_STOPPED = "the same command goes on with what is not yet finished"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where to work."""
    parser.add_argument(
        "--out",
        type=to_path,
        default=Path("atari-dqn-replay-demo"),
        metavar="FOLDER",
        help="folder to work in (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> object:
    """Run the demonstration."""
    from .demonstration import run_demo

    return run_demo(options.out)
