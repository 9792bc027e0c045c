"""Progress bars on stderr, off when it is not a terminal."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

from tqdm import tqdm

_boards = 0
"""Number of active displays that show the progress themselves, which bars of single steps would disturb."""


@contextlib.contextmanager
def no_bars() -> Iterator[None]:
    """Show no bars while something else shows the progress."""
    global _boards
    _boards += 1
    try:
        yield
    finally:
        _boards -= 1


def progress_bar(
    items: Iterable[Any] | None = None,
    *,
    description: str,
    unit: str,
    total: int | None = None,
    **options: Any,
) -> "tqdm[Any]":
    """Returns a progress bar with rate and time left; tqdm's `disable=None` means "only on a terminal"."""
    disable = True if _boards else None
    return tqdm(items, desc=description, unit=unit, total=total, disable=disable, unit_scale=True, **options)
