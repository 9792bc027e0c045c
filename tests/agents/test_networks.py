"""Networks have the papers' shapes, with Dopamine's padding."""

import torch
from atari_dqn_replay.agents.agents import AGENTS
from atari_dqn_replay.agents.hyperparameters import HYPERPARAMETERS, NETWORK_NAMES
from atari_dqn_replay.agents.networks import NETWORKS, AtariNetwork, same_padding


def test_the_nature_network_has_as_many_weights_as_dopamines() -> None:
    network = AtariNetwork(6, 1, NETWORKS["nature"])
    counts = [parameter.numel() for parameter in network.parameters()]
    convolutions = [8 * 8 * 4 * 32, 32, 4 * 4 * 32 * 64, 64, 3 * 3 * 64 * 64, 64]
    assert counts == [*convolutions, 11 * 11 * 64 * 512, 512, 512 * 6, 6]


def test_padding_is_tensorflows() -> None:
    assert same_padding(84, 8, 4) == (2, 2)
    assert same_padding(21, 4, 2) == (1, 2)  # the odd row comes last
    assert same_padding(11, 3, 1) == (1, 1)


def test_outputs_are_grouped_by_action_and_pixels_are_scaled_to_1() -> None:
    network = AtariNetwork(3, 5, NETWORKS["tiny"], observation_shape=(1, 12, 12), fan_in=True)
    white = torch.full((2, 1, 12, 12), 255, dtype=torch.uint8)
    assert network(white).shape == (2, 3, 5)
    torch.testing.assert_close(network(white), network.layers(torch.ones(2, 1, 12, 12)).view(2, 3, 5))


def test_the_tables_name_the_same_agents_and_networks() -> None:
    assert list(AGENTS) == list(HYPERPARAMETERS)
    assert tuple(NETWORKS) == NETWORK_NAMES
