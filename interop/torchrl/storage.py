"""The steps of a dataset as a storage of TorchRL, gathered from compressed frames."""

# pyright: reportMissingImports=false, reportIncompatibleMethodOverride=false
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from tensordict import NonTensorData, TensorDict
from torchrl.data import Storage

from ...replay_reader.replay_dataset import ReplayDataset

_tensordict: Callable[..., TensorDict] = getattr(TensorDict, "_new_unsafe", TensorDict)
"""Without the checks, which take as long as it takes to gather the frames."""


class StepsStorage(Storage):
    """A storage whose items are gathered from the dataset's frames when they are asked for."""

    def __init__(self, steps: ReplayDataset, dataset_id: str) -> None:
        super().__init__(max_size=len(steps))
        self._steps = steps
        self._metadata = {"dataset_id": dataset_id}

    def __len__(self) -> int:
        return self.max_size

    def get(self, index: Any) -> TensorDict:
        """Returns the steps with these numbers; of a single number, one without a batch axis."""
        if isinstance(index, tuple):
            # As nonzero() gives an index; what comes after is an index into the result.
            rest = index[1:]
            found = self.get(index[0])
            return found[(Ellipsis, *rest)] if rest else found
        numbers = self._numbers(index)
        batch = self._steps.gather(numbers.reshape(-1))
        found = self._tensors(batch, len(batch["action"]))
        if numbers.ndim == 1:
            return found
        return found[0] if numbers.ndim == 0 else found.reshape(*numbers.shape)

    def _numbers(self, index: Any) -> np.ndarray:
        if isinstance(index, torch.Tensor):
            index = index.squeeze(1) if index.ndim == 2 and index.shape[1] == 1 else index
            index = index.cpu().numpy()
        elif isinstance(index, slice) or index is Ellipsis:
            index = np.arange(self.max_size)[index]
        numbers = np.asarray(index)
        return np.flatnonzero(numbers) if numbers.dtype == bool else numbers

    def _tensors(self, batch: dict[str, np.ndarray], size: int) -> TensorDict:
        flags = np.zeros((6, size), bool)
        flags[0], flags[1] = batch["terminated"], batch["truncated"]
        flags[2] = flags[0] | flags[1]
        terminated, truncated, done, *no = torch.from_numpy(flags).unbind()
        following = {
            "observation": torch.from_numpy(batch["next_observation"][:, 0]),
            "reward": torch.from_numpy(batch["reward"]),
            "terminated": terminated,
            "truncated": truncated,
            "done": done,
        }
        shape = torch.Size([size])
        # As NonTensorData(…) makes it, in a quarter of the time.
        metadata = NonTensorData.from_tensordict(
            _tensordict({}, batch_size=shape), {"data": self._metadata, "_is_non_tensor": True}
        )
        fields = {
            "observation": torch.from_numpy(batch["observation"][:, 0]),
            "action": torch.from_numpy(batch["action"].astype(np.int32)),
            "terminated": no[0],
            "truncated": no[1],
            "done": no[2],
            "next": _tensordict(following, batch_size=shape),
            "metadata": metadata,
        }
        return _tensordict(fields, batch_size=shape)

    def set(self, cursor: Any, data: Any, *, set_cursor: bool = True) -> None:
        """Raise an error: the dataset is what was logged."""
        raise RuntimeError("the dataset cannot be written to")

    def state_dict(self) -> dict[str, Any]:
        """Returns nothing: the steps are on disk."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Do nothing: the steps are on disk."""

    def _empty(self) -> None:
        raise RuntimeError("the dataset cannot be emptied")
