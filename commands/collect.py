"""`atari-dqn-replay collect`."""

import argparse
from typing import TYPE_CHECKING

from .arguments import to_path, to_positive

if TYPE_CHECKING:
    from ..builder.format.games import Game

_OF_LOGS = ("checkpoints", "checkpoint_size", "observation", "probabilities")
_OF_WORLDS = ("steps", "environments", "own_maps", "workers")

SUMMARY = "play a game and write replay logs in the layout of the DQN Replay Dataset, or a world's episodes"
EXAMPLES = (
    "atari-dqn-replay collect pong --out logs --policy player --checkpoints 11 --checkpoint-size 5000",
    "atari-dqn-replay collect seaquest --out logs --run 2 --seed 2",
    "atari-dqn-replay collect pong --out logs-rgb --observation rgb64 --checkpoints 4",
    "atari-dqn-replay collect crafter --out played --environments 8 --steps 100000 --workers 2",
)
WHEN_STOPPED = (
    "nothing is kept of a log, and of a world its finished episodes; the same command starts a log from the "
    "beginning, and goes on with a world"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the game, who plays it, and the size of the log."""
    parser.add_argument("game", metavar="GAME", help="game in any spelling: pong, MsPacman, ms-pacman")
    parser.add_argument("--out", type=to_path, required=True, metavar="LOGS", help="root folder of the logs")
    parser.add_argument(
        "--policy",
        choices=("random", "player", "heuristic"),
        help="uniformly random (the default for Atari), a hand-written player whose share of random actions "
        "falls over the checkpoints, or in Crafter one that repeats moves (the default there)",
    )
    parser.add_argument(
        "--checkpoints",
        type=int,
        metavar="N",
        help="number of checkpoints with a full replay buffer (default: 50)",
    )
    parser.add_argument(
        "--checkpoint-size",
        type=int,
        metavar="C",
        help="replay capacity in transitions, 7 KB of memory each in grey84; 1,000,000 in the original "
        "(default: 10000)",
    )
    parser.add_argument(
        "--run", type=int, default=1, metavar="R", help="number of the run (default: %(default)s)"
    )
    parser.add_argument(
        "--observation",
        metavar="FORMAT",
        help="colour and size of the frames: grey84, rgb64, rgb96, rgb210x160 or another, height first; "
        "resized by area interpolation (default: grey84)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="random seed (default: %(default)s)")
    parser.add_argument(
        "--probabilities",
        action="store_true",
        help="log with which probability each action was chosen, too: a seventh array, and the column prob",
    )
    world = parser.add_argument_group("worlds beyond Atari")
    world.add_argument(
        "--steps", type=to_positive, metavar="N", help="number of steps in all (default: 10000)"
    )
    world.add_argument("--environments", type=to_positive, metavar="N", help="number of players (default: 1)")
    world.add_argument(
        "--own-maps",
        action="store_true",
        help="a map for each player; by default all have the same in their first episodes, and so on",
    )
    world.add_argument(
        "--workers",
        type=to_positive,
        metavar="N",
        help="number of processes, which makes no difference to the bytes (default: 1)",
    )


def run(options: argparse.Namespace) -> object:
    """Play the game and write its logs, or the world and write its episodes."""
    from ..builder.format.games import find_game

    game = find_game(options.game)
    return _collect_log(game, options) if game.world is None else _collect_world(game, options)


def _collect_log(game: "Game", options: argparse.Namespace) -> object:
    from ..builder.collecting.collect import collect
    from ..builder.format.frame_format import FrameFormat

    if given := _given(options, _OF_WORLDS):
        options.refuse(f"--{given[0].replace('_', '-')} is for worlds beyond Atari, not for {game}")
    return collect(
        game,
        options.out,
        policy=options.policy or "random",
        checkpoints=50 if options.checkpoints is None else options.checkpoints,
        checkpoint_size=10_000 if options.checkpoint_size is None else options.checkpoint_size,
        run=options.run,
        seed=options.seed,
        frame_format=FrameFormat.parse(options.observation or "grey84"),
        probabilities=options.probabilities,
    )


def _collect_world(game: "Game", options: argparse.Namespace) -> object:
    from ..builder.collecting.collect_world import collect_world

    if given := _given(options, _OF_LOGS):
        options.refuse(f"--{given[0].replace('_', '-')} is for games of Atari; {game} has --steps")
    return collect_world(
        game,
        options.out,
        policy=options.policy,
        environments=1 if options.environments is None else options.environments,
        steps=10_000 if options.steps is None else options.steps,
        own_maps=options.own_maps,
        run=options.run,
        seed=options.seed,
        workers=1 if options.workers is None else options.workers,
    )


def _given(options: argparse.Namespace, names: tuple[str, ...]) -> list[str]:
    """Returns which of these options were given, whatever their value: 0 is one, too."""
    return [
        name for name in names if getattr(options, name) is not None and getattr(options, name) is not False
    ]
