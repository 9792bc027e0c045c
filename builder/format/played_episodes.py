"""Names the files in which played episodes of a world are kept: `<root>/Crafter/<run>/episodes/…`.

There is a file for each episode, an `.npz` without pickles, named after the episode's number in its
environment and the environment, so that names sort in the order in which a dataset has them: all
environments' first episodes, all their second ones, and so on. With L steps, it holds

| array | shape, dtype | |
|---|---|---|
| observation | (L, height, width[, 3]) uint8 | before each step |
| final_observation | (height, width[, 3]) uint8 | after the last one |
| state | (L + 1, columns) int16 | before each step, and after the last; the provenance lists the columns |
| action | (L,) int32 | |
| reward | (L,) float32 | |
| end | (2,) uint8 | whether it was terminated, and whether it was truncated |
| origin | (3,) int64 | the environment, the seed of its worlds, and the episode's number in it |

and, for each of the world's maps, the bytes of a PNG, uint8. `provenance.json` beside them states how all of
it was played.
"""

import re
from dataclasses import dataclass

FOLDER = "episodes"
"""The folder of a run's episodes."""
ORIGIN = ("environment", "world_seed", "world_episode")
"""The columns of `origin`."""
STATE_COLUMNS = "state_columns"
"""The detail of the provenance that lists the columns of `state`."""

_NAME = re.compile(r"([0-9]{6})-([0-9]{4})\.npz")
MOST_ENVIRONMENTS = 10_000
MOST_EPISODES = 1_000_000
"""The most episodes of an environment."""


@dataclass(frozen=True, order=True)
class EpisodeName:
    """The name of an episode's file."""

    world_episode: int
    """The number of the episode in its environment."""
    environment: int

    def __str__(self) -> str:
        return f"{self.world_episode:06d}-{self.environment:04d}.npz"

    @classmethod
    def parse(cls, name: str) -> "EpisodeName | None":
        """Returns the parts of a file's name; None if it is not the name of an episode's file."""
        found = _NAME.fullmatch(name)
        return None if found is None else cls(int(found[1]), int(found[2]))
