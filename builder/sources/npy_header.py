"""Parses the header of a `.npy` array by a strict pattern, and nothing else: nothing is evaluated."""

import contextlib
import re
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.lib import format as npy

_HEADER = re.compile(
    r"\{\s*'descr':\s*'(?P<dtype>[<>|=]?[A-Zb-z]\d{0,9})',\s*'fortran_order':\s*(?P<fortran>True|False),\s*"
    r"'shape':\s*\((?P<shape>(?:\d{1,18}L?(?:,\s?|(?=\))))*)\)\s*,?\s*\}\s*"
)
"""The header as NumPy writes it. NumPy's own reader is not thread-safe: it calls Python's parser, and in
Python 3.11 two threads that parse at once may get a SystemError."""
_LONGEST = 1 << 16
"""The most bytes of a header: no array of a log needs more."""


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """Returns the next `size` bytes; fewer only at the end."""
        ...


class NpyHeaderError(Exception):
    """Content that is not an array; its arguments are what was found and what was expected."""


@dataclass(frozen=True)
class NpyHeader:
    """What an array's header states."""

    dtype: np.dtype | str
    """The dtype; its text if NumPy knows none of that name."""
    shape: tuple[int, ...]
    is_fortran: bool
    """Whether the first index varies fastest."""


def read_npy_header(stream: Readable) -> NpyHeader:
    """Read the header at the beginning of an array.

    Raises:
        NpyHeaderError: there is none.
    """
    magic = stream.read(len(npy.MAGIC_PREFIX))
    if magic != npy.MAGIC_PREFIX:
        raise NpyHeaderError(_describe_start(magic), "a NumPy .npy array")
    version = tuple(stream.read(2))
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise NpyHeaderError(f"an .npy array of version {'.'.join(map(str, version))}", "version 1.0 to 3.0")
    length = int.from_bytes(stream.read(2 if version == (1, 0) else 4), "little")
    text = stream.read(min(length, _LONGEST)).decode("latin1")
    header = _HEADER.fullmatch(text)
    if header is None or len(text) < length:
        raise NpyHeaderError(f"an .npy header that cannot be read ({text!r})", "one as NumPy writes it")
    dtype: np.dtype | str = header["dtype"]
    with contextlib.suppress(TypeError):
        dtype = np.dtype(header["dtype"])
    shape = tuple(map(int, re.findall(r"\d+", header["shape"])))
    return NpyHeader(dtype, shape, header["fortran"] == "True")


def _describe_start(data: bytes) -> str:
    """Returns a description of content that begins with these bytes and is not an array."""
    if not data:
        return "nothing"
    return "a pickle, which is never loaded" if data[:1] == b"\x80" else f"data that begins with {data!r}"
