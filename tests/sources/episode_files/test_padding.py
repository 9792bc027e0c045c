"""How padding is told from a game's own first frames."""

import numpy as np
from atari_dqn_replay.builder.sources.episode_files.padding import Beginning, is_padded, padding_rows
from hypothesis import given
from hypothesis import strategies as st

ROWS = 64


def beginning(padding: int, black: int, action: int) -> Beginning:
    """An episode of a game that begins with some black frames, after the rows of padding that are left."""
    frames = np.ones((ROWS, 84, 84), np.uint8)
    frames[: padding + black] = 0
    actions = np.full(ROWS, action, np.int32)
    actions[:padding] = 0
    return Beginning.of(frames, actions, np.zeros(ROWS, np.float32))


@given(padding=st.integers(0, 2), black=st.integers(0, 8))
def test_what_a_cut_left_of_padding_is_told_from_black_frames(padding: int, black: int) -> None:
    """Where a dump began between its rows, the game's usual black frames show how many are left."""
    assert padding_rows(beginning(padding, black, action=1), usual_black=3 + black) == padding


@given(black=st.integers(0, 8), action=st.integers(0, 1))
def test_whole_padding_is_removed_whatever_follows(black: int, action: int) -> None:
    assert padding_rows(beginning(3, black, action), usual_black=3 + black) == 3


def test_the_majority_shows_whether_a_store_keeps_padding() -> None:
    padded, cut, black = beginning(3, 0, 1), beginning(0, 0, 1), beginning(0, 3, 0)
    assert is_padded([cut, padded, padded, padded])
    assert not is_padded([cut, cut, cut, black])
    assert not is_padded([])
