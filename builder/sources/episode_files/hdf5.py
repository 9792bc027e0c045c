"""Reads arrays from HDF5 files that may come from anywhere."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np

from ...errors import SourceError
from .stored import check_length

_MOST_CHUNK_BYTES = 256 << 20
"""HDF5 unpacks a chunk as a whole."""

_AGAIN = "copy it again"


@contextlib.contextmanager
def open_hdf5(content: BinaryIO, where: str) -> Iterator[Any]:
    """Open an HDF5 file while the block lasts.

    Args:
        content: the file, which can seek.
        where: its name, for messages.

    Raises:
        SourceError: h5py is not installed; or, also from the block, the file is damaged.
    """
    try:
        import h5py
    except ImportError:
        raise SourceError(
            f"{where}: an HDF5 file, which needs h5py: pip install 'atari-dqn-replay[hdf5]'"
        ) from None
    with reading_hdf5(where), h5py.File(content, "r") as file:
        yield file


@contextlib.contextmanager
def reading_hdf5(where: str) -> Iterator[None]:
    """Turn what h5py raises for a damaged file into one error that names the file."""
    try:
        yield
    except SourceError:
        raise
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, OverflowError, MemoryError) as error:
        raise SourceError(f"{where}: not an HDF5 file that can be read ({error}); {_AGAIN}") from None


def member(group: Any, name: str, where: str) -> Any:
    """Returns a group or an array of a file, not following it to another file.

    Raises:
        SourceError: there is none, or it lies in another file.
    """
    import h5py

    link = group.get(name, getlink=True) if isinstance(group, h5py.Group) else None
    if link is None:
        raise SourceError(f"{where}: has no {name!r}; {_AGAIN}")
    if not isinstance(link, h5py.HardLink):
        raise SourceError(f"{where}: {name!r} is a link to another place, which is not followed; {_AGAIN}")
    return group[name]


def array(group: Any, name: str, where: str) -> Any:
    """Returns an array of numbers of a file, whose rows are read only when they are sliced.

    Raises:
        SourceError: there is none, or it cannot be read piece by piece from this file alone.
    """
    import h5py

    found = member(group, name, where)
    if not isinstance(found, h5py.Dataset) or found.dtype.kind not in "biuf":
        kind = found.dtype if isinstance(found, h5py.Dataset) else "a group"
        raise SourceError(f"{where}: {name!r} is {kind}, expected an array of numbers; {_AGAIN}")
    if found.external or found.is_virtual:
        raise SourceError(f"{where}: the values of {name!r} lie in other files; {_AGAIN}")
    if (
        found.chunks is not None
        and np.prod(found.chunks, dtype=float) * found.dtype.itemsize > _MOST_CHUNK_BYTES
    ):
        raise SourceError(
            f"{where}: the chunks of {name!r} are of {found.chunks} values, more than can be unpacked at "
            f"once; save it again with smaller chunks"
        )
    return found


def rows_of(found: Any, where: str) -> Callable[[int], np.ndarray]:
    """Returns a function that reads the next rows of an array."""
    position = 0

    def read(rows: int) -> np.ndarray:
        nonlocal position
        with reading_hdf5(where):
            block = found[position : position + rows]
        position += rows
        return block

    return read


def numbers_of(found: Any, where: str, rows: int) -> np.ndarray:
    """Returns a number for each of an episode's rows, or a single one.

    Raises:
        SourceError: the array has another shape.
    """
    check_length(where, found.shape, rows)
    return np.asarray(found[()])
