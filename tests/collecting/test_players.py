"""Who plays: the hand-written players win, and the share of random play decides how much."""

import numpy as np
import pytest
from atari_dqn_replay.builder.collecting.agent import Agent, random_shares
from atari_dqn_replay.builder.collecting.environment import AtariEnvironment
from atari_dqn_replay.builder.errors import UnknownNameError
from atari_dqn_replay.builder.format.games import find_game


def play(name: str, steps: int, random_share: float, policy: str = "player") -> tuple[float, list[float]]:
    """The sum of all rewards, not clipped, and the returns of the episodes that came to an end."""
    game = find_game(name)
    environment = AtariEnvironment(game, seed=0)
    agent = Agent(game, policy, np.random.default_rng(0))
    environment.reset()
    returns, total, episode = [], 0.0, 0.0
    for _ in range(steps):
        _, reward, terminated, truncated = environment.step(agent.act(environment, random_share))
        total, episode = total + reward, episode + reward
        if terminated or truncated:
            returns.append(episode)
            environment.reset()
            episode = 0.0
    return total, returns


@pytest.mark.slow
@pytest.mark.parametrize(
    ("game", "steps", "least"),
    [("Pong", 8000, 10), ("Breakout", 6000, 30), ("Freeway", 2100, 21), ("DemonAttack", 1200, 300)],
)
def test_players_win(game: str, steps: int, least: float) -> None:
    _, returns = play(game, steps, random_share=0)
    assert returns
    assert np.mean(returns) >= least


@pytest.mark.slow
def test_the_more_is_left_to_chance_the_less_is_won() -> None:
    """With twelve checkpoints these are the shares of mixed, medium and expert."""
    shares = random_shares("player", 12)
    mixed, medium, expert = (play("Breakout", 2048, shares[checkpoint])[0] for checkpoint in (0, 9, 11))
    assert mixed < medium < expert


def test_shares_fall_evenly_to_nothing() -> None:
    assert random_shares("player", 5) == [1, 0.75, 0.5, 0.25, 0]
    assert random_shares("player", 1) == [0]
    assert random_shares("random", 3) == [1, 1, 1]


def test_the_random_policy_plays_every_game() -> None:
    total, _ = play("MsPacman", 200, random_share=1, policy="random")
    assert total > 0


def test_a_game_without_a_player_names_those_that_have_one() -> None:
    with pytest.raises(UnknownNameError, match="no player for Seaquest: only Pong, Breakout, Freeway"):
        Agent(find_game("Seaquest"), "player", np.random.default_rng(0))


def test_an_unknown_policy_names_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="'expert': expected random or player"):
        Agent(find_game("Pong"), "expert", np.random.default_rng(0))
