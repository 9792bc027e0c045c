"""Sizes as people read and write them."""

from ..errors import UnknownNameError

DISK = 4 * 10**9
"""Bytes that a publication's workers may have on disk together, unless its user sets another limit."""

_UNITS = {"KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "B": 1.0}


def size_text(size: float) -> str:
    """Returns the size as text such as `1.23GB`, in powers of 1,000."""
    from tqdm import tqdm  # here, since the argument parser needs the rest at once

    return tqdm.format_sizeof(size, "B", 1000)


def parse_size(text: str) -> int:
    """Returns the number of bytes that a text such as `500MB`, `4GB` or `4e9` means.

    Raises:
        UnknownNameError: the text is not a size, or is less than one byte.
    """
    number, unit = text.upper().strip(), 1.0
    for name, size in _UNITS.items():
        if number.endswith(name):
            number, unit = number.removesuffix(name), size
            break
    try:
        parsed = int(float(number) * unit)
    except (ValueError, OverflowError):
        raise UnknownNameError(f"{text!r} is no size; write it as 500MB or 4GB") from None
    if parsed < 1:
        raise UnknownNameError(f"{text!r}: must be at least one byte; write it as 500MB or 4GB")
    return parsed
