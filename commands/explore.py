"""`atari-dqn-replay explore`."""

import argparse

from .arguments import add_dry_run

SUMMARY = "look at a dataset in the browser: find, watch and read its episodes"
EXAMPLES = (
    "atari-dqn-replay explore dataset",
    "atari-dqn-replay explore me/atari-dqn-replay",
    "atari-dqn-replay explore dataset --no-browser --port 8000",
    "atari-dqn-replay explore me/atari-dqn-replay --publish-space me/atari-explorer",
)
WHEN_STOPPED = "the same command publishes what is missing"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the dataset, and how it is shown."""
    parser.add_argument(
        "dataset", metavar="DATASET", nargs="?", help="a folder, or USER/NAME on the Hub, read by the browser"
    )
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument(
        "--port", type=to_port, default=0, metavar="N", help="on this machine (default: a free one)"
    )
    parser.add_argument(
        "--publish-space",
        metavar="USER/NAME",
        help="publish the page as a static Space on the Hub instead; it shows DATASET unless its address "
        "names another one",
    )
    add_dry_run(parser)


def to_port(text: str) -> int:
    """A TCP port; 0 stands for a free one."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a number from 0 to 65535")
    return int(text)


def run(options: argparse.Namespace) -> object:
    """Serve the page on this machine, or publish it."""
    if options.publish_space is None:
        if options.dataset is None:
            options.refuse("name a dataset: a folder, or USER/NAME on the Hub")
        if options.dry_run:
            options.refuse("--dry-run is for --publish-space")
        from ..explorer.explore import explore

        return explore(str(options.dataset), port=options.port, opens_browser=not options.no_browser)
    from ..explorer.space import publish_space

    return publish_space(options.publish_space, options.dataset, dry_run=options.dry_run)
