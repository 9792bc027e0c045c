"""Reads whole episodes, one at a time."""

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import numpy as np

from ..builder.format.frame_format import GREY84
from .catalog import Catalog, Dataset
from .episode_filter import EpisodeFilter
from .preprocessing import Preprocessing
from .reader import Item, Reader
from .selection import Selection
from .stacking import check_stack, stack_rows
from .step_checks import CHECKED, check_steps, place_rows

AHEAD = 2
"""The number of episodes, or stretches of short ones, read before they are requested."""
STRETCH_BYTES = 4096 * GREY84.nbytes
"""The most bytes of frames of neighbouring episodes that are read together."""

_READ = ("observation", "reward", "return_to_go", *CHECKED)


class Episodes(Reader):
    """Yields whole episodes, one at a time, each once per epoch.

    An episode is a dict of arrays over its L steps, and of its values in the episodes table:

    | key | shape, dtype | |
    |---|---|---|
    | observation | (L, 84, 84) uint8 | (L, frame_stack, 84, 84) if frame_stack is above 1 |
    | action | (L,) int64 | |
    | reward | (L,) float32 | |
    | return_to_go | (L,) float32 | undiscounted, of the rewards as stored |
    | terminated | (L,) bool | True on the last step if the game ended the episode |
    | truncated | (L,) bool | True on the last step if the time limit or the end of the log did |
    | checkpoint, episode, length | int | `episode` counts within the checkpoint |
    | return | float | the sum of the rewards as stored |
    | complete | bool | began at a reset and ended, as its episodes table says; False without a table |
    | final_observation | as one of observation | only if asked for: what was seen after the last step; None \
    where the dataset does not have it |
    | any other column of numbers | (L,) | as stored: `unclipped_reward`, `prob`, the state of a world |

    The order is the same for any number of ranks and DataLoader workers (use `batch_size=None` there), and
    `state_dict` and `load_state_dict` resume exactly at an episode; see `Reader`.

    Only row groups that hold chosen episodes are read, a few episodes ahead on a thread; memory holds only
    those. In order of play, neighbouring episodes are read together; shuffled, an episode much shorter than a
    row group's 2,048 steps costs as much as one of that length.

    Args:
        dataset: a folder, a repo on the Hub, a `Dataset`, or an `IterableDataset` from load_dataset.
        config_name: the config of a folder or a repo, `<game>-<quality>`.
        split: the split of a folder or a repo, `run_1` ….
        frame_stack: the number of frames in an observation; zeros before the episode's start.
        shuffle: whether to draw a random order, all equally likely; if False, episodes come in order of play.
        seed: the seed of the order.
        episodes: the episodes to read; all if None.
        preprocessing: changes to make to each episode.
        final_observation: whether to add what was seen after the last step; of a prepared `Dataset`, which
            has no episodes table, it is None.
        rank: this process's rank among `world_size` processes.
        world_size: the number of processes that share the episodes.
        revision: a branch, tag or commit of a repo.
        token: the token for a private repo; None uses the usual locations.

    Raises:
        AtariReplayError: the dataset, config or split does not exist, no episode is left, or an option is
            invalid.

    Example: the best tenth of a whole run.

    ```python
    >>> from atari_dqn_replay import EpisodeFilter, Episodes
    >>> best = EpisodeFilter(top=0.1)
    >>> for episode in Episodes("me/atari-dqn-replay", "pong-full", split="run_1", episodes=best):
    ...     print(episode["return"], episode["observation"].shape)
    ```
    """

    def __init__(
        self,
        dataset: Dataset,
        config_name: str | None = None,
        split: str | None = None,
        *,
        frame_stack: int = 1,
        shuffle: bool = False,
        seed: int = 0,
        episodes: EpisodeFilter | None = None,
        preprocessing: Preprocessing | None = None,
        final_observation: bool = False,
        rank: int = 0,
        world_size: int = 1,
        revision: str | None = None,
        token: str | bool | None = None,
    ) -> None:
        check_stack(frame_stack)
        selection = Selection(dataset, config_name, split, episodes, revision, token)
        rank, world_size = selection.share(rank, world_size)
        super().__init__(seed=seed, rank=rank, world_size=world_size)
        self.catalog: Catalog = selection.open()
        self.preprocessing = (preprocessing or Preprocessing()).bind(
            self.catalog.action_names, frame_stack > 1, self.catalog.frame_format
        )
        self.shuffle, self._frame_stack = shuffle, frame_stack
        self._with_final = final_observation

    @property
    def items_in_epoch(self) -> int:
        """Returns the number of episodes, over all ranks."""
        return len(self.catalog.episodes)

    def identity(self) -> dict[str, int]:
        """Returns what the order depends on."""
        return {
            "seed": self.seed,
            "episodes": self.items_in_epoch,
            "samples": self.catalog.steps,
            "shuffle": int(self.shuffle),
        }

    def read(self, epoch: int, numbers: Sequence[int]) -> Generator[Item]:
        """Yield the episodes at these positions of an epoch's order, which ascend."""
        order = np.arange(self.items_in_epoch)
        if self.shuffle:
            np.random.default_rng([self.seed, epoch]).shuffle(order)
        stretches = self._stretches(order[np.asarray(numbers, np.int64)])
        executor = ThreadPoolExecutor(1, thread_name_prefix="episodes")
        try:
            reading = deque(executor.submit(self._read, stretch) for stretch in islice(stretches, 1 + AHEAD))
            while reading:
                yield from _take(reading)
                reading.extend(executor.submit(self._read, stretch) for stretch in islice(stretches, 1))
        finally:
            executor.shutdown(wait=True, cancel_futures=True)

    def _stretches(self, chosen: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the same episodes in order, with closely neighbouring ones together."""
        episodes = self.catalog.episodes[chosen]
        shard, first = episodes["shard"], episodes["first_row"]
        ends = first + episodes["length"]
        frame_format = self.catalog.frame_format
        # With a gap smaller than a row group between two episodes, nothing unneeded is read.
        gap, most = frame_format.rows_in_group, STRETCH_BYTES // frame_format.nbytes
        start = 0
        for number in range(1, len(episodes) + 1):
            if (
                number == len(episodes)
                or shard[number] != shard[start]
                or not 0 <= first[number] - ends[number - 1] < gap
                or ends[number] - first[start] > most
            ):
                yield episodes[start:number]
                start = number

    def _read(self, stretch: np.ndarray) -> list[Item]:
        shard = self.catalog.shards[stretch["shard"][0]]
        first = int(stretch["first_row"][0])
        last = int(stretch["first_row"][-1] + stretch["length"][-1])
        wanted = [*_READ, *shard.other_columns]
        columns = shard.read(first, last, wanted, self.catalog.frame_format)
        check_steps(shard, columns, place_rows(stretch, first, last), first)
        items = []
        for episode in stretch:
            start = int(episode["first_row"]) - first
            steps = {name: column[start : start + episode["length"]] for name, column in columns.items()}
            others = {name: steps[name].copy() for name in shard.other_columns}
            item = {**self._item(episode, steps), **others}
            if self._with_final:
                final = self.catalog.final_observation(int(episode["shard"]), int(episode["episode"]))
                item["final_observation"] = None if final is None else self._stack_final(steps, final)
            items.append(self.preprocessing(item))
        return items

    def _item(self, episode: np.void, steps: dict[str, np.ndarray]) -> Item:
        ends = np.zeros(len(steps["step"]), bool)
        ends[-1] = True
        return {
            "observation": self._stack(steps["observation"], steps["step"]),
            "action": steps["action"].astype(np.int64),
            "reward": steps["reward"].astype(np.float32),
            "return_to_go": steps["return_to_go"].astype(np.float32),
            "terminated": ends & episode["terminated"],
            "truncated": ends & ~episode["terminated"],
            **{name: int(episode[name]) for name in ("checkpoint", "episode", "length")},
            "return": float(episode["return"]),
            "complete": bool(episode["complete"]),
        }

    def _stack_final(self, steps: dict[str, np.ndarray], final: np.ndarray) -> np.ndarray:
        """Returns what follows the last step in the form of an observation."""
        before = slice(max(0, len(steps["step"]) + 1 - self._frame_stack), None)
        frames = np.concatenate([steps["observation"][before], final[None]])
        return self._stack(frames, np.arange(len(frames)))[-1]

    def _stack(self, frames: np.ndarray, step: np.ndarray) -> np.ndarray:
        if self._frame_stack == 1:
            return frames.copy()
        blank = np.zeros((1, *frames.shape[1:]), np.uint8)
        rows = stack_rows(1 + np.arange(len(frames)), step, self._frame_stack)
        return np.concatenate([blank, frames]).take(rows, axis=0)


def _take(reading: deque[Future[list[Item]]]) -> Iterator[Item]:
    # Yielded episodes are not kept: one can be large.
    items = deque(reading.popleft().result())
    while items:
        yield items.popleft()
