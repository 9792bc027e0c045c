"""`atari-dqn-replay render`."""

import argparse

from .arguments import add_destination, add_dry_run, add_license, open_place

SUMMARY = "write the card of a published dataset anew, without touching its data"
EXAMPLES = (
    "atari-dqn-replay render --to dataset",
    "atari-dqn-replay render --repo-id me/atari-dqn-replay --license cc-by-4.0",
    "atari-dqn-replay render --repo-id 'me/atari-dqn-replay-{game}'",
)
WHEN_STOPPED = "the same command goes on with the cards that are left"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add whose card is written, and what it states."""
    add_destination(parser)
    add_license(parser)
    add_dry_run(parser)


def run(options: argparse.Namespace) -> object:
    """Write the card, or the cards."""
    from ..builder.publishing.editing import render_at

    return render_at(open_place(options), license=options.license, dry_run=options.dry_run)
