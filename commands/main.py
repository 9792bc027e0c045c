"""The command `atari-dqn-replay`: arguments in, text out; what it does is elsewhere."""

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from ..builder.errors import AtariReplayError
from ..builder.terminal.sizes import DISK
from .arguments import (
    SOURCE_HELP,
    add_destination,
    add_dry_run,
    add_license,
    add_selection,
    add_storage_option,
    to_numbers,
    to_path,
    to_positive,
    to_size,
    to_source,
)

if TYPE_CHECKING:
    from ..builder.assembly.plan import Plan
    from ..builder.repos.place import Place

Command = Callable[[argparse.Namespace], object]
"""Does what was asked; the text of what it gives is printed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit code.

    0: done. 1: something is wrong with the input, the output or the network, told on stderr in one
    message. 2: the command cannot be read. 130: Ctrl-C.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without `→` gets all else
    options = _parser().parse_args(arguments)
    try:
        result = options.command(options)
        _print(result)
    except AtariReplayError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except KeyboardInterrupt:
        dry_run = getattr(options, "dry_run", False)
        print(
            f"atari-dqn-replay: stopped; {'nothing was changed' if dry_run else options.when_stopped}",
            file=sys.stderr,
        )
        return 130
    # What checks something tells so itself.
    return 0 if getattr(result, "ok", True) else 1


def _print(result: object) -> None:
    """Print what a command gave; whoever has heard enough (`| head`) may hang up."""
    try:
        print(result, flush=True)
    except BrokenPipeError:
        # Or Python would complain when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str) -> int:
    print(f"atari-dqn-replay: error: {message}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="atari-dqn-replay",
        description="Turns replay logs of Atari agents into an exact, small, streaming Hugging Face dataset.",
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for add in _COMMANDS:
        add(commands)
    return parser


def _version() -> str:
    try:
        return version("atari-dqn-replay")
    except PackageNotFoundError:
        return "not installed"


def _add(
    commands: "argparse._SubParsersAction",
    name: str,
    command: Command,
    summary: str,
    examples: str,
    when_stopped: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        allow_abbrev=False,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog="examples:\n" + "\n".join(f"  atari-dqn-replay {line}" for line in examples.splitlines()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=command, when_stopped=when_stopped, refuse=parser.error)
    return parser


def _add_demo(commands: "argparse._SubParsersAction") -> None:
    parser = _add(
        commands,
        "demo",
        _demo,
        "play three games, build a dataset of them, publish it to a folder and stream it back",
        "demo\ndemo --out my-demo",
        "the same command goes on with what is not yet finished",
    )
    parser.add_argument(
        "--out",
        type=to_path,
        default=Path("atari-dqn-replay-demo"),
        help="folder to work in (default: %(default)s)",
    )


def _demo(options: argparse.Namespace) -> object:
    from .demo import run_demo

    return run_demo(options.out)


def _add_collect(commands: "argparse._SubParsersAction") -> None:
    parser = _add(
        commands,
        "collect",
        _collect,
        "play a game and write replay logs in the layout of the DQN Replay Dataset",
        "collect pong --out logs --policy player --checkpoints 11 --checkpoint-size 5000\n"
        "collect seaquest --out logs --run 2 --seed 2",
        "nothing is kept of this log; the same command starts it from the beginning",
    )
    parser.add_argument("game", metavar="GAME", help="in any spelling: pong, MsPacman, ms-pacman")
    parser.add_argument("--out", type=to_path, required=True, metavar="LOGS", help="root folder of the logs")
    parser.add_argument(
        "--policy",
        choices=("random", "player"),
        default="random",
        help="uniform random, or a hand-written player whose share of random actions falls over the "
        "checkpoints (default: %(default)s)",
    )
    parser.add_argument("--checkpoints", type=int, default=50, metavar="N", help="full laps (default: 50)")
    parser.add_argument(
        "--checkpoint-size",
        type=int,
        default=10_000,
        metavar="C",
        help="rows of the ring, 7 KB of memory each; 1,000,000 in the original (default: 10000)",
    )
    parser.add_argument("--run", type=int, default=1, metavar="R", help="number of the run (default: 1)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the play (default: 0)")


def _collect(options: argparse.Namespace) -> object:
    from ..builder.collecting.collect import collect
    from ..builder.format.games import find_game

    return collect(
        find_game(options.game),
        options.out,
        policy=options.policy,
        checkpoints=options.checkpoints,
        checkpoint_size=options.checkpoint_size,
        run=options.run,
        seed=options.seed,
    )


def _add_inspect(commands: "argparse._SubParsersAction") -> None:
    parser = _add(
        commands,
        "inspect",
        _inspect,
        "tell what a source holds: games, runs, checkpoints, missing files, holes, bytes",
        "inspect mirror/dqn\ninspect gs://my-mirror/dqn --storage-option token=anon\n"
        "inspect https://example.org/dqn --games pong breakout",
        "nothing was changed",
    )
    parser.add_argument("source", type=to_source, metavar="SOURCE", help=SOURCE_HELP)
    parser.add_argument(
        "--games", nargs="+", metavar="GAME", default=["all"], help="default: all that the source lists"
    )
    add_storage_option(parser)


def _inspect(options: argparse.Namespace) -> object:
    from ..builder.sources.inspection import inspect_source, inspection_table
    from ..builder.sources.open import named_games, open_source

    source = open_source(options.source, dict(options.storage_option))
    return inspection_table(list(inspect_source(source, named_games(source, options.games))))


def _add_build(commands: "argparse._SubParsersAction") -> None:
    parser = _add(
        commands,
        "build",
        _build,
        "write a dataset repo into a folder, straight from replay logs",
        "build pong breakout --source mirror/dqn --out dataset\n"
        "build all --source mirror/dqn --out dataset --runs 1-2 --checkpoints 0,9,49",
        "finished checkpoints are kept, and the same command goes on with the others",
    )
    parser.add_argument("games", nargs="+", metavar="GAME", help="in any spelling, or `all`")
    parser.add_argument("--source", type=to_source, required=True, help=SOURCE_HELP)
    add_storage_option(parser)
    parser.add_argument("--out", type=to_path, required=True, metavar="FOLDER", help="where the dataset goes")
    parser.add_argument("--runs", type=to_numbers("runs"), metavar="1-5", help="default: all of the source")
    parser.add_argument(
        "--checkpoints", type=to_numbers("checkpoints"), metavar="0,9,40-49", help="default: all of a run"
    )
    add_license(parser)
    add_dry_run(parser)


def _build(options: argparse.Namespace) -> object:
    from ..builder.assembly.build import build, plan_build
    from ..builder.assembly.publish_source import forecast
    from ..builder.sources.open import named_games, open_source

    source = open_source(options.source, dict(options.storage_option))
    plan = plan_build(
        source,
        named_games(source, options.games),
        options.out,
        runs=options.runs,
        checkpoints=options.checkpoints,
    )
    if options.dry_run:
        return forecast(plan, 1)
    return build(plan, options.out, license=options.license)


def _add_publish(commands: "argparse._SubParsersAction") -> None:
    parser = _add(
        commands,
        "publish",
        _publish,
        "put a dataset into a folder or on the Hugging Face Hub: a built one, or straight from replay logs",
        "publish dataset --to /data/atari\n"
        "publish dataset --repo-id me/atari-dqn-replay --private --dry-run\n"
        "publish pong breakout --source gs://my-mirror/dqn --repo-id me/atari-dqn-replay\n"
        "publish all --source mirror/dqn --runs 1-5 --repo-id 'me/atari-dqn-replay-{game}' --workers 8\n"
        "publish all --source mirror/dqn --repo-id me/atari-dqn-replay --engine slurm \\\n"
        "    --workers 100 --engine-option partition=cpu --work /shared/atari-work",
        "what was made and sent is kept, and the same command goes on with the rest",
    )
    parser.add_argument(
        "what",
        nargs="+",
        metavar="FOLDER | GAME",
        help="a dataset as `build` writes it; or with --source, games in any spelling, or `all`",
    )
    add_destination(parser, "; may hold {game} for a place for each game, with --source")
    parser.add_argument("--private", action="store_true", help="create the repo on the Hub as a private one")
    add_license(parser)
    add_dry_run(parser)
    straight = parser.add_argument_group("straight from a source, checkpoint by checkpoint")
    add_selection(straight)
    straight.add_argument("--workers", type=to_positive, default=1, metavar="N", help="at once (default: 1)")
    straight.add_argument(
        "--engine",
        metavar="NAME",
        help="what runs the workers: process, local, ray, slurm or jobs "
        "(default: process for one, local for several)",
    )
    straight.add_argument(
        "--engine-option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of the engine, may be repeated; see docs/publishing.md",
    )
    straight.add_argument(
        "--work",
        metavar="FOLDER",
        help="folder or URL that all workers see, where unfinished work is kept "
        "(default: hidden in the folder that is published to, or in the cache)",
    )
    straight.add_argument(
        "--disk",
        type=to_size,
        default=DISK,
        metavar="SIZE",
        help="disk that the workers may use together, e.g. 500MB (default: 4GB)",
    )


def _publish(options: argparse.Namespace) -> object:
    if options.source is not None:
        return _publish_source(options)
    given = (options.runs, options.checkpoints, options.engine, options.work)
    listed = (*options.engine_option, *options.storage_option)
    if len(options.what) > 1 or any(each is not None for each in given) or listed or options.workers > 1:
        options.refuse("publishing games needs --source; without it, name one built folder")
    from ..builder.publishing.publish import publish

    destination = _place(options).single()
    folder = to_path(options.what[0])
    return publish(folder, destination, dry_run=options.dry_run, license=options.license)


def _publish_source(options: argparse.Namespace) -> object:
    from ..builder.assembly.publish_source import forecast, publish_source
    from ..builder.engines.choice import open_engine

    engine = open_engine(
        options.engine or ("local" if options.workers > 1 else "process"),
        workers=options.workers,
        options=options.engine_option,
        finish=_finish(),
    )
    plan = _plan(options)
    if options.dry_run:
        return forecast(plan, options.workers, disk=options.disk)
    return publish_source(plan, engine, disk=options.disk, license=options.license)


def _finish() -> list[str]:
    """This very command, but for its engine."""
    given, kept = iter(sys.argv[1:]), []
    for argument in given:
        if argument in ("--engine", "--engine-option", "--workers"):
            next(given, None)
        elif not argument.startswith(("--engine=", "--engine-option=", "--workers=")):
            kept.append(argument)
    return [sys.argv[0], *kept]


def _add_status(commands: "argparse._SubParsersAction") -> None:
    parser = _add(
        commands,
        "status",
        _status,
        "tell how much of a source is published, and what workers are doing",
        "status all --source mirror/dqn --repo-id me/atari-dqn-replay\n"
        "status pong --source logs --to dataset",
        "nothing was changed",
    )
    parser.add_argument("what", nargs="+", metavar="GAME", help="in any spelling, or `all`")
    add_destination(parser, "; with {game} where there is one for each game")
    add_selection(parser)
    parser.add_argument("--work", metavar="FOLDER", help="as it was given to publish")


def _status(options: argparse.Namespace) -> object:
    from ..builder.assembly.status import status

    if options.source is None:
        options.refuse("--source is missing: it tells what there is to publish")
    return status(_plan(options))


def _add_verify(commands: "argparse._SubParsersAction") -> None:
    parser = _add(
        commands,
        "verify",
        _verify,
        "prove that a dataset is right: against its manifests, its card, and its source",
        "verify dataset\nverify --repo-id me/atari-dqn-replay --quick\nverify dataset --source mirror/dqn\n"
        "verify --repo-id 'me/atari-dqn-replay-{game}'",
        "nothing was changed",
    )
    each = "; with {game} where there is one for each game"
    parser.add_argument("to", type=to_path, nargs="?", metavar="FOLDER", help=f"a dataset in a folder{each}")
    parser.add_argument("--repo-id", metavar="USER/NAME", help=f"a dataset on the Hub{each}")
    parser.add_argument("--revision", metavar="REVISION", help="on the Hub (default: main)")
    parser.add_argument("--source", type=to_source, help=f"compare with it, too: {SOURCE_HELP}")
    add_storage_option(parser)
    parser.add_argument("--games", nargs="+", metavar="GAME", help="only these (default: all there)")
    parser.add_argument(
        "--quick", action="store_true", help="files, sizes, checksums that need no download, and the card"
    )


def _verify(options: argparse.Namespace) -> object:
    from ..builder.format.games import find_game
    from ..builder.sources.open import open_source
    from ..builder.verification.places import verify_place

    if (options.to is None) == (options.repo_id is None):
        options.refuse("name either a folder or, with --repo-id, a dataset on the Hub")
    source = options.source and open_source(options.source, dict(options.storage_option))
    games = None if options.games is None else [find_game(name) for name in options.games]
    return verify_place(_place(options), source=source, games=games, quick=options.quick)


def _add_remove(commands: "argparse._SubParsersAction") -> None:
    parser = _add(
        commands,
        "remove",
        _remove,
        "take games, or runs of them, out of a published dataset",
        "remove pong --to dataset\nremove pong breakout --runs 3-5 --repo-id me/atari-dqn-replay --dry-run\n"
        "remove pong breakout --to '/data/atari-{game}'",
        "the same command goes on with what is left to remove",
    )
    parser.add_argument("what", nargs="+", metavar="GAME", help="in any spelling")
    add_destination(parser, "; with {game} where there is one for each game")
    parser.add_argument("--runs", type=to_numbers("runs"), metavar="1-5", help="only these (default: all)")
    add_dry_run(parser)


def _remove(options: argparse.Namespace) -> object:
    from ..builder.format.games import find_game
    from ..builder.publishing.editing import remove_at

    games = [find_game(name) for name in options.what]
    return remove_at(_place(options), games, runs=options.runs, dry_run=options.dry_run)


def _add_render(commands: "argparse._SubParsersAction") -> None:
    parser = _add(
        commands,
        "render",
        _render,
        "write the card of a published dataset anew, without touching its data",
        "render --to dataset\nrender --repo-id me/atari-dqn-replay --license cc-by-4.0\n"
        "render --repo-id 'me/atari-dqn-replay-{game}'",
        "the same command goes on with the cards that are left",
    )
    add_destination(parser, "; with {game} for all that there are, one for each game")
    add_license(parser)
    add_dry_run(parser)


def _render(options: argparse.Namespace) -> object:
    from ..builder.publishing.editing import render_at

    return render_at(_place(options), license=options.license, dry_run=options.dry_run)


def _place(options: argparse.Namespace) -> "Place":
    from ..builder.repos.place import Place

    private = getattr(options, "private", False)
    if options.repo_id is None and (private or options.revision is not None):
        option = "--private" if private else "--revision"
        options.refuse(f"{option} is for the Hub: give --repo-id instead of a folder")
    folder = None if options.to is None else str(options.to)
    return Place(folder, options.repo_id, revision=options.revision or "main", private=private)


def _plan(options: argparse.Namespace) -> "Plan":
    from ..builder.assembly.plan import make_plan
    from ..builder.sources.open import named_games, open_source

    source = open_source(options.source, dict(options.storage_option))
    return make_plan(
        source,
        named_games(source, options.what),
        _place(options),
        options.work,
        runs=options.runs,
        checkpoints=options.checkpoints,
    )


_COMMANDS = (
    _add_demo,
    _add_collect,
    _add_inspect,
    _add_build,
    _add_publish,
    _add_status,
    _add_verify,
    _add_remove,
    _add_render,
)


if __name__ == "__main__":
    sys.exit(main())
