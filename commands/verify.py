"""`atari-dqn-replay verify`."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .arguments import PER_GAME_HELP, SOURCE_HELP, add_source, open_place, open_source, to_path

if TYPE_CHECKING:
    from ..builder.format.games import Game
    from ..builder.sources.source import Source

SUMMARY = "prove that a dataset is right: against its manifests, its card, and its source"
EXAMPLES = (
    "atari-dqn-replay verify dataset",
    "atari-dqn-replay verify --repo-id me/atari-dqn-replay --quick",
    "atari-dqn-replay verify dataset --source mirror/dqn",
    "atari-dqn-replay verify dataset --source mirror/dqn --round-trip",
    "atari-dqn-replay verify --repo-id 'me/atari-dqn-replay-{game}'",
)
WHEN_STOPPED = "nothing was changed"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the dataset, and what it is compared with."""
    parser.add_argument(
        "to", type=to_path, nargs="?", metavar="FOLDER", help=f"a dataset in a folder{PER_GAME_HELP}"
    )
    parser.add_argument("--repo-id", metavar="USER/NAME", help=f"a dataset repo on the Hub{PER_GAME_HELP}")
    parser.add_argument(
        "--revision", metavar="REVISION", help="branch, tag or commit of the repo on the Hub (default: main)"
    )
    add_source(parser, help=f"compare with this source, too: {SOURCE_HELP}")
    parser.add_argument(
        "--games", nargs="+", metavar="GAME", help="games to verify (default: all of the dataset)"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="check the card and every file's size and SHA-256, but no rows; downloads no data of the Hub's",
    )
    parser.add_argument(
        "--round-trip",
        action="store_true",
        help="instead, rebuild the source's dumps from the dataset and compare their arrays byte by byte",
    )


def run(options: argparse.Namespace) -> object:
    """Verify the dataset."""
    if (options.to is None) == (options.repo_id is None):
        options.refuse("name either a folder or, with --repo-id, a dataset on the Hub")
    from ..builder.format.games import find_game
    from ..builder.verification.places import verify_place

    source = options.source and open_source(options)
    games = None if options.games is None else [find_game(name) for name in options.games]
    if options.round_trip:
        return _round_trip(options, source, games)
    return verify_place(open_place(options), source=source, games=games, quick=options.quick)


def _round_trip(
    options: argparse.Namespace, source: "Source | None", games: "Sequence[Game] | None"
) -> object:
    if source is None or options.quick:
        options.refuse("--round-trip compares every row with a source: give --source, and not --quick")
    from ..interop.export.bucket.round_trip import verify_round_trip

    assert source is not None
    return verify_round_trip(open_place(options), source, games)
