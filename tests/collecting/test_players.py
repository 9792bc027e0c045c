"""Who plays: the hand-written players win, and the share of random play decides how much."""

import numpy as np
import pytest
from atari_dqn_replay.builder.collecting.agent import Agent, random_shares
from atari_dqn_replay.builder.collecting.environment import AtariEnvironment
from atari_dqn_replay.builder.errors import UnknownNameError
from atari_dqn_replay.builder.format.games import find_game


def play(name: str, steps: int, random_share: float, policy: str = "player") -> float:
    """The sum of all rewards, not clipped."""
    game = find_game(name)
    environment = AtariEnvironment(game, seed=0)
    agent = Agent(game, policy, np.random.default_rng(0))
    environment.reset()
    total = 0.0
    for _ in range(steps):
        _, reward, terminated, truncated = environment.step(agent.act(environment, random_share))
        total += reward
        if terminated or truncated:
            environment.reset()
    return total


@pytest.mark.slow
@pytest.mark.parametrize(
    ("game", "steps", "least"),
    [("Pong", 1000, 4), ("Breakout", 1000, 30), ("Freeway", 1000, 12), ("DemonAttack", 1000, 300)],
)
def test_players_score(game: str, steps: int, least: float) -> None:
    """By chance they would have -21, 5, 0 and 160 points by then."""
    assert play(game, steps, random_share=0) >= least


@pytest.mark.slow
def test_the_more_is_left_to_chance_the_less_is_won() -> None:
    """With twelve checkpoints these are the shares of mixed, medium and expert."""
    shares = random_shares("player", 12)
    mixed, medium, expert = (play("Breakout", 1024, shares[checkpoint]) for checkpoint in (0, 9, 11))
    assert mixed < medium < expert


def test_shares_fall_evenly_to_nothing() -> None:
    assert random_shares("player", 5) == [1, 0.75, 0.5, 0.25, 0]
    assert random_shares("player", 1) == [0]
    assert random_shares("random", 3) == [1, 1, 1]


def test_the_random_policy_plays_every_game() -> None:
    total = play("MsPacman", 200, random_share=1, policy="random")
    assert total > 0


def test_a_game_without_a_player_names_those_that_have_one() -> None:
    with pytest.raises(UnknownNameError, match="no player for Seaquest: only Pong, Breakout, Freeway"):
        Agent(find_game("Seaquest"), "player", np.random.default_rng(0))


def test_an_unknown_policy_names_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="'expert': expected random or player"):
        Agent(find_game("Pong"), "expert", np.random.default_rng(0))
