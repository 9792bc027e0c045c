"""TorchRL's `AtariDQNExperienceReplay`, on a built dataset."""

# pyright: reportMissingImports=false, reportIncompatibleMethodOverride=false
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from tensordict import TensorDict, TensorDictBase
from torchrl.data import (
    ImmutableDatasetWriter,
    SamplerWithoutReplacement,
    TensorStorage,
)
from torchrl.data.datasets.common import BaseDatasetExperienceReplay
from torchrl.data.datasets.utils import register_dataset
from torchrl.data.utils import CloudpickleWrapper

from ...builder.errors import UnknownNameError
from ...builder.format.games import GAMES, Game, find_game
from ...replay_reader.errors import DatasetError
from ...replay_reader.replay_dataset import ReplayDataset
from ..selection import Place, find_dataset, open_steps
from .slices import EpisodeSlices
from .storage import StepsStorage

RUNS = range(1, 6)
"""Of the original dataset."""


class AtariDQNExperienceReplay(BaseDatasetExperienceReplay):
    """A run of the DQN Replay Dataset as a TorchRL replay buffer: change the import, and keep the rest.

    Names, arguments, keys, shapes and numbers of checkpoints are those of
    `torchrl.data.datasets.AtariDQNExperienceReplay`. A sample of B steps is a TensorDict in TorchRL's episode
    data format (TED):

    | key | shape, dtype | |
    |---|---|---|
    | observation | (B, 84, 84) uint8 | |
    | action | (B,) int32 | |
    | done, terminated, truncated | (B,) bool | False: the step begins in the midst of an episode |
    | index | (B,) int64 | in order of play |
    | next.observation | (B, 84, 84) uint8 | zeros after an episode's last step, as no log stores it |
    | next.reward | (B,) float32 | |
    | next.terminated | (B,) bool | the game ended the episode |
    | next.truncated | (B,) bool | the time limit or the end of the log did, or a slice ends here |
    | next.done | (B,) bool | either |
    | metadata | a dict | `dataset_id` |

    It differs from TorchRL's class where that is wrong: rows stand in the order of `index`; slices lie within
    an episode and may contain its end; no padding, stale or repeated rows are sampled; flags are bool, which
    TorchRL's value estimators need, and of shape (B,) also with slices; steps that the time limit ended are
    truncated; an episode goes on from one checkpoint into the next; a missing checkpoint is no error.

    Frames stay compressed: a million steps take 0.1 to 0.6 GB of disk, where they are prepared at the first
    opening, and no memory of their own unless `memory_bytes` allows it.

    Args:
        dataset_id: `<Game>/<run>`, one of `available_datasets`, e.g. "Pong/5".
        batch_size: of `sample()`.
        root: where prepared frames are kept; None is the assets folder of the Hugging Face cache.
        download: False refuses a dataset on the Hub, whose files would be fetched. Otherwise it has no
            effect: what is prepared is prepared anew when the dataset changes.
        sampler: instead of the one that the next arguments describe. `SliceSampler` needs
            `trajectories=replay.episodes` or the like.
        writer: ImmutableDatasetWriter if None.
        transform: applied to samples.
        num_procs: has no effect.
        num_slices: slices in a batch, each from one episode; the batch size must be a multiple of it.
        slice_len: steps in a slice; instead of `num_slices`.
        strict_len: only from episodes that are long enough; False makes slices of short ones shorter.
        replacement: False gives each step, or with slices each episode, once per epoch.
        mp_start_method: has no effect.
        dataset: the built dataset, a folder or a repo on the Hub; None takes it from the environment variable
            ATARI_DQN_REPLAY_DATASET.
        strict_length: the same as `strict_len`.
        memory_bytes: keeps all frames decoded in memory if they take at most so many bytes, 7,056 for each
            step, which makes samples of single steps about three times as fast; 0 keeps none.
        kwargs: of `TensorDictReplayBuffer`.

    Raises:
        AtariReplayError: there is no such dataset, game or run, no episode is long enough, or a file is
            damaged. It is a ValueError as well where `dataset_id` is unknown.

    Example:

    ```python
    >>> from atari_dqn_replay.interop.torchrl import AtariDQNExperienceReplay
    >>> replay = AtariDQNExperienceReplay("Pong/5", batch_size=32, dataset="me/atari-dqn-replay")
    >>> replay.sample()["next", "observation"].shape
    torch.Size([32, 84, 84])
    ```
    """

    available_datasets: tuple[str, ...] = tuple(f"{game}/{run}" for game in GAMES for run in RUNS)
    """Every `<Game>/<run>` of the original dataset, 300 in all."""

    _max_runs: int | None = None
    """Only checkpoints with lower numbers; TorchRL's tests set it."""

    def __init__(
        self,
        dataset_id: str,
        batch_size: int | None = None,
        *,
        root: str | Path | None = None,
        download: bool | str = True,
        sampler: Any = None,
        writer: Any = None,
        transform: Any = None,
        num_procs: int = 0,
        num_slices: int | None = None,
        slice_len: int | None = None,
        strict_len: bool = True,
        replacement: bool = True,
        mp_start_method: str = "fork",
        dataset: Place | None = None,
        strict_length: bool | None = None,
        memory_bytes: int = 0,
        **kwargs: Any,
    ) -> None:
        if dataset_id not in self.available_datasets:
            raise UnknownNameError(
                f"unknown dataset_id {dataset_id!r}: expected <Game>/<run>, e.g. 'Pong/5', one of "
                f"AtariDQNExperienceReplay.available_datasets"
            )
        self.dataset_id = dataset_id
        game, run = find_game(dataset_id.split("/")[0]), int(dataset_id.split("/")[1])
        self._steps = self._open(dataset, game, run, root, download, memory_bytes)
        self.root = self._steps.stored_in[0].parent
        self.num_procs, self.mp_start_method = num_procs, mp_start_method
        if sampler is None:
            strict = strict_len if strict_length is None else strict_length
            sampler = _choose_sampler(self._steps, num_slices, slice_len, strict, replacement)
        super().__init__(
            storage=StepsStorage(self._steps, dataset_id),
            batch_size=batch_size,
            writer=ImmutableDatasetWriter() if writer is None else writer,
            sampler=sampler,
            collate_fn=_same,
            transform=transform,
            **kwargs,
        )

    def _open(
        self,
        dataset: Place | None,
        game: Game,
        run: int,
        root: str | Path | None,
        download: bool | str,
        memory_bytes: int,
    ) -> ReplayDataset:
        if download not in (True, False, "force"):
            raise DatasetError(f"download={download!r}: expected True, False or 'force'")
        place = find_dataset(dataset)
        if not download and not Path(place).is_dir():
            raise DatasetError(f"{place} is not a folder here, and download=False forbids fetching it")
        checkpoints = None if self._max_runs is None else range(self._max_runs)
        options = {"frame_stack": 1, "cache_dir": root, "memory_bytes": memory_bytes}
        return open_steps(place, game, run, checkpoints=checkpoints, **options)

    @property
    def episodes(self) -> torch.Tensor:
        """Returns the number of each step's episode in order of play, (N,) int64."""
        lengths = torch.from_numpy(self._steps.episodes["length"].astype(np.int64))
        return torch.repeat_interleave(torch.arange(len(lengths)), lengths)

    @property
    def dataset_path(self) -> Path:
        """Returns the folder that holds the prepared frames."""
        return self.root

    @property
    def data_path(self) -> Path:
        """Returns the folder that holds the prepared frames."""
        return self.root

    @property
    def data_path_root(self) -> Path:
        """Returns the folder that holds the prepared frames."""
        return self.root

    def _is_downloaded(self) -> bool:
        return True

    def delete(self) -> None:
        """Delete this dataset's prepared frames; the dataset itself stays as it is."""
        for path in self._steps.stored_in:
            path.unlink(missing_ok=True)

    def preprocess(
        self,
        fn: Callable[[TensorDictBase], TensorDictBase],
        dim: int = 0,
        num_workers: int | None = None,
        *,
        dest: str | Path,
        num_frames: int | None = None,
        **options: Any,
    ) -> TensorStorage:
        """Apply a function to every step and keep the results, memory-mapped.

        Args:
            fn: what to apply, to a TensorDict of some steps; its result must have the same batch size.
            dim: must be 0.
            num_workers: processes that work; None is as many as there are cores, 0 works in this process.
            dest: the folder of the results.
            num_frames: only the first so many steps.
            options: `chunksize`, `num_chunks`, `pbar`, `mp_start_method` and the others of `TensorDict.map`.

        Returns:
            A storage for a `ReplayBuffer`.

        Raises:
            DatasetError: `dim` is not 0, or there are fewer steps than `num_frames`.
        """
        frames = len(self._steps) if num_frames is None else num_frames
        if dim != 0 or not 0 < frames <= len(self._steps):
            raise DatasetError(
                f"dim={dim}, num_frames={num_frames}: expected dim=0 and at most {len(self._steps):,} frames"
            )
        storage = cast(StepsStorage, self._storage)
        example = fn(storage.get(torch.arange(1)).exclude("metadata"))
        results = example.expand(frames, *example.batch_size[1:]).memmap_like(str(dest))
        numbers = TensorDict({"number": torch.arange(frames)}, batch_size=[frames])
        work = CloudpickleWrapper(_Work(storage, fn))
        if num_workers == 0:
            chunk = options.get("chunksize") or 1024
            for part in numbers.split(chunk):
                results[int(part["number"][0]) : int(part["number"][-1]) + 1] = work(part)
        else:
            numbers.map(work, dim, num_workers, out=results, **options)
        return TensorStorage(results)


class _Work:
    """Applies a function to the steps with some numbers."""

    def __init__(self, storage: StepsStorage, fn: Callable[[TensorDictBase], TensorDictBase]) -> None:
        self._storage, self._fn = storage, fn

    def __call__(self, numbers: TensorDictBase) -> TensorDictBase:
        return self._fn(self._storage.get(numbers["number"]).exclude("metadata"))


def _choose_sampler(
    steps: ReplayDataset, num_slices: int | None, slice_len: int | None, strict: bool, replacement: bool
) -> Any:
    if num_slices is not None or slice_len is not None:
        return EpisodeSlices(steps, num_slices, slice_len, strict, replacement)
    return None if replacement else SamplerWithoutReplacement()


def _same(samples: Iterable[Any]) -> Any:
    return samples


def register(prefix: str = "atari_dqn") -> None:
    """Make TorchRL's `load_dataset("atari_dqn:Pong/5")` open this class instead of TorchRL's own."""
    register_dataset(prefix, AtariDQNExperienceReplay, replace=True)
