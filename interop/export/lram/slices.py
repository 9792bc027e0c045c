"""Which parts of a run LRAM's download script takes, and where it stops."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from ....builder.errors import OutputError, UnknownNameError

SLICES = 50
"""Files of a run that the script knows: those with the numbers 1 to 50."""

QUALITIES = ("mixed", "random", "expert")


def chosen_files(num_slices: int, quality: str) -> list[int]:
    """Returns the numbers of the files that the script reads, in its order.

    Args:
        num_slices: how many of the 50.
        quality: where fewer: `mixed` draws them (with the script's own seed), `random` takes the first, when
            the agent played by chance, and `expert` the last, from the last on.

    Raises:
        UnknownNameError: there is no such quality.
        OutputError: there are not so many slices.
    """
    if quality not in QUALITIES:
        raise UnknownNameError(f"unknown quality {quality!r}: expected {', '.join(QUALITIES)}")
    if not 1 <= num_slices <= SLICES:
        raise OutputError(f"num_slices {num_slices}: expected 1 to {SLICES}")
    slices: Sequence[int] = range(SLICES)
    if num_slices < SLICES:
        if quality == "mixed":
            slices = random.Random(0).sample(slices, num_slices)
        elif quality == "random":
            slices = slices[:num_slices]
        else:
            slices = slices[-num_slices:][::-1]
    return [1 + number for number in slices]


@dataclass(frozen=True)
class Limits:
    """Where the script stops; None stands for no limit."""

    max_episodes: int | None = None
    """The last number of an episode: one more is saved, as there."""
    max_transitions: int | None = None
    """In whole slices: it counts what was read before the slice, saved or not."""

    def ends_slice(self, number: int, collected: int, length: int) -> bool:
        """Whether an episode is not saved any more, nor any after it in its slice.

        Args:
            number: that it would have.
            collected: steps of all episodes of the slices before.
            length: its steps.
        """
        too_many = self.max_episodes is not None and number > self.max_episodes
        return too_many or (self.max_transitions is not None and collected + length > self.max_transitions)

    def ends_export(self, number: int, collected: int) -> bool:
        """Whether no further slice is read, after so many saved episodes and steps read."""
        too_many = self.max_episodes is not None and number > self.max_episodes
        return too_many or (self.max_transitions is not None and collected > self.max_transitions)
