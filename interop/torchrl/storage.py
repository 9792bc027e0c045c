"""The steps of a dataset as a storage of TorchRL, gathered from compressed frames."""

# pyright: reportMissingImports=false, reportIncompatibleMethodOverride=false
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from tensordict import NonTensorData, TensorDict
from torchrl.data import Storage

from ...replay_reader.replay_dataset import ReplayDataset
from .rows import Rows, open_rows

_tensordict: Callable[..., TensorDict] = getattr(TensorDict, "_new_unsafe", TensorDict)
"""Without the checks, which take as long as it takes to gather the frames."""


class StepsStorage(Storage):
    """A storage whose items are gathered from the dataset's frames when they are asked for."""

    def __init__(self, steps: ReplayDataset, dataset_id: str) -> None:
        super().__init__(max_size=len(steps))
        self._rows = open_rows(steps)
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
        found = self._tensors(self._rows.read(numbers.reshape(-1)))
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
        if numbers.dtype == bool:
            return np.flatnonzero(numbers)
        return numbers if numbers.size else numbers.astype(np.int64)  # NumPy takes [] for floats

    def _tensors(self, rows: Rows) -> TensorDict:
        size = len(rows.action)
        terminated, truncated, done = torch.from_numpy(rows.ends).unbind()
        no = torch.zeros((3, size), dtype=torch.bool).unbind()
        following = {
            "observation": torch.from_numpy(rows.next_observation),
            "reward": torch.from_numpy(rows.reward),
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
            "observation": torch.from_numpy(rows.observation),
            "action": torch.from_numpy(rows.action),
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
