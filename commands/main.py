"""The command `atari-dqn-replay`: parses the arguments, runs one command and prints its result."""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn, Protocol, cast

from ..builder.errors import AtariReplayError

COMMANDS = (
    "demo",
    "collect",
    "inspect",
    "build",
    "publish",
    "status",
    "verify",
    "download",
    "export",
    "remove",
    "render",
    "render-episode",
    "explore",
    "train",
    "evaluate",
    "play",
)
"""In the order in which `--help` lists them. Each is a file of this folder; see `Command`."""


class Command(Protocol):
    """What the file of a command contains; it imports what the command needs inside `run`."""

    SUMMARY: str
    """What the command does, as the list of commands shows it."""
    EXAMPLES: Sequence[str]
    """Command lines that work as printed."""
    WHEN_STOPPED: str
    """What Ctrl-C leaves behind, and what the same command does next."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's own arguments."""
        ...

    def run(self, options: argparse.Namespace) -> object:
        """Run the command. Its result is printed; a result with `ok = False` gives exit code 1."""
        ...


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code. 0: done. 1: something is wrong with the input, the output or the network, reported
        on stderr in one message. 2: the arguments cannot be understood. 130: Ctrl-C.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without `→` still shows everything else
    options = make_parser().parse_args(arguments)
    try:
        result = options.command.run(options)
        _print(result)
    except AtariReplayError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except KeyboardInterrupt:
        dry_run = getattr(options, "dry_run", False)
        left = "nothing was changed" if dry_run else options.command.WHEN_STOPPED
        print(f"atari-dqn-replay: stopped; {left}", file=sys.stderr)
        return 130
    return 0 if getattr(result, "ok", True) else 1


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of all commands; it loads none of what they need to run."""
    parser = argparse.ArgumentParser(
        prog="atari-dqn-replay",
        description="Turns replay logs of Atari agents into an exact, small, streaming Hugging Face dataset.",
    )
    parser.add_argument("--version", action=_ShowVersion, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name in COMMANDS:
        command = _command(name)
        of_command = commands.add_parser(
            name,
            allow_abbrev=False,
            help=command.SUMMARY,
            description=command.SUMMARY[0].upper() + command.SUMMARY[1:] + ".",
            epilog="examples:\n" + "\n".join(f"  {line}" for line in command.EXAMPLES),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        of_command.set_defaults(command=command, refuse=of_command.error)
        command.add_arguments(of_command)
    return parser


def _command(name: str) -> Command:
    return cast(Command, import_module(f".{name.replace('-', '_')}", __package__))


class _ShowVersion(argparse.Action):
    """As argparse's own, but the version is looked up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_given: object) -> NoReturn:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(version("atari-dqn-replay"))
        except PackageNotFoundError:
            print("not installed")
        parser.exit()


def _print(result: object) -> None:
    """Print a command's result; a reader that has seen enough (`| head`) may close the pipe."""
    try:
        print(result, flush=True)
    except BrokenPipeError:
        # Or Python would complain when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str) -> int:
    print(f"atari-dqn-replay: error: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
