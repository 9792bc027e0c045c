"""Gives random access to every transition of a selection: uniform, weighted or prioritised sampling."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..builder.format.frame_format import FrameFormat
from .catalog import Dataset
from .episode_filter import EpisodeFilter
from .frame_store import check_formats
from .freed_memory import keep_freed_memory
from .n_step import NStep
from .preprocessing import Batch, Preprocessing
from .selection import Selection
from .stacking import check_stack
from .store_cache import StoreCache
from .stored_episodes import check_places
from .stored_steps import HeldSteps, Steps, StoredSteps

Indices = Sequence[int] | np.ndarray


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
        dataset: a folder, a repo on the Hub, a `Dataset`, an `IterableDataset` from load_dataset, or an open
            `Catalog`.
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
        memory_bytes: keeps all frames decoded in memory, 7,056 bytes for each step of 84×84, if they take at
            most so many bytes, which makes small batches two to three times as fast; 0 keeps none. Processes
            forked from this one share them; others read the compressed frames.
        revision: a branch, tag or commit of a repo.
        token: the token for a private repo; None uses the usual locations.

    Raises:
        AtariReplayError: the dataset, config or split does not exist, a file is damaged, no episode is left,
            an option is invalid, `cache_dir` cannot be written, or the frames take more than `memory_bytes`.

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
        memory_bytes: int = 0,
        revision: str | None = None,
        token: str | bool | None = None,
    ) -> None:
        check_stack(frame_stack)
        keep_freed_memory()
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
        # By itself, as it is looked up for every batch.
        self._terminates = np.ascontiguousarray(catalog.episodes["terminated"])
        used, store_of_episode = np.unique(catalog.episodes["shard"], return_inverse=True)
        cache = StoreCache(cache_dir, cache_bytes)
        shards = [catalog.shards[shard] for shard in used]
        self._format = catalog.frame_format
        self._stores = cache.open(shards)
        check_formats(self._stores, self._format)
        for number, (shard, store) in enumerate(zip(shards, self._stores, strict=True)):
            check_places(shard.name, store, self.episodes[store_of_episode == number])
        lengths, first_rows = (catalog.episodes[name].astype(np.int64) for name in ("length", "first_row"))
        self._stored = StoredSteps(self._stores, store_of_episode, first_rows, lengths)
        self._steps: Steps = self._stored
        if memory_bytes:
            self._steps = HeldSteps(self._stored, self._format.nbytes, memory_bytes)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_steps": self._stored}

    @property
    def frame_format(self) -> FrameFormat:
        """The format of the stored frames."""
        return self._format

    @property
    def held_frames(self) -> np.ndarray | None:
        """All stored frames in order of play, (N, *shape of a frame) uint8, if `memory_bytes` keeps them."""
        held = self._steps.frames if isinstance(self._steps, HeldSteps) else None
        return None if held is None else held.reshape(-1, *self._format.shape)

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
        number = self._ends.searchsorted(indices, "right")
        if self._frame_stack == self._n_step.n_step == 1:
            return self._preprocessing(self._gather_plain(indices, number))
        step, remaining = indices - self._begins[number], self._ends[number] - indices
        ahead = self._n_step.look_ahead(remaining, self._terminates[number])
        reward_steps, within = self._n_step.rows(indices, ahead.taken)
        rewards = self._steps.take(reward_steps, ["reward"])["reward"]
        values = self._steps.take(indices, [name for name in self._stored.columns if name != "reward"])
        observation, next_observation = self._take_stacks(indices, step, ahead.taken, ahead.exists)
        return self._preprocessing(
            {
                "observation": observation,
                "action": values.pop("action").astype(np.int64),
                "reward": self._n_step.sum(rewards, within),
                "next_observation": next_observation,
                "terminated": ahead.terminated,
                "truncated": ahead.truncated,
                "discount": ahead.discount,
                **values,
            }
        )

    def _gather_plain(self, indices: np.ndarray, number: np.ndarray) -> Batch:
        """Returns what `gather` does for single frames and single steps, which need little computing."""
        size = len(indices)
        last, terminates = indices + 1 == self._ends[number], self._terminates[number]
        exists = ~last  # whether there is a next observation
        frames = np.empty((2 * size, self._format.nbytes), np.uint8)
        self._steps.copy_frames(np.concatenate([indices, indices + exists]), frames)
        frames[size:][last] = 0
        values = self._steps.take(indices, self._stored.columns)
        pictures = frames.reshape(2, size, 1, *self._format.shape)
        return {
            "observation": pictures[0],
            "action": values.pop("action").astype(np.int64),
            "reward": values.pop("reward"),
            "next_observation": pictures[1],
            "terminated": last & terminates,
            "truncated": last & ~terminates,
            "discount": exists * np.float32(self._n_step.gamma),
            **values,
        }

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
        frames = np.empty((len(indices), self._format.nbytes), np.uint8)
        self._steps.copy_frames(indices, frames)
        return frames.reshape(-1, *self._format.shape)

    def numbers(self) -> Batch:
        """Returns everything stored about all steps except their frames, in order of play.

        Returns:
            A dict of arrays of N = len(dataset) steps: `action` (N,) int64, `reward` (N,) float32, `step`
            (N,) int64, `terminated` and `truncated` (N,) bool, as of `Transitions` with n_step=1.
        """
        values = self._steps.take(np.arange(len(self)), ["action", "reward"])
        step = np.arange(len(self)) - np.repeat(self._begins, self.episodes["length"])
        terminated, truncated = np.zeros((2, len(self)), bool)
        terminated[self._ends - 1] = self.episodes["terminated"]
        truncated[self._ends - 1] = ~self.episodes["terminated"]
        return {
            "action": values["action"].astype(np.int64),
            "reward": values["reward"],
            "step": step,
            "terminated": terminated,
            "truncated": truncated,
        }

    def _take_stacks(
        self, indices: np.ndarray, step: np.ndarray, taken: np.ndarray, exists: np.ndarray
    ) -> np.ndarray:
        """Returns the stacks at the steps and those after the steps taken, (2, B, frame_stack, …)."""
        back = np.arange(self._frame_stack - 1, -1, -1)
        at = np.stack([indices, indices + taken])[..., None] - back
        inside = back <= np.stack([step, np.where(exists, step + taken, -1)])[..., None]
        # What is outside the episode is blank; the step itself is read in its place.
        wanted = np.where(inside, at, indices[:, None])
        frames = np.empty((at.size, self._format.nbytes), np.uint8)
        self._steps.copy_frames(wanted.ravel(), frames)
        frames[~inside.ravel()] = 0
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
