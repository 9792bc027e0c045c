"""Reads batches of windows of consecutive steps, for sequence models and world models."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from ..builder.format.features import PROB
from .anchors import Anchors
from .batches import Batches, BatchOptions
from .block_pool import BlockPool
from .catalog import Dataset
from .episode_filter import EpisodeFilter
from .errors import DatasetError
from .preprocessing import Batch, Preprocessing
from .selection import Selection
from .stacking import BLANK, check_stack, stack_rows

Padding = Literal["end", "start", "none"]


class Sequences(Batches):
    """Yields batches of windows of `length` steps within an episode, each window once per epoch.

    A batch is a dict of arrays, with B windows of T steps each; where `mask` is False all values are zeros:

    | key | shape, dtype | |
    |---|---|---|
    | observation | (B, T, 84, 84) uint8 | (B, T, frame_stack, 84, 84) if frame_stack is above 1 |
    | action | (B, T) int64 | |
    | reward | (B, T) float32 | |
    | return_to_go | (B, T) float32 | undiscounted, of the rewards as stored, to the episode's end |
    | step | (B, T) int64 | since the episode's start |
    | terminated | (B, T) bool | the game ended the episode after this step |
    | truncated | (B, T) bool | the time limit or the end of the log cut it off after this step |
    | mask | (B, T) bool | whether the step exists |
    | prob | (B, T) float32 | of the action, as logged; only if the dataset has it; 1 where `mask` is False |

    The order is the same for any number of ranks and DataLoader workers (use `batch_size=None` there), and
    `state_dict` and `load_state_dict` resume exactly at a batch; see `Reader`.

    Every step is in some window if `stride` is at most `length` and windows are padded:

    - `padding="end"`: windows begin at an episode's first step and at every `stride`-th after it; the last
      ones are padded after the episode's end.
    - `padding="start"`: windows end at an episode's last step and at every `stride`-th before it; the
      first ones are padded before the episode's start, as in Decision Transformer.
    - `padding="none"`: as "end", but only full windows; shorter episodes have none.

    Args:
        dataset: a folder, a repo on the Hub, a `Dataset`, or an `IterableDataset` from load_dataset.
        config_name: the config of a folder or a repo, `<game>-<quality>`.
        split: the split of a folder or a repo, `run_1` ….
        length: T, the number of steps in a window.
        stride: the number of steps from one window to the next.
        padding: how to treat windows that an episode does not fill.
        batch_size: the number of windows in a batch.
        frame_stack: the number of frames in an observation.
        shuffle: whether to mix windows from the whole selection; if False, they come in order of play.
        seed: the seed of the order.
        drop_last: whether to omit a last batch that is not full.
        columns: other columns of numbers to add, each (B, T), such as the state of a world: "player_x".
        episodes: the episodes to read; all if None.
        preprocessing: changes to make to each batch.
        memory: the bytes of frames held; more mixes better. Each worker of a DataLoader has its own.
        rank: this process's rank among `world_size` processes.
        world_size: the number of processes that share the batches.
        revision: a branch, tag or commit of a repo.
        token: the token for a private repo; None uses the usual locations.

    Raises:
        AtariReplayError: the dataset, config or split does not exist, no window is full, or an option is
            invalid.

    Example:

    ```python
    >>> from atari_dqn_replay import Sequences
    >>> batches = Sequences("me/atari-dqn-replay", "pong-expert", split="run_1", length=50, padding="start")
    >>> next(iter(batches))["observation"].shape
    (32, 50, 84, 84)
    ```
    """

    def __init__(
        self,
        dataset: Dataset,
        config_name: str | None = None,
        split: str | None = None,
        *,
        length: int,
        stride: int = 1,
        padding: Padding = "end",
        batch_size: int = 32,
        frame_stack: int = 1,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
        columns: Sequence[str] = (),
        episodes: EpisodeFilter | None = None,
        preprocessing: Preprocessing | None = None,
        memory: int = 768 << 20,
        rank: int = 0,
        world_size: int = 1,
        revision: str | None = None,
        token: str | bool | None = None,
    ) -> None:
        check_stack(frame_stack)
        if length < 1 or stride < 1:
            raise DatasetError(f"length={length}, stride={stride}: expected 1 or more")
        if padding not in ("end", "start", "none"):
            raise DatasetError(f"padding={padding!r}: expected 'end', 'start' or 'none'")
        self._length, self._stride, self._frame_stack = length, stride, frame_stack
        self._padding: Padding = padding
        reach = length - 1
        super().__init__(
            BatchOptions(
                Selection(dataset, config_name, split, episodes, revision, token),
                batch_size=batch_size,
                shuffle=shuffle,
                seed=seed,
                drop_last=drop_last,
                preprocessing=preprocessing,
                memory=memory,
                rank=rank,
                world_size=world_size,
                columns=columns,
            ),
            before=frame_stack - 1 + (reach if padding == "start" else 0),
            after=0 if padding == "start" else reach,
            channel_axis=frame_stack > 1,
        )

    def place_anchors(self, episodes: np.ndarray) -> Anchors:
        """Returns the windows' last steps if they are padded at the start, else their first."""
        lengths = episodes["length"]
        offset = np.zeros(len(episodes), np.int64)
        count = -(-lengths // self._stride)
        if self._padding == "start":
            offset = (lengths - 1) % self._stride
        elif self._padding == "none":
            count = np.maximum(0, (lengths - self._length) // self._stride + 1)
            if not count.any():
                raise DatasetError(
                    f"no episode has length={self._length} steps, the longest has {lengths.max():,}; "
                    f"take a shorter length, or padding='start' or 'end'"
                )
        return Anchors(episodes, offset, count, self._stride)

    def look_up(self, pool: BlockPool, rows: np.ndarray) -> Batch:
        """Returns the windows that begin, or if padded at the start end, in these rows."""
        steps = np.arange(self._length)
        if self._padding == "start":
            steps = steps - (self._length - 1)
        mask = (-pool.step[rows, None] <= steps) & (steps < pool.remaining[rows, None])
        rows = np.where(mask, rows[:, None] + steps, BLANK)
        step, ends, terminates = pool.step[rows], pool.remaining[rows] == 1, pool.terminates[rows]
        return {
            "observation": rows if self._frame_stack == 1 else stack_rows(rows, step, self._frame_stack),
            "action": pool.action[rows],
            "reward": pool.reward[rows],
            "return_to_go": pool.return_to_go[rows],
            "step": step,
            "terminated": ends & terminates,
            "truncated": ends & ~terminates,
            "mask": mask,
            **{name: values[rows] for name, values in pool.others.items()},
            **({} if pool.prob is None else {PROB: pool.prob[rows]}),
        }
