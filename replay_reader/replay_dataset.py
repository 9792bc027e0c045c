"""Gives random access to every transition of a selection: uniform, weighted or prioritised sampling."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..builder.format.features import PROB
from ..builder.format.frame_format import FrameFormat
from .block_pool import LARGE_BLOCK
from .catalog import Dataset
from .episode_filter import EpisodeFilter
from .frame_store import check_formats, copy_frames
from .n_step import NStep
from .preprocessing import Batch, Preprocessing
from .selection import Selection
from .stacking import check_stack
from .store_cache import StoreCache
from .stored_episodes import check_places

Indices = Sequence[int] | np.ndarray

FEW = 64
"""The most values that are looked up one by one."""


class ReplayDataset:
    """Transitions by index, in order of play; keys, shapes and meaning are those of `Transitions`.

    `dataset[i]` is one transition, without the batch axis; `dataset[[3, 1, 4]]`, `dataset[10:20]` and
    `dataset.gather(indices)` are batches. Negative numbers count from the end.

    On first opening, the steps are read once and kept in `cache_dir` with their frames compressed in small
    pieces: 0.1 to 0.6 GB for a million steps, and a few seconds. Afterwards that file is mapped immediately,
    and all processes share its memory: a DataLoader's workers, forked or spawned, copy nothing.

    In a PyTorch `DataLoader`, pass whole batches of indices to the dataset:

    ```python
    sampler = BatchSampler(RandomSampler(dataset), batch_size=32, drop_last=False)
    DataLoader(dataset, sampler=sampler, batch_size=None, num_workers=2)
    ```

    Arrays then become tensors without a copy. `DataLoader(dataset, batch_size=32, shuffle=True)` works too:
    it also gathers a batch at once, but takes it apart and stacks it again.

    Args:
        dataset: a folder, a repo on the Hub, a `Dataset`, or an `IterableDataset` from load_dataset.
        config_name: the config of a folder or a repo, `<game>-<quality>`.
        split: the split of a folder or a repo, `run_1` ….
        frame_stack: the number of frames in an observation.
        n_step: the number of steps summed in a reward.
        gamma: the discount per step.
        episodes: the episodes to read; all if None.
        preprocessing: changes to make to each batch.
        cache_dir: the folder for prepared frames; None is the assets folder of the Hugging Face cache.
        cache_bytes: the maximum size of `cache_dir` in bytes. Beyond it, prepared frames are removed, the
            least recently opened datasets first; those being opened stay, whatever their size.
        revision: a branch, tag or commit of a repo.
        token: the token for a private repo; None uses the usual locations.

    Raises:
        AtariReplayError: the dataset, config or split does not exist, a file is damaged, no episode is left,
            an option is invalid, or `cache_dir` cannot be written.

    Example:

    ```python
    >>> from atari_dqn_replay import ReplayDataset
    >>> dataset = ReplayDataset("me/atari-dqn-replay", "pong-expert", split="run_1")
    >>> random = np.random.default_rng(0)
    >>> dataset.gather(random.integers(len(dataset), size=32))["observation"].shape
    (32, 4, 84, 84)
    ```
    """

    def __init__(
        self,
        dataset: Dataset,
        config_name: str | None = None,
        split: str | None = None,
        *,
        frame_stack: int = 4,
        n_step: int = 1,
        gamma: float = 0.99,
        episodes: EpisodeFilter | None = None,
        preprocessing: Preprocessing | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        cache_bytes: int = 64 << 30,
        revision: str | None = None,
        token: str | bool | None = None,
    ) -> None:
        check_stack(frame_stack)
        np.empty(LARGE_BLOCK, np.uint8)  # from then on glibc keeps a batch's memory for the next one
        self._frame_stack, self._n_step = frame_stack, NStep(n_step, gamma)
        self._n_step.check_preprocessing(preprocessing)
        catalog = Selection(dataset, config_name, split, episodes, revision, token).open()
        self.action_names: tuple[str, ...] = catalog.action_names
        """The game's actions by their numbers."""
        self._preprocessing = (preprocessing or Preprocessing()).bind(
            catalog.action_names, frame_format=catalog.frame_format
        )
        self.episodes: np.ndarray = catalog.episodes
        """The selected episodes in order of play, of dtype EPISODE_FIELDS: their `return`, `length`, …"""
        self._ends = np.cumsum(catalog.episodes["length"])
        self._begins = self._ends - catalog.episodes["length"]
        # By themselves, as they are looked up for every batch.
        self._first_row, self._terminates = (
            np.ascontiguousarray(catalog.episodes[name]) for name in ("first_row", "terminated")
        )
        used, self._store_of_episode = np.unique(catalog.episodes["shard"], return_inverse=True)
        identity = getattr(dataset, "_fingerprint", "")
        cache = StoreCache(cache_dir, cache_bytes)
        shards = [catalog.shards[shard] for shard in used]
        self._format = catalog.frame_format
        self._stores = cache.open(shards, identity)
        check_formats(self._stores, self._format)
        for number, (shard, store) in enumerate(zip(shards, self._stores, strict=True)):
            check_places(shard.name, store, self.episodes[self._store_of_episode == number])

    @property
    def frame_format(self) -> FrameFormat:
        """The format of the stored frames."""
        return self._format

    def __len__(self) -> int:
        """Returns the number of steps in the selected episodes, each the beginning of a transition."""
        return int(self._ends[-1])

    def __getitem__(self, index: "int | slice | Indices") -> Batch:
        """Returns one transition, or a batch of several.

        Raises:
            IndexError: an index is out of range.
            TypeError: an index is not an integer.
        """
        if isinstance(index, slice):
            return self.gather(np.arange(*index.indices(len(self))))
        if np.ndim(index) == 0:
            return {name: value[0] for name, value in self.gather(np.asarray(index).reshape(1)).items()}
        return self.gather(index)  # pyright: ignore[reportArgumentType]

    def __getitems__(self, indices: Indices) -> list[Batch]:
        """Returns transitions one by one, gathered at once, for a DataLoader's default `collate_fn`."""
        batch = self.gather(indices)
        return [{name: value[k] for name, value in batch.items()} for k in range(len(indices))]

    @property
    def stored_bytes(self) -> int:
        """The bytes of prepared frames in `cache_dir`, and in memory if all of them are used."""
        return sum(store.size for store in self._stores)

    @property
    def stored_in(self) -> list[Path]:
        """The files of prepared frames, all in one folder."""
        return [store.path for store in self._stores]

    def gather(self, indices: Indices) -> Batch:
        """Returns a batch of the transitions with these indices, in their order; repeats are allowed.

        Args:
            indices: (B,) integers from -len(dataset) to len(dataset) - 1.

        Returns:
            A dict of arrays, as in `Transitions`.

        Raises:
            IndexError: an index is out of range.
            TypeError: an index is not an integer.
        """
        indices = self._check_indices(indices)
        number = np.searchsorted(self._ends, indices, "right")
        if self._frame_stack == self._n_step.n_step == 1:
            return self._preprocessing(self._gather_plain(indices, number))
        episode, store = self.episodes[number], self._store_of_episode[number]
        step = indices - self._begins[number]
        rows = episode["first_row"] + step
        ahead = self._n_step.look_ahead(episode["length"] - step, episode["terminated"])
        action, reward = self._take_numbers(store, rows, ahead.taken)
        observation, next_observation = self._take_stacks(store, rows, step, ahead.taken, ahead.exists)
        return self._preprocessing(
            {
                "observation": observation,
                "action": action,
                "reward": reward,
                "next_observation": next_observation,
                "terminated": ahead.terminated,
                "truncated": ahead.truncated,
                "discount": ahead.discount,
                **self._take_probs(store, rows),
            }
        )

    def _gather_plain(self, indices: np.ndarray, number: np.ndarray) -> Batch:
        """Returns what `gather` does for single frames and single steps, which need little computing."""
        size, store = len(indices), self._store_of_episode[number]
        rows = self._first_row[number] + indices - self._begins[number]
        last, terminates = indices == self._ends[number] - 1, self._terminates[number]
        frames = np.empty((2 * size, self._format.nbytes), np.uint8)
        wanted = np.concatenate([rows, rows + ~last])
        copy_frames(self._stores, np.concatenate([store, store]), wanted, np.arange(2 * size), frames)
        frames[size:][last] = 0
        action, reward = self._take_single_numbers(store, rows)
        pictures = frames.reshape(2, size, 1, *self._format.shape)
        return {
            "observation": pictures[0],
            "action": action,
            "reward": reward,
            "next_observation": pictures[1],
            "terminated": last & terminates,
            "truncated": last & ~terminates,
            "discount": np.where(last, np.float32(0), np.float32(self._n_step.gamma)),
            **self._take_probs(store, rows),
        }

    def _take_single_numbers(self, store: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns actions and rewards, one by one where that is faster than store by store."""
        if len(rows) > FEW:
            return self._take_numbers(store, rows, np.ones_like(rows))
        places = list(zip(store.tolist(), rows.tolist(), strict=True))
        action = np.array([self._stores[number].action[row] for number, row in places], np.int64)
        reward = np.array([self._stores[number].reward[row] for number, row in places], np.float32)
        return action, reward

    def _take_probs(self, store: np.ndarray, rows: np.ndarray) -> Batch:
        """Returns the probabilities of the actions, (B,) float32, if the dataset has them."""
        stored = [each.prob for each in self._stores]
        if any(prob is None for prob in stored):
            return {}
        found = np.empty(len(rows), np.float32)
        for number in np.unique(store):
            here = np.flatnonzero(store == number)
            found[here] = stored[number][rows[here]]  # pyright: ignore[reportOptionalSubscript]
        return {PROB: found}

    def frames(self, indices: Indices) -> np.ndarray:
        """Returns the stored frames of the steps with these indices, one for each.

        Args:
            indices: (B,) integers from -len(dataset) to len(dataset) - 1.

        Returns:
            (B, *shape of a frame) uint8, neither stacked nor preprocessed.

        Raises:
            IndexError: an index is out of range.
            TypeError: an index is not an integer.
        """
        indices = self._check_indices(indices)
        number = np.searchsorted(self._ends, indices, "right")
        rows = self.episodes["first_row"][number] + indices - self._begins[number]
        frames = np.empty((len(rows), self._format.nbytes), np.uint8)
        copy_frames(self._stores, self._store_of_episode[number], rows, np.arange(len(rows)), frames)
        return frames.reshape(-1, *self._format.shape)

    def numbers(self) -> Batch:
        """Returns everything stored about all steps except their frames, in order of play.

        Returns:
            A dict of arrays of N = len(dataset) steps: `action` (N,) int64, `reward` (N,) float32, `step`
            (N,) int64, `terminated` and `truncated` (N,) bool, as of `Transitions` with n_step=1.
        """
        action, reward = np.empty(len(self), np.int64), np.empty(len(self), np.float32)
        step = np.arange(len(self)) - np.repeat(self._begins, self.episodes["length"])
        for begin, end, episode, store in zip(
            self._begins.tolist(), self._ends.tolist(), self.episodes, self._store_of_episode, strict=True
        ):
            rows = slice(int(episode["first_row"]), int(episode["first_row"] + episode["length"]))
            action[begin:end] = self._stores[store].action[rows]
            reward[begin:end] = self._stores[store].reward[rows]
        terminated, truncated = np.zeros((2, len(self)), bool)
        terminated[self._ends - 1] = self.episodes["terminated"]
        truncated[self._ends - 1] = ~self.episodes["terminated"]
        return {
            "action": action,
            "reward": reward,
            "step": step,
            "terminated": terminated,
            "truncated": truncated,
        }

    def _take_numbers(
        self, store: np.ndarray, rows: np.ndarray, taken: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the actions, and the rewards summed over the steps taken."""
        reward_rows, within = self._n_step.rows(rows, taken)
        action, rewards = np.empty(len(rows), np.int64), np.empty(within.shape, np.float32)
        for number in np.unique(store):
            here = np.flatnonzero(store == number)
            action[here] = self._stores[number].action[rows[here]]
            rewards[here] = self._stores[number].reward[reward_rows[here]]
        return action, self._n_step.sum(rewards, within)

    def _take_stacks(
        self, store: np.ndarray, rows: np.ndarray, step: np.ndarray, taken: np.ndarray, exists: np.ndarray
    ) -> np.ndarray:
        """Returns the stacks at the rows and those after the steps taken, (2, B, frame_stack, …)."""
        back = np.arange(self._frame_stack - 1, -1, -1)
        at = np.stack([rows, rows + taken])[..., None] - back
        inside = back <= np.stack([step, np.where(exists, step + taken, -1)])[..., None]
        frames = np.empty((at.size, self._format.nbytes), np.uint8)
        frames[~inside.ravel()] = 0
        shards = np.broadcast_to(store[:, None], at.shape)
        copy_frames(self._stores, shards[inside], at[inside], np.flatnonzero(inside), frames)
        return frames.reshape(*at.shape, *self._format.shape)

    def _check_indices(self, indices: Indices) -> np.ndarray:
        given = np.asarray(indices)
        if not given.size:
            given = np.empty(0, np.int64)
        if given.ndim != 1 or given.dtype.kind not in "iu":
            raise TypeError(f"expected integers in one row, got {given.dtype} of shape {given.shape}")
        lowest, highest = given.min(initial=0), given.max(initial=0)
        if highest >= len(self) or lowest < -len(self):
            wrong = given[(given >= len(self)) | (given < -len(self))]
            raise IndexError(f"index {wrong[0]} is out of range for {len(self):,} transitions")
        given = given.astype(np.int64, copy=False)
        return given if lowest >= 0 else np.where(given < 0, given + len(self), given)
