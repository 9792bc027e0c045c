"""Scores: statistics by hand, and intervals that hold what they promise."""

import numpy as np
import pytest
from atari_dqn_replay.agents.scores import HUMAN_SCORES, human_normalised, interquartile_mean, mean, score
from atari_dqn_replay.builder.format.games import GAMES, find_game


@pytest.mark.parametrize(
    ("returns", "expected"),
    [
        ([5.0], 5.0),
        ([1.0, 2.0, 6.0], 3.0),  # a quarter of three is no whole episode
        ([100.0, 2.0, 4.0, -50.0], 3.0),
        ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 90.0, -9.0, 2.0], 2.4),
    ],
)
def test_the_interquartile_mean_leaves_out_a_quarter_at_each_end(
    returns: list[float], expected: float
) -> None:
    assert interquartile_mean(np.array(returns)) == pytest.approx(expected)


def test_a_bootstrap_interval_has_the_width_of_the_mean_of_so_many_draws() -> None:
    returns = np.random.default_rng(0).normal(10, 4, 400)
    found = score(returns, mean)
    error = returns.std() / 20
    assert found.value == returns.mean()
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert score(np.full(9, 3.0), interquartile_mean) == (score(np.full(9, 3.0), mean))


def test_a_human_scores_1_and_a_random_player_0() -> None:
    pong = find_game("pong")
    assert human_normalised(pong, 14.6) == pytest.approx(1)
    assert human_normalised(pong, -20.7) == 0
    assert human_normalised(find_game("pooyan"), 100) is None


def test_all_games_but_five_have_a_human_score() -> None:
    names = {game.name for game in GAMES}
    assert HUMAN_SCORES.keys() <= names
    lacking = {"AirRaid", "Carnival", "ElevatorAction", "JourneyEscape", "Pooyan"}
    assert names - HUMAN_SCORES.keys() == lacking
