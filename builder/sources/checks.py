"""Checks that every source makes of an episode's numbers before it passes them on."""

import numpy as np

from ..errors import SourceError
from ..format.games import Game


def check_actions(action: np.ndarray, game: Game, where: str) -> np.ndarray:
    """Returns actions as int32, after checking that the game has them.

    Args:
        action: integers, shape (n,).
        game: the game, which defines the valid actions.
        where: the name in messages of what holds them.

    Raises:
        SourceError: an action is not one of the game's.
    """
    known = len(game.actions)
    wrong = action[(action < 0) | (action >= known)]
    if len(wrong):
        raise SourceError(
            f"{where}: holds action {wrong[0]}, but {game} has the {known} actions 0 to {known - 1}; "
            f"is it play of another game?"
        )
    return action.astype(np.int32)


def check_rewards(reward: np.ndarray, where: str) -> np.ndarray:
    """Returns rewards unchanged, after checking that they have a return.

    Args:
        reward: float32, shape (n,).
        where: the name in messages of what holds them.

    Raises:
        SourceError: a reward is NaN or infinite, or they are too large to be summed in float32.
    """
    sizes = np.abs(reward, dtype=np.float64)
    if not sizes.sum() <= np.finfo(np.float32).max:
        worst = float(reward[np.argmax(np.nan_to_num(sizes, nan=np.inf))])
        raise SourceError(
            f"{where}: holds reward {worst:g}, of which no return can be computed; use another copy"
        )
    return reward
