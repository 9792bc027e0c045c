"""What returns amount to: means, intervals, and scores normalised by human players'."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..builder.format.games import Game

RESAMPLES = 2_000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Score:
    """A statistic of returns, with its bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.1f} [{self.low:.1f}, {self.high:.1f}]"


def mean(returns: np.ndarray) -> np.ndarray:
    """Returns the mean of the last axis."""
    return returns.mean(-1)


def interquartile_mean(returns: np.ndarray) -> np.ndarray:
    """Returns the mean of the middle half of the last axis, without the quarters at both ends.

    Of a number that four does not divide, each end loses a whole number, rounded down (Agarwal et al. 2021,
    whose library rliable calls `scipy.stats.trim_mean`).
    """
    cut = returns.shape[-1] // 4
    return np.sort(returns, -1)[..., cut : returns.shape[-1] - cut].mean(-1)


def score(returns: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray], seed: int = 0) -> Score:
    """Returns a statistic with its percentile bootstrap interval of 95 %, as rliable's.

    Args:
        returns: (n,), one for each episode.
        statistic: reduces the last axis.
        seed: the seed of the resamples.
    """
    random = np.random.default_rng(seed)
    drawn = returns[random.integers(len(returns), size=(RESAMPLES, len(returns)))]
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(statistic(drawn), [tail, 100 - tail])
    return Score(float(statistic(returns)), float(low), float(high))


def human_normalised(game: Game, value: float) -> float | None:
    """Returns 0 for a random player's score and 1 for the human's; None if the table lacks the game."""
    if game.name not in HUMAN_SCORES:
        return None
    random, human = HUMAN_SCORES[game.name]
    return (value - random) / (human - random)


SOURCE = "DQN Zoo's atari_data.py (Quan and Ostrovski, 2020), after Wang et al. (2016)"
"""Where the table is from. Its players began with up to 30 no-ops and met no sticky actions."""

HUMAN_SCORES: dict[str, tuple[float, float]] = {
    "Alien": (227.8, 7127.7),
    "Amidar": (5.8, 1719.5),
    "Assault": (222.4, 742.0),
    "Asterix": (210.0, 8503.3),
    "Asteroids": (719.1, 47388.7),
    "Atlantis": (12850.0, 29028.1),
    "BankHeist": (14.2, 753.1),
    "BattleZone": (2360.0, 37187.5),
    "BeamRider": (363.9, 16926.5),
    "Berzerk": (123.7, 2630.4),
    "Bowling": (23.1, 160.7),
    "Boxing": (0.1, 12.1),
    "Breakout": (1.7, 30.5),
    "Centipede": (2090.9, 12017.0),
    "ChopperCommand": (811.0, 7387.8),
    "CrazyClimber": (10780.5, 35829.4),
    "DemonAttack": (152.1, 1971.0),
    "DoubleDunk": (-18.6, -16.4),
    "Enduro": (0.0, 860.5),
    "FishingDerby": (-91.7, -38.7),
    "Freeway": (0.0, 29.6),
    "Frostbite": (65.2, 4334.7),
    "Gopher": (257.6, 2412.5),
    "Gravitar": (173.0, 3351.4),
    "Hero": (1027.0, 30826.4),
    "IceHockey": (-11.2, 0.9),
    "Jamesbond": (29.0, 302.8),
    "Kangaroo": (52.0, 3035.0),
    "Krull": (1598.0, 2665.5),
    "KungFuMaster": (258.5, 22736.3),
    "MontezumaRevenge": (0.0, 4753.3),
    "MsPacman": (307.3, 6951.6),
    "NameThisGame": (2292.3, 8049.0),
    "Phoenix": (761.4, 7242.6),
    "Pitfall": (-229.4, 6463.7),
    "Pong": (-20.7, 14.6),
    "PrivateEye": (24.9, 69571.3),
    "Qbert": (163.9, 13455.0),
    "Riverraid": (1338.5, 17118.0),
    "RoadRunner": (11.5, 7845.0),
    "Robotank": (2.2, 11.9),
    "Seaquest": (68.4, 42054.7),
    "Skiing": (-17098.1, -4336.9),
    "Solaris": (1236.3, 12326.7),
    "SpaceInvaders": (148.0, 1668.7),
    "StarGunner": (664.0, 10250.0),
    "Tennis": (-23.8, -8.3),
    "TimePilot": (3568.0, 5229.2),
    "Tutankham": (11.4, 167.6),
    "UpNDown": (533.4, 11693.2),
    "Venture": (0.0, 1187.5),
    "VideoPinball": (16256.9, 17667.9),
    "WizardOfWor": (563.5, 4756.5),
    "YarsRevenge": (3092.9, 54576.9),
    "Zaxxon": (32.5, 9173.3),
}
"""The scores of a random and of a human player, by the games' names; five of the 60 games are not in it."""
