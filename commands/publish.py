"""`atari-dqn-replay publish`."""

import argparse
import sys

from ..builder.terminal.sizes import DISK
from .arguments import (
    add_compression,
    add_destination,
    add_dry_run,
    add_license,
    add_preview,
    add_selection,
    add_source,
    open_place,
    open_plan,
    to_path,
    to_positive,
    to_size,
)

SUMMARY = "put a dataset into a folder or on the Hugging Face Hub: a built one, or straight from replay logs"
EXAMPLES = (
    "atari-dqn-replay publish dataset --to /data/atari",
    "atari-dqn-replay publish dataset --repo-id me/atari-dqn-replay --private --dry-run",
    "atari-dqn-replay publish dataset --repo-id me/atari-dqn-replay --preview 3",
    "atari-dqn-replay publish pong breakout --source gs://my-mirror/dqn --repo-id me/atari-dqn-replay",
    "atari-dqn-replay publish all --source mirror/dqn --repo-id 'me/atari-dqn-replay-{game}' --workers 8",
    "atari-dqn-replay publish all --source mirror/dqn --repo-id me/atari-dqn-replay --engine slurm \\\n"
    "      --workers 100 --engine-option partition=cpu --work /shared/atari-work",
)
WHEN_STOPPED = "what was made and sent is kept, and the same command goes on with the rest"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is published and where; and for games from a source, who does the work."""
    parser.add_argument(
        "what",
        nargs="+",
        metavar="FOLDER | GAME",
        help="a dataset that `build` wrote; or with --source, games in any spelling, or `all`",
    )
    add_destination(parser, "; with --source, may contain {game} for one for each game")
    parser.add_argument("--private", action="store_true", help="create the repo on the Hub as private")
    add_license(parser)
    add_preview(parser)
    add_dry_run(parser)
    straight = parser.add_argument_group("straight from a source, checkpoint by checkpoint")
    add_source(straight)
    add_selection(straight)
    add_compression(straight)
    straight.add_argument(
        "--workers", type=to_positive, default=1, metavar="N", help="number of parallel workers (default: 1)"
    )
    straight.add_argument(
        "--engine",
        metavar="NAME",
        help="where the workers run: process, local, ray, slurm or jobs "
        "(default: process for one worker, local for several)",
    )
    straight.add_argument(
        "--engine-option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="option of the engine; may be repeated; see docs/publishing.md",
    )
    straight.add_argument(
        "--work",
        metavar="FOLDER",
        help="folder or URL for unfinished work, visible to all workers "
        "(default: hidden in the folder that is published to, or in the cache)",
    )
    straight.add_argument(
        "--disk",
        type=to_size,
        metavar="SIZE",
        help="most disk space for the unfinished work of all workers, e.g. 500MB (default: 4GB)",
    )


def run(options: argparse.Namespace) -> object:
    """Publish what is not published yet."""
    if options.source is not None:
        return _publish_source(options)
    given = (
        options.runs,
        options.checkpoints,
        options.engine,
        options.work,
        options.compression,
        options.disk,
    )
    listed = (*options.engine_option, *options.storage_option)
    if len(options.what) > 1 or any(each is not None for each in given) or listed or options.workers > 1:
        options.refuse("publishing games needs --source; without it, name one built folder")
    from ..builder.publishing.publish import publish

    destination = open_place(options).single()
    folder = to_path(options.what[0])
    return publish(
        folder, destination, dry_run=options.dry_run, license=options.license, preview=options.preview
    )


def _publish_source(options: argparse.Namespace) -> object:
    from ..builder.assembly.publish_source import forecast, publish_source
    from ..builder.engines.choice import open_engine

    engine = open_engine(
        options.engine or ("local" if options.workers > 1 else "process"),
        workers=options.workers,
        options=options.engine_option,
        finish=_without_engine(sys.argv),
    )
    plan = open_plan(options, options.what)
    disk = options.disk or DISK
    if options.dry_run:
        return forecast(plan, options.workers, disk=disk, preview=options.preview)
    return publish_source(plan, engine, disk=disk, license=options.license, preview=options.preview)


def _without_engine(command_line: list[str]) -> list[str]:
    """Returns this command line without the options of its engine: what is left to do after the workers."""
    given, kept = iter(command_line[1:]), []
    for argument in given:
        if argument in ("--engine", "--engine-option", "--workers"):
            next(given, None)
        elif not argument.startswith(("--engine=", "--engine-option=", "--workers=")):
            kept.append(argument)
    return [command_line[0], *kept]
