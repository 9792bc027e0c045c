"""Trains the network of the Nature DQN to predict the agents' actions: offline learning at its shortest.

    python examples/behaviour_cloning.py dataset pong-expert --updates 1000

Needs torch: `pip install 'atari-dqn-replay[torch]'`.
"""

import argparse
import itertools

import torch
from torch import nn

from atari_dqn_replay import Transitions, find_game

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("dataset", help="folder or Hub repo")
parser.add_argument("config", help="e.g. pong-expert")
parser.add_argument("--split", default="run_1", help="the agent: run_1 … run_5 (default: run_1)")
parser.add_argument("--updates", type=int, default=1000, help="batches to learn from (default: 1000)")
arguments = parser.parse_args()

torch.manual_seed(0)
game = find_game(arguments.config.rpartition("-")[0])
network = nn.Sequential(
    *(nn.Conv2d(4, 32, 8, 4), nn.ReLU()),
    *(nn.Conv2d(32, 64, 4, 2), nn.ReLU()),
    *(nn.Conv2d(64, 64, 3, 1), nn.ReLU()),
    *(nn.Flatten(), nn.Linear(3136, 512), nn.ReLU()),
    nn.Linear(512, len(game.actions)),
)
optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)

batches = Transitions(arguments.dataset, arguments.config, arguments.split, batch_size=32, frame_stack=4)
epochs = itertools.chain.from_iterable(itertools.repeat(batches))
for update, batch in enumerate(itertools.islice(epochs, arguments.updates), start=1):
    observation = torch.as_tensor(batch["observation"]).float() / 255
    action = torch.as_tensor(batch["action"]).long()
    logits = network(observation)
    loss = nn.functional.cross_entropy(logits, action)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if update % 100 == 0 or update == arguments.updates:
        agreement = (logits.argmax(1) == action).float().mean().item()
        print(f"update {update}: loss {loss.item():.3f}, the same action in {agreement:.0%} of the steps")
