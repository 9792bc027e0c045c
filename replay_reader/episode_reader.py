"""Whole episodes, one at a time."""

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import numpy as np

from .catalog import Catalog, Dataset
from .episode_filter import EpisodeFilter
from .preprocessing import Preprocessing
from .reader import Item, Reader
from .selection import Selection
from .stacking import check_stack, stack_rows
from .step_checks import CHECKED, check_steps, place_rows

AHEAD = 2
"""Episodes, or stretches of short ones, that are read before they are asked for."""
STRETCH_ROWS = 4096
"""Neighbouring episodes are read together up to so many steps."""
GAP_ROWS = 2048
"""A row group of a built dataset: with less between two episodes, nothing is read that neither needs."""

_READ = ("observation", "reward", "return_to_go", *CHECKED)


class Episodes(Reader):
    """Whole episodes, one at a time, each once per epoch.

    An episode is a dict of arrays, of L steps, and of what the episodes table says:

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
    | complete | bool | began at a reset, and was ended by the game or the time limit |

    The order is the same for any number of ranks and DataLoader workers (give `batch_size=None` there), and
    `state_dict` and `load_state_dict` resume in it to the episode; see `Reader`.

    Only row groups that hold chosen episodes are read, a few episodes ahead on a thread; memory holds those
    and no more. In order of play neighbouring episodes are read together; shuffled, an episode much shorter
    than a row group's 2,048 steps costs as much as one of that length.

    Args:
        dataset: a folder, a repo on the Hub, a `Dataset`, or an `IterableDataset` that load_dataset gave.
        config_name: `<game>-<quality>`, of a folder or a repo.
        split: `run_1` …, of a folder or a repo.
        frame_stack: frames in an observation; zeros before the episode's start.
        shuffle: in a random order, every one equally likely; False gives the order of play.
        seed: of the order.
        episodes: which episodes; all if None.
        preprocessing: what to change in an episode.
        rank: which of `world_size` processes this is.
        world_size: how many share the episodes.
        revision: a branch, tag or commit, of a repo.
        token: for a private repo; None takes it from the usual places.

    Raises:
        AtariReplayError: there is no such dataset, config or split, no episode is left, or an option is
            impossible.

    Example, the best tenth of a whole run:

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
            self.catalog.action_names, frame_stack > 1
        )
        self.shuffle, self._frame_stack = shuffle, frame_stack

    @property
    def items_in_epoch(self) -> int:
        """Episodes, over all ranks."""
        return len(self.catalog.episodes)

    def identity(self) -> dict[str, int]:
        """What the order depends on."""
        return {
            "seed": self.seed,
            "episodes": self.items_in_epoch,
            "samples": self.catalog.steps,
            "shuffle": int(self.shuffle),
        }

    def read(self, epoch: int, numbers: Sequence[int]) -> Generator[Item]:
        """The episodes of an epoch that have these numbers in its order, which ascend."""
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
        """The same episodes in order, those together that lie close behind each other."""
        episodes = self.catalog.episodes[chosen]
        shard, first = episodes["shard"], episodes["first_row"]
        ends = first + episodes["length"]
        start = 0
        for number in range(1, len(episodes) + 1):
            if (
                number == len(episodes)
                or shard[number] != shard[start]
                or not 0 <= first[number] - ends[number - 1] < GAP_ROWS
                or ends[number] - first[start] > STRETCH_ROWS
            ):
                yield episodes[start:number]
                start = number

    def _read(self, stretch: np.ndarray) -> list[Item]:
        shard = self.catalog.shards[stretch["shard"][0]]
        first = int(stretch["first_row"][0])
        last = int(stretch["first_row"][-1] + stretch["length"][-1])
        columns = shard.read(first, last, _READ)
        check_steps(shard, columns, place_rows(stretch, first, last), first)
        items = []
        for episode in stretch:
            start = int(episode["first_row"]) - first
            steps = {name: column[start : start + episode["length"]] for name, column in columns.items()}
            items.append(self.preprocessing(self._item(episode, steps)))
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

    def _stack(self, frames: np.ndarray, step: np.ndarray) -> np.ndarray:
        if self._frame_stack == 1:
            return frames.copy()
        blank = np.zeros((1, *frames.shape[1:]), np.uint8)
        rows = stack_rows(1 + np.arange(len(frames)), step, self._frame_stack)
        return np.concatenate([blank, frames]).take(rows, axis=0)


def _take(reading: deque[Future[list[Item]]]) -> Iterator[Item]:
    # What was given is not kept: an episode can be large.
    items = deque(reading.popleft().result())
    while items:
        yield items.popleft()
