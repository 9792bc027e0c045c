"""Arguments that several commands share: their types, and groups of options that mean the same everywhere.

`add_…` adds a group to a parser; `open_…` makes of the parsed group the object that it names.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..builder.errors import AtariReplayError
from ..builder.format.compression import COMPRESSIONS, SMALL

if TYPE_CHECKING:
    from ..builder.assembly.plan import Plan
    from ..builder.repos.place import Place
    from ..builder.sources.source import Source

SOURCE_HELP = (
    "folder or URL of the replay logs, of another library's store or of a dataset: gs://, s3://, http(s)://, "
    "hf://datasets/, hf://buckets/"
)
GAMES_HELP = "games in any spelling (pong, MsPacman, ms-pacman), or `all`"
PER_GAME_HELP = "; may contain {game} if there is one for each game"

Parsed = TypeVar("Parsed")


def to_path(text: str) -> Path:
    """Parses a path; expands `~` where the shell did not, as in `--out=~/x`."""
    try:
        return Path(text).expanduser()
    except RuntimeError:  # no user of that name: like a shell, take it as a folder's name
        return Path(text)


def to_source(text: str) -> str:
    """Parses a source: a URL stays as it is, a path is read as by `to_path`."""
    return str(to_path(text)) if text.startswith("~") else text


def to_numbers(what: str) -> Callable[[str], list[int]]:
    """Returns a type for numbers of this kind, as in `0,9,40-49`."""

    def parse(text: str) -> list[int]:
        from ..builder.format.configs import parse_numbers

        return _or_usage_error(parse_numbers, text, what)

    return parse


def to_positive(text: str) -> int:
    """Parses a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a whole number, at least 1")
    return int(text)


def to_preview(text: str) -> int:
    """Parses the number of episodes of a preview."""
    from ..builder.format.preview import MOST_EPISODES

    if not text.isdecimal() or int(text) > MOST_EPISODES:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a whole number from 0 to {MOST_EPISODES}")
    return int(text)


def to_size(text: str) -> int:
    """Parses a number of bytes, as in `500MB`."""
    from ..builder.terminal.sizes import parse_size

    return _or_usage_error(parse_size, text)


def to_license(text: str) -> str:
    """Parses the identifier of a license that the Hub knows."""
    from ..builder.card.licenses import check_license

    return _or_usage_error(check_license, text)


def to_storage_option(text: str) -> tuple[str, Any]:
    """Parses KEY=VALUE; the value is parsed as JSON if it is JSON, and is otherwise the text itself."""
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError("write it as KEY=VALUE")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def to_run_numbers(text: str) -> tuple[str, str]:
    """Parses pairs of runs' numbers, as in `1:3,2:4`."""
    from ..builder.sources.renumbered import parse_run_numbers

    _or_usage_error(parse_run_numbers, text)
    return "renumber_runs", text


def _or_usage_error(parse: Callable[..., Parsed], *given: str) -> Parsed:
    try:
        return parse(*given)
    except AtariReplayError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_source(
    parser: "argparse._ActionsContainer", *, required: bool = False, help: str = SOURCE_HELP
) -> None:
    """Add `--source` and the options of its file system."""
    parser.add_argument("--source", type=to_source, required=required, help=help)
    add_storage_option(parser)


def add_storage_option(parser: "argparse._ActionsContainer") -> None:
    """Add the options of the source's file system, and the layout of its files."""
    parser.add_argument(
        "--storage-option",
        action="append",
        default=[],
        type=to_storage_option,
        metavar="KEY=VALUE",
        help="option of the source's file system, e.g. token=anon, endpoint_url=https://…; "
        "may be repeated; see docs/sources.md",
    )
    # These are options of the source, too: they travel together to wherever it is opened.
    parser.add_argument(
        "--layout",
        dest="storage_option",
        action="append",
        type=lambda name: ("layout", name),
        metavar="NAME",
        help="take the source for this layout instead of recognising it, e.g. bucket, d4rl-atari, flat; "
        "docs/sources.md lists them",
    )
    parser.add_argument(
        "--renumber-runs",
        dest="storage_option",
        action="append",
        type=to_run_numbers,
        metavar="OLD:NEW,…",
        help="other numbers for runs of the source, e.g. 1:3,2:4, so that runs of several sources fit into "
        "one dataset; --runs means the new ones",
    )
    parser.add_argument(
        "--stack-size",
        dest="storage_option",
        action="append",
        type=lambda text: ("stack_size", to_positive(text)),
        metavar="N",
        help="stack_size of the agent that wrote the replay logs, if it cannot be found out (original: 4)",
    )


def open_source(options: argparse.Namespace) -> "Source":
    """Opens the source that was given.

    Raises:
        SourceError: there is none.
    """
    from ..builder.sources.open import open_source

    return open_source(options.source, dict(options.storage_option))


def add_selection(parser: "argparse._ActionsContainer") -> None:
    """Add the runs and checkpoints to select from a source."""
    parser.add_argument(
        "--runs", type=to_numbers("runs"), metavar="1-5", help="runs to include (default: all there are)"
    )
    parser.add_argument(
        "--checkpoints",
        type=to_numbers("checkpoints"),
        metavar="0,9,40-49",
        help="checkpoints to include (default: all of each run)",
    )


def add_compression(parser: "argparse._ActionsContainer") -> None:
    """Add how frames are compressed; None stands for the usual way."""
    parser.add_argument(
        "--compression",
        choices=COMPRESSIONS,
        help="how frames are compressed: small, or fast, which compresses about six times as fast into "
        "files that are a fifth to a half larger (default: small)",
    )


def add_destination(parser: argparse.ArgumentParser, more: str = PER_GAME_HELP) -> None:
    """Add the place of a published dataset: a folder, or a repo on the Hub."""
    to = parser.add_mutually_exclusive_group(required=True)
    to.add_argument("--to", type=to_path, metavar="FOLDER", help=f"a dataset in a folder{more}")
    to.add_argument("--repo-id", metavar="USER/NAME", help=f"a dataset repo on the Hub{more}")
    parser.add_argument("--revision", metavar="BRANCH", help="branch of the repo on the Hub (default: main)")


def open_place(options: argparse.Namespace) -> "Place":
    """Returns the place of a published dataset; refuses options of the Hub for a folder."""
    from ..builder.repos.place import Place

    private = getattr(options, "private", False)
    if options.repo_id is None and (private or options.revision is not None):
        option = "--private" if private else "--revision"
        options.refuse(f"{option} is for the Hub: give --repo-id instead of a folder")
    folder = None if options.to is None else str(options.to)
    return Place(folder, options.repo_id, revision=options.revision or "main", private=private)


def open_plan(options: argparse.Namespace, games: Sequence[str]) -> "Plan":
    """Returns the plan to publish these games of the source.

    Raises:
        AtariReplayError: the source has no such game, run or checkpoint, or cannot be read.
    """
    from ..builder.assembly.plan import make_plan
    from ..builder.sources.open import named_games

    source = open_source(options)
    # `status` does not build anything, and looks at what was made in any way.
    compression = (options.compression or SMALL) if "compression" in options else None
    return make_plan(
        source,
        named_games(source, games),
        open_place(options),
        options.work,
        runs=options.runs,
        checkpoints=options.checkpoints,
        compression=compression,
    )


def add_license(parser: argparse.ArgumentParser) -> None:
    """Add the license that the card states."""
    parser.add_argument(
        "--license",
        type=to_license,
        metavar="ID",
        help="license to state on the card, as the Hub spells it, e.g. cc-by-4.0",
    )


def add_preview(parser: argparse.ArgumentParser) -> None:
    """Add the number of episodes in the config that is quick to look at."""
    parser.add_argument(
        "--preview",
        type=to_preview,
        metavar="N",
        help="add a config `preview` with N short episodes of each game (at most 100, and 50,000 steps), "
        "which loads in seconds and is what the Hub's viewer shows first; 0 takes the games out of it again "
        "(default: as it was)",
    )


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """Add the option to report instead of doing."""
    parser.add_argument("--dry-run", action="store_true", help="only print what would be done")
