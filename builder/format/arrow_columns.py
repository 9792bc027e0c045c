"""Converts arrays and lists to Arrow columns and back, without pandas.

`pa.array` imports pandas to check whether its argument is a Series, and so do `to_numpy` and, in older
releases, `to_pandas_dtype`: half a second of processor time in each process that builds or reads.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from .frames import IMAGE_TYPE

_DTYPES = {
    pa.from_numpy_dtype(name): np.dtype(name)
    for name in (
        *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float16", "float32", "float64"),
    )
}


def dtype_of(of_type: pa.DataType) -> np.dtype:
    """Returns the dtype of the values of a column of this type; `object` if they are no numbers."""
    return _DTYPES.get(of_type, np.dtype(object))


def column_of_array(values: np.ndarray, of_type: pa.DataType) -> pa.Array:
    """Returns an array of numbers or booleans as a column.

    Raises:
        ValueError: the array's dtype does not match the column's type.
    """
    if values.dtype != dtype_of(of_type):
        raise ValueError(f"a column of {of_type} was given values of {values.dtype}")
    bits_or_values = np.packbits(values, bitorder="little") if values.dtype == bool else values
    return pa.Array.from_buffers(
        of_type, len(values), [None, pa.py_buffer(np.ascontiguousarray(bits_or_values))]
    )


def column_of_list(values: Sequence[Any], of_type: pa.DataType) -> pa.Array:
    """Returns a list as a column: numbers, booleans, strings, or images, each a column of one image."""
    if of_type == IMAGE_TYPE:
        return pa.concat_arrays([pa.nulls(0, IMAGE_TYPE), *values])
    if of_type == pa.string():
        return _column_of_strings(values)
    return column_of_array(np.array(values, dtype_of(of_type)), of_type)


def _column_of_strings(values: Sequence[str]) -> pa.StringArray:
    encoded = [value.encode() for value in values]
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    data = pa.py_buffer(b"".join(encoded))
    return pa.StringArray.from_buffers(len(values), pa.py_buffer(offsets), data)


def array_of_column(column: pa.ChunkedArray) -> np.ndarray:
    """Returns a column of numbers or booleans without nulls as an array."""
    if pa.types.is_boolean(column.type):
        return array_of_column(column.cast(pa.uint8())).view(bool)
    return np.concatenate([np.empty(0, dtype_of(column.type)), *map(np.from_dlpack, column.chunks)])
