"""A DQN of one's own, at its shortest, whose replay is logged for `build`.

    python examples/log_your_agent.py Freeway logs --steps 200000

Needs torch and gymnasium: `pip install 'atari-dqn-replay[agents,gymnasium]'`.
"""

import argparse

import ale_py
import gymnasium
import numpy as np
import torch
from gymnasium.wrappers import AtariPreprocessing, FrameStackObservation
from torch import nn

from atari_dqn_replay import ReplayLogger

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("game", help="as ALE spells it, e.g. Freeway")
parser.add_argument("out", help="root folder of the logs")
parser.add_argument("--steps", type=int, default=200_000, help="agent steps (default: 200000)")
parser.add_argument("--checkpoint-size", type=int, default=10_000, help="rows of a dump (default: 10000)")
parser.add_argument("--learn-after", type=int, default=2_000, help="steps before learning (default: 2000)")
arguments = parser.parse_args()

gymnasium.register_envs(ale_py)
env = gymnasium.make(f"ALE/{arguments.game}-v5", frameskip=1, max_num_frames_per_episode=0)
env = AtariPreprocessing(env, noop_max=0, terminal_on_life_loss=False)
env = ReplayLogger(env, arguments.out, agent="a short DQN", checkpoint_size=arguments.checkpoint_size)
env = FrameStackObservation(env, 4)

random, actions = np.random.default_rng(0), int(env.action_space.n)  # pyright: ignore[reportAttributeAccessIssue]
network, target = (
    nn.Sequential(
        *(nn.Conv2d(4, 16, 8, 4), nn.ReLU(), nn.Conv2d(16, 32, 4, 2), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(2592, 256), nn.ReLU(), nn.Linear(256, actions)),
    )
    for _ in range(2)
)
optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
memory: list[tuple[np.ndarray, int, float, np.ndarray, bool]] = []
observation, _ = env.reset(seed=0)
for step in range(arguments.steps):
    action = int(random.integers(actions))
    if random.random() > max(0.05, 1 - step / (0.3 * arguments.steps)):
        action = int(network(torch.from_numpy(observation)[None] / 255).argmax())
    after, reward, terminated, truncated, _ = env.step(action)
    memory.append((observation, action, float(np.sign(float(reward))), after, terminated))
    del memory[:-10_000]
    observation = env.reset()[0] if terminated or truncated else after
    if step >= arguments.learn_after and step % 4 == 0:
        rows = [memory[row] for row in random.integers(len(memory), size=32)]
        before, taken, rewards, later, ends = (
            torch.from_numpy(np.stack(column)) for column in zip(*rows, strict=True)
        )
        with torch.no_grad():
            goal = rewards + 0.99 * target(later / 255).max(1).values * ~ends
        values = network(before / 255)[torch.arange(32), taken]
        loss = nn.functional.smooth_l1_loss(values, goal.float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if step % 1_000 == 0:
        target.load_state_dict(network.state_dict())
env.close()  # writes the last dump
print(f"logged; next: atari-dqn-replay build {arguments.game} --source {arguments.out} --out dataset")
