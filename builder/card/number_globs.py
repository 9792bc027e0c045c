"""Globs that match exactly the wanted ones of a hundred names that end in two digits."""

import itertools
from collections.abc import Collection


def number_globs(numbers: Collection[int]) -> list[str]:
    """Globs for two-digit numbers: together they match these and no others, each once, in ascending order.

    >>> number_globs(range(50))
    ['[0-4][0-9]']
    >>> number_globs({*range(12), 14})
    ['0[0-9]', '1[0-14]']
    """
    ones = [(ten, [number % 10 for number in sorted(numbers) if number // 10 == ten]) for ten in range(10)]
    globs = []
    for digits, group in itertools.groupby(ones, key=lambda each: each[1]):
        if digits:
            globs.append(_character_class([ten for ten, _ in group]) + _character_class(digits))
    return globs


def _character_class(digits: list[int]) -> str:
    """One of the digits, which ascend: `[0-46]`."""
    text = ""
    for _, places in itertools.groupby(enumerate(digits), key=lambda each: each[1] - each[0]):
        run = [digit for _, digit in places]
        text += f"{run[0]}-{run[-1]}" if len(run) > 2 else "".join(map(str, run))
    return text if len(text) == 1 else f"[{text}]"
