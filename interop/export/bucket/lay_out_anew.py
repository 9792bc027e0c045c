"""The dumps that a ring would have left of episodes which no ring is known of."""

from collections.abc import Iterable

from ....builder.format.protocol import PADDING_ROWS
from .lay_out import FULL_DUMP, CheckpointFacts
from .log_layout import Blank, FileLayout, LogLayout, Piece, Steps, cut


def lay_out_anew(facts: Iterable[CheckpointFacts], capacity: int) -> LogLayout:
    """Returns the layout of the dumps that a ring of this size would have left of these episodes.

    For episodes that no ring is known of. No lap is lost: where padding would step over a dump, the dump is
    made all the same, as loaders that take the rows as they come expect.
    """
    stream: list[Piece] = []
    finals = 0
    for each in facts:
        finals += each.rows.final_observations
        for number, length in enumerate(each.lengths):
            stream += [Blank(PADDING_ROWS), Steps(each.number, number, 0, length)]
    played = sum(map(len, stream))
    remark = f"no ring is recorded; laid out anew in one of {capacity:,} rows"
    if finals:
        remark += f"; {finals:,} final observations are left out"
    layout = LogLayout()
    number, start = 0, 0
    # The row before a file's first closes it, so it may need a file of its own.
    while start - (number > 0) < played:
        stop = min(start + capacity - 1, played)
        rows, last = cut(stream, start, stop), cut(stream, start - 1, start) or [Blank(1, unknown=True)]
        add_count = (number + 1) * capacity - FULL_DUMP
        if missing := capacity - 1 - sum(map(len, rows)):
            add_count = sum(map(len, rows))
            before = layout.files.get(number - 1)
            rows += cut(before.rows, add_count, capacity - 1) if before else [Blank(missing)]
        layout.files[number] = FileLayout(number, capacity, add_count, tuple(rows), last[0], (remark,))
        number, start = number + 1, start + capacity
    return layout
