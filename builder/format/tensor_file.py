"""Loads files of `torch.save`, of which nothing is unpickled but tensors and plain values."""

import lzma
import pickle
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

DAMAGE = (
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
    lzma.LZMAError,
    pickle.UnpicklingError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What loading a damaged file raises. In a file that is whole, objects raise `pickle.UnpicklingError`."""


def load_tensors(file: Path | BinaryIO) -> Any:
    """Returns what a file of `torch.save` holds, on the CPU.

    Args:
        file: its path, or the open file, which can seek.

    Raises:
        DAMAGE: one of these; the file is damaged, or holds objects that would have to be unpickled.
    """
    import torch

    with zipfile.ZipFile(file) as archive:
        if damaged := archive.testzip():  # PyTorch does not look at the checksums that it writes
            raise zipfile.BadZipFile(f"{damaged} has changed")
    if not isinstance(file, Path):
        file.seek(0)
    return torch.load(file, map_location="cpu", weights_only=True)
