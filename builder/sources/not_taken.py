"""Describes what of a source's files and folders is not read."""

from collections import defaultdict
from collections.abc import Sequence

from ..stores.store import Store

NAMES_SHOWN = 3
"""Names that one line shows of those that were not taken from a folder."""


def describe_left(store: Store, left: Sequence[tuple[str, str, str]], expected: str) -> list[str]:
    """Returns a line for each folder: what in it was not taken, and what was expected.

    Args:
        store: the store that holds them.
        left: for each file or folder that was not taken, its folder, its name, and why, if that is known.
        expected: what was expected.
    """
    lines = list(dict.fromkeys(problem for _, _, problem in left if problem))
    by_folder: dict[str, list[str]] = defaultdict(list)
    for folder, name, problem in left:
        if not problem:
            by_folder[folder].append(name)
    for folder, names in by_folder.items():
        shown = ", ".join(names[:NAMES_SHOWN])
        more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
        lines.append(f"{store.describe(folder)}: found {shown}{more}; expected {expected}")
    return lines
