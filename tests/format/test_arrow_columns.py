"""Columns are those that pyarrow itself would make, only without pandas."""

import numpy as np
import pyarrow as pa
import pytest
from atari_dqn_replay.builder.format.arrow_columns import array_of_column, column_of_array, column_of_list
from atari_dqn_replay.builder.format.frames import IMAGE_TYPE, encode_frames
from hypothesis import given
from hypothesis import strategies as st
from logs import real_frames

NUMBERS = {"int8": pa.int8(), "int64": pa.int64(), "float32": pa.float32(), "bool": pa.bool_()}


@pytest.mark.parametrize("dtype", NUMBERS)
@given(values=st.lists(st.integers(0, 1) | st.integers(-100, 100), max_size=40))
def test_numbers_and_booleans(dtype: str, values: list[int]) -> None:
    array = np.array(values, dtype)
    column = column_of_array(array[::2], NUMBERS[dtype])
    column.validate(full=True)
    assert column.equals(pa.array(array[::2], NUMBERS[dtype]))
    assert column_of_list(array.tolist(), NUMBERS[dtype]).equals(pa.array(array))


def test_back_to_an_array() -> None:
    chunks = [pa.array([1.5, 2.5], pa.float32()), pa.array([], pa.float32()), pa.array([3.5], pa.float32())]
    array = array_of_column(pa.chunked_array(chunks))
    assert (array.dtype, array.tolist()) == (np.float32, [1.5, 2.5, 3.5])
    flags = pa.chunked_array([pa.array([True, False]), pa.array([False, True]).slice(1)])
    assert (array_of_column(flags).dtype, array_of_column(flags).tolist()) == (bool, [True, False, True])
    assert array_of_column(pa.chunked_array([], pa.int16())).dtype == np.int16


@given(values=st.lists(st.text(max_size=10), max_size=20))
def test_strings(values: list[str]) -> None:
    column = column_of_list(values, pa.string())
    column.validate(full=True)
    assert column.equals(pa.array(values, pa.string()))


def test_images_some_of_which_are_missing() -> None:
    first, second = (encode_frames(frame[None]) for frame in real_frames("Pong", 2))
    column = column_of_list([first, pa.nulls(1, IMAGE_TYPE), second], IMAGE_TYPE)
    assert column.to_pylist() == [first[0].as_py(), None, second[0].as_py()]
    assert len(column_of_list([], IMAGE_TYPE)) == 0


def test_values_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="a column of int16 was given values of int64"):
        column_of_array(np.array([70_000]), pa.int16())
    with pytest.raises(OverflowError):
        column_of_list([300], pa.int8())
