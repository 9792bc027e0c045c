"""Names the files of a folder of episodes for PyTorch, as Zenchiyu's static Crafter collection has them.

An episode is a file saved by `torch.save`, a dict with `obs` uint8 (L, 3, height, width), `act` int64, `rew`
float32, `end` and `trunc` uint8, all but the first of shape (L,); DIAMOND's have `info` besides. `info.pt`
beside them sums them up.
"""

import re

INFO = "info.pt"
KEYS = ("obs", "act", "rew", "end", "trunc")
FOLDER_NAME = re.compile(r"[0-9]00")
"""A name of the outermost folders: the hundreds of their episodes' numbers."""

MOST_EPISODES = 10_000_000
"""The most episodes of a run, whose numbers are below it."""


def path_of(number: int) -> str:
    """Returns the path of an episode's file: `100/20/3/123.pt` for episode 123."""
    return f"{number // 100 % 10 * 100:03d}/{number // 10 % 10 * 10:02d}/{number % 10}/{number}.pt"
