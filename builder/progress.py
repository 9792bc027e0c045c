"""Progress bars on stderr, off when it is not a terminal."""

from collections.abc import Iterable
from typing import Any

from tqdm import tqdm


def progress_bar(
    items: Iterable[Any] | None = None,
    *,
    description: str,
    unit: str,
    total: int | None = None,
    **options: Any,
) -> "tqdm[Any]":
    """A bar with rate and time left.

    `disable=None` is tqdm's word for "only on a terminal", and `leave=None` for "unless it is below another".
    """
    settings = {"disable": None, "leave": None, "unit_scale": True, **options}
    return tqdm(items, desc=description, unit=unit, total=total, **settings)
