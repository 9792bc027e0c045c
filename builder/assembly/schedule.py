"""What comes next in a publication: rules over checkpoints and the pieces made of them, without side effects.

A checkpoint is published when its own piece is made and, if its last episode continues in later checkpoints,
their pieces too. Of a later checkpoint that is not to be published itself, a head is enough.
"""

import itertools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, Protocol, TypeVar

from ..format.checkpoint_id import CheckpointId

STRETCH = 6
"""Checkpoints that a single worker makes in one task, before what is finished is published."""


class Part(Protocol):
    """What matters here of a piece: where the episodes at its ends continue."""

    @property
    def tail_goes_on_in(self) -> int | None:
        """The checkpoint that holds the rest of the last episode; None if there is none."""

    @property
    def head_goes_on_in(self) -> int | None:
        """The checkpoint that holds the rest of the first episode, if that fills this one; else None."""


AnyPart = TypeVar("AnyPart", bound=Part)


def parts_of(first: int, find: Callable[[int], AnyPart | None]) -> tuple[list[AnyPart], int | None]:
    """Returns a checkpoint's piece and those that complete it, in order of play, as far as they are made.

    Args:
        first: the checkpoint's number.
        find: returns the piece, or the head, of a checkpoint of the same run, if it is made.

    Returns:
        The pieces, and the number of the first checkpoint whose piece is missing; None if none is.
    """
    parts: list[AnyPart] = []
    number: int | None = first
    while number is not None:
        part = find(number)
        if part is None:
            break
        number = part.head_goes_on_in if parts else part.tail_goes_on_in
        parts.append(part)
    return parts, number


def divide(groups: Sequence[Sequence[int]], workers: int) -> list[list[int]]:
    """Returns the checkpoints of each task of a run.

    Several workers take a group each. A single one continues from one checkpoint to the next, which saves it
    from reading anything twice.

    Args:
        groups: checkpoints that are best read by one worker, as `Run.tasks` returns them.
        workers: how many there are.
    """
    size = 1 if workers > 1 else STRETCH
    stretches = (groups[start : start + size] for start in range(0, len(groups), size))
    return [list(itertools.chain.from_iterable(stretch)) for stretch in stretches]


@dataclass(frozen=True)
class Schedule(Generic[AnyPart]):
    """What is left of a publication, and what has been made for it; each change returns a new schedule."""

    unpublished: frozenset[CheckpointId]
    """Checkpoints to publish that are not yet published."""
    pieces: Mapping[CheckpointId, AnyPart] = field(default_factory=dict)
    """Pieces that are made, and not yet removed again."""
    heads: Mapping[CheckpointId, AnyPart] = field(default_factory=dict)
    """Heads of checkpoints that are not to be published, made to complete those before them."""
    failed: frozenset[CheckpointId] = frozenset()
    """Checkpoints that could not be made."""
    selection: frozenset[CheckpointId] | None = None
    """Checkpoints of this publication, published or not; None means all. Pieces of others are not its own."""

    def is_own(self, checkpoint: CheckpointId) -> bool:
        """Returns whether a checkpoint belongs to this publication's selection."""
        return self.selection is None or checkpoint in self.selection

    def find(self, checkpoint: CheckpointId) -> AnyPart | None:
        """Returns what is made of a checkpoint: its piece, or otherwise its head."""
        return self.pieces.get(checkpoint) or self.heads.get(checkpoint)

    def missing_pieces(self) -> list[CheckpointId]:
        """Returns the checkpoints whose pieces are to be made, in order."""
        return sorted(self.unpublished - self.pieces.keys() - self.failed)

    def missing_heads(self) -> list[CheckpointId]:
        """Returns the checkpoints whose head a made piece waits for, if nothing else will make it."""
        waited_for = {
            checkpoint.sibling(missing)
            for checkpoint in self._made()
            if (missing := self._parts_of(checkpoint)[1]) is not None
        }
        return sorted(waited_for - self.unpublished - self.failed)

    def finished(self) -> dict[CheckpointId, list[AnyPart]]:
        """Returns the checkpoints that can be published, in order, each with all its pieces."""
        found = {checkpoint: self._parts_of(checkpoint) for checkpoint in self._made()}
        return {checkpoint: parts for checkpoint, (parts, missing) in found.items() if missing is None}

    def spent(self) -> list[CheckpointId]:
        """Returns what no unpublished checkpoint can still need: made, and before the first of its run."""
        first: dict[CheckpointId, CheckpointId] = {}
        # An interrupted publication of another selection will need its pieces, and the heads after them.
        others = frozenset[CheckpointId]() if self.selection is None else self.pieces.keys() - self.selection
        for checkpoint in sorted(self.unpublished | others, reverse=True):
            first[checkpoint.sibling(0)] = checkpoint
        made = sorted({*self.pieces, *self.heads})
        return [each for each in made if each.sibling(0) not in first or each < first[each.sibling(0)]]

    def with_made(
        self, pieces: Mapping[CheckpointId, AnyPart], heads: Mapping[CheckpointId, AnyPart]
    ) -> "Schedule[AnyPart]":
        """Returns the schedule once these are made."""
        return replace(self, pieces={**self.pieces, **pieces}, heads={**self.heads, **heads})

    def without_made(self, checkpoints: Collection[CheckpointId]) -> "Schedule[AnyPart]":
        """Returns the schedule once the pieces and heads of these checkpoints are removed."""
        return replace(
            self,
            pieces={each: self.pieces[each] for each in self.pieces if each not in checkpoints},
            heads={each: self.heads[each] for each in self.heads if each not in checkpoints},
        )

    def with_published(self, checkpoints: Iterable[CheckpointId]) -> "Schedule[AnyPart]":
        """Returns the schedule once these are published."""
        return replace(self, unpublished=self.unpublished.difference(checkpoints))

    def with_failed(self, checkpoints: Iterable[CheckpointId]) -> "Schedule[AnyPart]":
        """Returns the schedule once these have failed."""
        return replace(self, failed=self.failed.union(checkpoints))

    def _made(self) -> list[CheckpointId]:
        return sorted(self.unpublished & self.pieces.keys())

    def _parts_of(self, checkpoint: CheckpointId) -> tuple[list[AnyPart], int | None]:
        return parts_of(checkpoint.number, lambda number: self.find(checkpoint.sibling(number)))
