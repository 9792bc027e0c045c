"""The command `atari-dqn-replay`: arguments in, text out; what it does is elsewhere."""

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .errors import AtariReplayError

Command = Callable[[argparse.Namespace], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit code.

    0: done. 1: something is wrong with the input, the output or the network, told on stderr in one
    message. 2: the command cannot be read. 130: Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except AtariReplayError as error:
        print(f"atari-dqn-replay: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("atari-dqn-replay: stopped; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="atari-dqn-replay",
        description="Turns replay logs of Atari agents into an exact, small, streaming Hugging Face dataset.",
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for add in (_add_demo, _add_collect, _add_inspect, _add_build, _add_publish):
        add(commands)
    return parser


def _version() -> str:
    try:
        return version("atari-dqn-replay")
    except PackageNotFoundError:
        return "not installed"


def _add(commands: "argparse._SubParsersAction", name: str, command: Command, summary: str, examples: str):  # noqa: ANN202
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog="examples:\n" + "\n".join(f"  atari-dqn-replay {line}" for line in examples.splitlines()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=command)
    return parser


def _numbers(what: str) -> Callable[[str], list[int]]:
    from .configs import parse_numbers

    def parse(text: str) -> list[int]:
        try:
            return parse_numbers(text, what)
        except AtariReplayError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse


def _add_demo(commands: "argparse._SubParsersAction") -> None:
    parser = _add(
        commands,
        "demo",
        _demo,
        "play three games, build a dataset of them, publish it to a folder and stream it back",
        "demo\ndemo --out my-demo",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("atari-dqn-replay-demo"), help="folder to work in (default: %(default)s)"
    )


def _demo(options: argparse.Namespace) -> None:
    from .demo import run_demo

    print(run_demo(options.out))
