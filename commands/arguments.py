"""Arguments that several commands share: their types, and options that mean the same everywhere."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..builder.errors import AtariReplayError

SOURCE_HELP = "a folder or a URL: gs://, s3://, http(s)://, hf://datasets/, hf://buckets/"


def to_path(text: str) -> Path:
    """Also with `~` where the shell has left it alone, as in `--out=~/x`."""
    try:
        return Path(text).expanduser()
    except RuntimeError:  # nobody of that name: a shell, too, takes it for a folder's name
        return Path(text)


def to_source(text: str) -> str:
    """A URL as it is, a path as `to_path` reads it."""
    return str(to_path(text)) if text.startswith("~") else text


def to_numbers(what: str) -> Callable[[str], list[int]]:
    """A type for numbers of this kind, as in `0,9,40-49`."""
    from ..builder.format.configs import parse_numbers

    def parse(text: str) -> list[int]:
        try:
            return parse_numbers(text, what)
        except AtariReplayError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse


def add_destination(parser: argparse.ArgumentParser, more: str = "") -> None:
    """Where a dataset is published, or is to be."""
    to = parser.add_mutually_exclusive_group(required=True)
    to.add_argument("--to", type=to_path, metavar="FOLDER2", help=f"a folder{more}")
    to.add_argument("--repo-id", metavar="USER/NAME", help=f"a dataset on the Hub{more}")
    parser.add_argument("--revision", metavar="BRANCH", help="branch on the Hub (default: main)")


def add_selection(parser: "argparse._ActionsContainer") -> None:
    """A source, and what of it."""
    parser.add_argument("--source", type=to_source, help=SOURCE_HELP)
    add_storage_option(parser)
    parser.add_argument("--runs", type=to_numbers("runs"), metavar="1-5", help="default: all of the source")
    parser.add_argument(
        "--checkpoints", type=to_numbers("checkpoints"), metavar="0,9,40-49", help="default: all of a run"
    )


def to_size(text: str) -> int:
    """Bytes, as in `500MB`."""
    from ..builder.terminal.sizes import parse_size

    try:
        return parse_size(text)
    except AtariReplayError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_storage_option(parser: "argparse._ActionsContainer") -> None:
    """What the file system of a source is told."""
    parser.add_argument(
        "--storage-option",
        action="append",
        default=[],
        type=to_storage_option,
        metavar="KEY=VALUE",
        help="for the source's file system, e.g. token=anon, endpoint_url=https://…; may be repeated; "
        "see docs/sources.md",
    )


def to_storage_option(text: str) -> tuple[str, Any]:
    """A key and its value: JSON where it is JSON, else the text as it is."""
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError("write it as KEY=VALUE")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def add_license(parser: argparse.ArgumentParser) -> None:
    """The license that the card states."""
    parser.add_argument(
        "--license", type=to_license, help="to state on the card, as the Hub spells it, e.g. cc-by-4.0"
    )


def to_license(text: str) -> str:
    """A license that the Hub knows."""
    from ..builder.card.licenses import check_license

    try:
        return check_license(text)
    except AtariReplayError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def to_positive(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a whole number, at least 1")
    return int(text)


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """Tell instead of doing."""
    parser.add_argument("--dry-run", action="store_true", help="only tell what would be done")
