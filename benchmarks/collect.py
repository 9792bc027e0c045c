"""Measures how many agent steps per second a game is played at, on one core.

Each game is played at random under the dataset's protocol (four emulated frames a step, 84×84 grey) by
`builder/environment.py` for --seconds, in one process pinned to one core.
"""

import statistics
import time

import numpy as np
from atari_dqn_replay.builder.collecting.environment import AtariEnvironment
from atari_dqn_replay.builder.format.games import GAMES, Game, find_game
from common import argument_parser, measure, print_table

STEPS_AT_ONCE = 100


def main() -> None:
    """Play every game for a while and print the results."""
    parser = argument_parser(__doc__)
    parser.add_argument("--games", nargs="+", default=["all"], help="names, or all (the default)")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each game (default: %(default)s)")
    options = parser.parse_args()
    games = list(GAMES) if options.games == ["all"] else [find_game(name) for name in options.games]
    rates: list[float] = measure(play_games, games, options.seconds, one_core=True).value
    rows = [[str(game), f"{rate:,.0f}"] for game, rate in zip(games, rates, strict=True)]
    print_table(["game", "steps/s"], [*rows, ["**median**", f"**{statistics.median(rates):,.0f}**"]])


def play_games(games: list[Game], seconds: float) -> list[float]:
    """Returns the steps per second of each game."""
    return [_play(game, seconds) for game in games]


def _play(game: Game, seconds: float) -> float:
    environment, random = AtariEnvironment(game), np.random.default_rng(0)
    environment.reset()
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        for action in random.integers(len(environment.actions), size=STEPS_AT_ONCE):
            _, _, terminated, truncated = environment.step(int(action))
            if terminated or truncated:
                environment.reset()
        steps += STEPS_AT_ONCE
    return steps / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
