"""Writes sets of numbers as people do, and as globs; chooses evenly spaced ones."""

import itertools
from collections.abc import Collection, Iterable


def describe_numbers(numbers: Iterable[int]) -> str:
    """Returns ascending numbers in the form that people write.

    >>> describe_numbers([0, 1, 2, 3, 7])
    '0-3, 7'
    >>> describe_numbers([])
    'none'
    """
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][-1] + 1:
            spans[-1] = [spans[-1][0], number]
        else:
            spans.append([number])
    return ", ".join("-".join(map(str, span)) for span in spans) or "none"


def describe_ranges(ranges: Iterable[range]) -> str:
    """Returns ranges in the form that people write, without going through their numbers.

    >>> describe_ranges([range(0, 1), range(3, 10**12)])
    '0, 3-999999999999'
    """
    return ", ".join(str(each[0]) if len(each) == 1 else f"{each[0]}-{each[-1]}" for each in ranges)


def find_gaps(numbers: Iterable[int]) -> list[range]:
    """Returns the ranges of numbers from 0 on that are missing between ascending numbers.

    >>> find_gaps([1, 2, 5])
    [range(0, 1), range(3, 5)]
    """
    pairs = itertools.pairwise(itertools.chain([-1], numbers))
    return [range(before + 1, after) for before, after in pairs if after > before + 1]


def number_globs(numbers: Collection[int]) -> list[str]:
    """Returns globs for two-digit numbers, in ascending order.

    Together they match these numbers and no others, each once.

    >>> number_globs(range(50))
    ['[0-4][0-9]']
    >>> number_globs({*range(12), 14})
    ['0[0-9]', '1[014]']
    """
    ones = [(ten, [number % 10 for number in sorted(numbers) if number // 10 == ten]) for ten in range(10)]
    globs = []
    for digits, group in itertools.groupby(ones, key=lambda each: each[1]):
        if digits:
            globs.append(_character_class([ten for ten, _ in group]) + _character_class(digits))
    return globs


def spread(length: int, count: int) -> list[int]:
    """Returns up to `count` indices into a sequence, evenly spaced from its first element to its last.

    >>> spread(50, 3)
    [0, 24, 49]
    >>> spread(2, 3)
    [0, 1]
    """
    if count == 1 or length == 1:
        return [length // 2][:length]
    count = min(count, length)
    return [place * (length - 1) // (count - 1) for place in range(count)]


def _character_class(digits: list[int]) -> str:
    """Returns a character class that matches any of the ascending digits: `[0-46]`."""
    text = ""
    for _, places in itertools.groupby(enumerate(digits), key=lambda each: each[1] - each[0]):
        run = [digit for _, digit in places]
        text += f"{run[0]}-{run[-1]}" if len(run) > 2 else "".join(map(str, run))
    return text if len(text) == 1 else f"[{text}]"
