"""The ring's rules, from numbers alone: what a dump holds follows from its number, its count and C."""

import numpy as np
import pytest
from atari_dqn_replay.builder.sources.replay_logs.dumps import (
    Header,
    Link,
    Rows,
    full_dump,
    is_in_order,
    link_between,
    may_begin_log,
    only_dump,
    repeating_dump,
    tells_play_apart,
    unattached_dump,
)
from atari_dqn_replay.builder.sources.replay_logs.log_files import SCALARS
from hypothesis import given
from hypothesis import strategies as st

C = 1_000_000


def lap(number: int, laps: int | None = None) -> Header:
    """A dump of a full lap: of the ring's lap `laps`, as many as its number says if nothing was skipped."""
    return Header(number, C, ((number if laps is None else laps) + 1) * C - 1)


def final(number: int, cursor: int) -> Header:
    return Header(number, C, cursor)


def test_the_metadata_of_the_real_first_checkpoint() -> None:
    """TorchRL prints add_count 999999 for it: its last row was never written, and nothing is repeated."""
    dump = full_dump(Header(0, C, 999_999), link_between(None, lap(0)))
    assert (dump.link, dump.played) == (Link.START, (Rows(0, 0, C - 1),))
    assert (dump.stale, dump.repeated, dump.partial) == (1, 0, False)


def test_the_last_row_of_a_later_dump_comes_first() -> None:
    dump = full_dump(lap(7), link_between(lap(6), lap(7)))
    assert (dump.link, dump.played) == (Link.JOINED, (Rows(7, C - 1, C), Rows(7, 0, C - 1)))
    assert dump.stale == 0


def test_the_final_dump_repeats_what_its_cursor_did_not_reach() -> None:
    dump = repeating_dump(final(50, 300_000), stale_before=0)
    assert dump.played == (Rows(50, C - 1, C), Rows(50, 0, 300_000))
    assert (dump.partial, dump.repeated, dump.stale) == (True, 699_999, 0)


def test_a_final_dump_right_after_another_repeats_all_of_it() -> None:
    """Training ended with the lap: the same ring was dumped twice, with the row that it never wrote."""
    dump = repeating_dump(final(1, C - 1), stale_before=1)
    assert (dump.played, dump.repeated, dump.stale) == ((), C - 1, 1)


@pytest.mark.parametrize(
    ("before", "header", "link"),
    [
        (None, lap(0), Link.SKIPPED),  # START if its count is that of the first lap; see `full_dump`
        (None, lap(3), Link.CUT),
        (lap(2), lap(3), Link.JOINED),
        (lap(2), lap(3, laps=4), Link.SKIPPED),
        (lap(1), lap(3), Link.CUT),
        (lap(1, laps=2), lap(3, laps=4), Link.CUT),
    ],
)
def test_a_skipped_lap_shows_in_the_counts_and_a_lost_file_in_the_numbers(
    before: Header | None, header: Header, link: Link
) -> None:
    assert link_between(before, header) is link


def test_what_precedes_an_unattached_final_dump_comes_first() -> None:
    dump = unattached_dump(final(4, 10), begins_with_padding=False)
    assert (dump.link, dump.played) == (Link.CUT, (Rows(4, 10, C), Rows(4, 0, 10)))
    assert (dump.stale, dump.repeated) == (0, 0)
    assert unattached_dump(final(0, 0), begins_with_padding=True).link is Link.START
    assert only_dump(final(0, 10)).stale == C - 10


@pytest.mark.parametrize(
    ("header", "possible", "partial"),
    [
        (final(0, 0), True, True),
        (final(3, C - 1), True, True),
        (Header(0, C, C - 1), True, False),
        (lap(1), True, False),
        (final(0, -1), False, True),
        (Header(1, C, C), False, False),
    ],
)
def test_a_ring_is_dumped_at_the_laps_end_or_at_trainings_end(
    header: Header, possible: bool, partial: bool
) -> None:
    assert (header.is_possible, header.is_partial) == (possible, partial)


def test_counts_of_a_run_ascend_and_only_its_last_dump_is_partial() -> None:
    assert is_in_order(lap(2), lap(3))
    assert is_in_order(lap(2), final(3, 5))
    assert not is_in_order(lap(3), lap(4, laps=3))
    assert not is_in_order(final(2, 5), lap(3))


def test_a_log_may_begin_with_its_final_dump() -> None:
    """With the cursor on the last row there was one before it, which is lost."""
    assert may_begin_log(final(0, 5))
    assert may_begin_log(final(1, C - 1))
    assert not may_begin_log(final(1, 5))


@given(
    capacity=st.integers(5, 50),
    number=st.integers(0, 3),
    data=st.data(),
)
def test_every_row_of_a_dump_is_accounted_for_once(capacity: int, number: int, data: st.DataObject) -> None:
    cursor = data.draw(st.integers(0, capacity - 1))
    header = Header(number, capacity, cursor)
    count = data.draw(st.integers(number, number + 3))
    full = Header(number, capacity, (count + 1) * capacity - 1)
    dumps = [unattached_dump(header, begins_with_padding=False), only_dump(header)]
    if number > 0:
        dumps.append(repeating_dump(header, stale_before=int(number == 1)))
    if not full.is_partial:
        dumps.append(full_dump(full, link_between(None, full)))
    for dump in dumps:
        rows = [row for each in dump.played for row in range(each.start, each.stop)]
        assert len(rows) == len(set(rows))
        assert len(rows) + dump.stale + dump.repeated == capacity
        assert dump.stale >= 0


def scalars(actions: object, rewards: object = 0.0) -> np.ndarray:
    array = np.zeros(len(np.asarray(actions)), SCALARS)
    array["action"], array["reward"] = actions, rewards
    return array


def test_numbers_tell_play_apart_where_there_are_enough_of_them() -> None:
    random = np.random.default_rng(0)
    assert tells_play_apart(scalars(random.integers(6, size=5_000)))
    assert not tells_play_apart(scalars(random.integers(6, size=500)))


def test_an_agent_that_always_does_the_same_is_told_apart_by_frames_alone() -> None:
    """Of one that explores in a hundredth of its steps, ten thousand rows are enough."""
    random = np.random.default_rng(0)
    assert not tells_play_apart(scalars(np.ones(500_000)))
    explores = random.random(10_000) < 0.01
    assert tells_play_apart(scalars(np.where(explores, random.integers(6, size=10_000), 1)))
    assert not tells_play_apart(scalars(np.full(5_000, 1), np.float32("nan")))
