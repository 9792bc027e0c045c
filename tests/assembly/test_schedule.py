"""What comes next in a publication, told from what is made: no process, no file."""

from dataclasses import dataclass

import pytest
from atari_dqn_replay.builder.assembly.schedule import STRETCH, Schedule, divide, parts_of
from atari_dqn_replay.builder.format.checkpoint_id import CheckpointId
from atari_dqn_replay.builder.format.games import GAMES, find_game
from hypothesis import given
from hypothesis import strategies as st

PONG, SEAQUEST = find_game("pong"), find_game("seaquest")


@dataclass(frozen=True)
class Made:
    """A piece whose last episode ends in it, unless it says where that goes on."""

    tail_goes_on_in: int | None = None
    head_goes_on_in: int | None = None


def pong(*numbers: int, run: int = 1) -> list[CheckpointId]:
    return [CheckpointId(PONG, run, number) for number in numbers]


def pieces(**made: Made) -> dict[CheckpointId, Made]:
    return {pong(int(number[1:]))[0]: piece for number, piece in made.items()}


def test_pieces_are_made_of_what_is_unpublished_and_has_not_failed() -> None:
    schedule: Schedule[Made] = Schedule(frozenset(pong(3, 1, 2, 0)), pieces(_1=Made()))
    assert schedule.with_failed(pong(2)).missing_pieces() == pong(0, 3)


def test_a_checkpoint_whose_last_episode_ends_in_it_is_finished_by_itself() -> None:
    schedule = Schedule(frozenset(pong(0, 1)), pieces(_0=Made()))
    assert schedule.finished() == {pong(0)[0]: [Made()]}


def test_an_episode_that_goes_on_needs_all_the_pieces_that_it_reaches_into() -> None:
    first, through, last = Made(1), Made(2, head_goes_on_in=2), Made()
    schedule = Schedule(frozenset(pong(0, 1, 2)), pieces(_0=first, _1=through))
    assert schedule.finished() == {}
    assert schedule.missing_heads() == [], "checkpoint 2 is to be published, so its piece will be made"
    assert schedule.with_made(pieces(_2=last), {}).finished()[pong(0)[0]] == [first, through, last]


def test_a_head_is_made_of_a_checkpoint_that_is_not_to_be_published() -> None:
    schedule = Schedule(frozenset(pong(0)), pieces(_0=Made(1)))
    assert schedule.missing_heads() == pong(1)
    with_head = schedule.with_made({}, pieces(_1=Made(head_goes_on_in=2)))
    assert with_head.missing_heads() == pong(2)
    assert with_head.with_failed(pong(2)).missing_heads() == []


def test_pieces_are_kept_until_nothing_before_them_is_unpublished() -> None:
    made = pieces(_0=Made(), _1=Made(), _2=Made(), _3=Made())
    schedule = Schedule(frozenset(pong(0, 1, 2, 3)), made)
    assert schedule.spent() == []
    assert schedule.with_published(pong(0, 1, 3)).spent() == pong(0, 1)
    assert schedule.with_published(pong(0, 1, 2, 3)).spent() == pong(0, 1, 2, 3)


def test_pieces_of_another_selection_are_kept_with_the_heads_after_them() -> None:
    made = pieces(_1=Made(2), _5=Made())
    schedule = Schedule(frozenset(pong(5)), made, pieces(_0=Made(), _2=Made()), selection=frozenset(pong(5)))
    assert schedule.with_published(pong(5)).spent() == pong(0)


def test_runs_do_not_wait_for_each_other() -> None:
    other = pong(0, run=2)[0]
    schedule = Schedule(frozenset([*pong(5), other]), {**pieces(_5=Made()), other: Made()})
    assert schedule.with_published([other]).spent() == [other]


def test_what_is_lost_is_made_again() -> None:
    schedule = Schedule(frozenset(pong(0)), pieces(_0=Made())).without_made(pong(0))
    assert schedule.missing_pieces() == pong(0)


def test_several_workers_take_a_group_each_and_a_single_one_goes_on() -> None:
    groups = [[number] for number in range(STRETCH)] + [[6, 7]]
    assert divide(groups, workers=2) == groups
    assert divide(groups, workers=1) == [list(range(STRETCH)), [6, 7]]


@given(st.lists(st.booleans(), min_size=1, max_size=12), st.sets(st.integers(0, 12)))
def test_a_checkpoint_is_complete_when_its_last_episode_has_an_end(fills: list[bool], made: set[int]) -> None:
    """Whatever is made: the parts are consecutive, and the missing one is the first that is not made."""
    found = {
        number: Made(number + 1, number + 1 if fills[number] else None)
        for number in range(len(fills))
        if number in made
    }
    parts, missing = parts_of(0, found.get)
    assert parts == [found[number] for number in range(len(parts))]
    if missing is None:
        assert parts[-1].head_goes_on_in is None
        assert len(parts) > 1
    else:
        assert missing == len(parts)
        assert missing not in found


ids = st.builds(CheckpointId, st.sampled_from(GAMES), st.integers(1, 9), st.integers(0, 99))


@given(st.lists(ids))
def test_checkpoints_sort_as_their_paths_do(checkpoints: list[CheckpointId]) -> None:
    assert [each.folder for each in sorted(checkpoints)] == sorted(each.folder for each in checkpoints)


@given(ids)
def test_a_checkpoint_is_found_by_its_place(checkpoint: CheckpointId) -> None:
    assert CheckpointId.at(checkpoint.place) == checkpoint


@pytest.mark.parametrize(
    "place",
    ["pong/run_1", "pong/run_01/checkpoint_00", "Pong/run_1/checkpoint_00", "chess/run_1/checkpoint_00"],
)
def test_what_is_no_checkpoints_place_is_not_taken_for_one(place: str) -> None:
    assert CheckpointId.at(place) is None
