"""One file with one episode, in the forms that LRAM's buffers load."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ....builder.errors import OutputError
from ....builder.files import replacing

Fields = dict[str, np.ndarray | np.float32]

_HDF5_LEVEL = 1
"""gzip's, of all arrays."""


def _write_hdf5(path: Path, fields: Fields) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        for name, value in fields.items():
            options = {"compression": "gzip", "compression_opts": _HDF5_LEVEL} if np.ndim(value) else {}
            file.create_dataset(name, data=value, **options)


def _write_npz(path: Path, fields: Fields) -> None:
    with path.open("wb") as file:
        np.savez(file, **fields)  # pyright: ignore[reportArgumentType]


def _write_npz_compressed(path: Path, fields: Fields) -> None:
    with path.open("wb") as file:
        np.savez_compressed(file, **fields)  # pyright: ignore[reportArgumentType]


def _write_pickle(path: Path, fields: Fields) -> None:
    # Written only when it is asked for, and never read here.
    with path.open("wb") as file:
        pickle.dump(fields, file)


SAVE_FORMATS: dict[str, tuple[str, Callable[[Path, Fields], None]]] = {
    "hdf5": (".hdf5", _write_hdf5),
    "npz": (".npz", _write_npz),
    "npzc": (".npz", _write_npz_compressed),
    "pkl": (".pkl", _write_pickle),
}
"""Suffix and writer by the script's names."""


def require_library(save_format: str) -> None:
    """Check that a format can be written.

    Raises:
        OutputError: its library is not installed.
    """
    if save_format == "hdf5":
        try:
            import h5py  # noqa: F401
        except ImportError:
            raise OutputError(
                "hdf5 files need h5py: pip install 'atari-dqn-replay[lram]', or choose npz, npzc or pkl"
            ) from None


def write_episode(path: Path, fields: Fields, save_format: str) -> None:
    """Write a file that appears whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    with replacing(path) as temporary:
        SAVE_FORMATS[save_format][1](temporary, fields)
