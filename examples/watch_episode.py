"""Saves the episode with the highest return as an animated GIF. Only that episode's frames are read.

python examples/watch_episode.py dataset pong-expert best.gif
"""

import argparse

from PIL import Image

from atari_dqn_replay import EpisodeFilter, Episodes

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("dataset", help="folder or Hub repo")
parser.add_argument("config", help="e.g. pong-expert")
parser.add_argument("picture", help="file to write, e.g. best.gif")
parser.add_argument("--split", default="run_1", help="the agent: run_1 … run_5 (default: run_1)")
arguments = parser.parse_args()

# A share so small that it is one episode.
only_the_best = EpisodeFilter(complete=True, top=1e-6)
episode = next(iter(Episodes(arguments.dataset, arguments.config, arguments.split, episodes=only_the_best)))
frames = [
    Image.fromarray(frame).resize((336, 336), Image.Resampling.NEAREST) for frame in episode["observation"]
]
# 15 frames a second, as fast as the game was: each stands for four frames of the console's 60.
frames[0].save(arguments.picture, save_all=True, append_images=frames[1:], duration=1000 // 15, loop=0)
print(f"{arguments.picture}: {len(frames)} steps, return {episode['return']:g}")
