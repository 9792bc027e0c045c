"""Stores records as JSON and reads them back, validated strictly and within limits.

A record may have been written by another version of this program, by somebody else, or to a failing disk. A
field that does not match its declaration is reported as found and expected, and never used.
"""

import json
from collections.abc import Iterator
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from ..files import MOST_SMALL_BYTES

MOST_LEVELS = 64
"""The most levels of nested objects and lists."""

Count = Annotated[int, Meta(ge=0, lt=1 << 53)]
"""A number of rows, steps, bytes or files, small enough that every JSON reader represents it exactly."""
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
"""A SHA-256 digest in hexadecimal."""


class Record(Struct, frozen=True, forbid_unknown_fields=True):
    """Base class of records stored as JSON; field types and bounds are validated on reading."""


AnyRecord = TypeVar("AnyRecord")


def read_record(content: bytes | str, kind: type[AnyRecord]) -> AnyRecord:
    """Parse a record from JSON.

    Args:
        content: the JSON text.
        kind: the expected type of record.

    Raises:
        ValueError: the content does not match; the message states what was found, where, and what was
            expected.
    """
    return record_of(parse(content), kind)


def parse(content: bytes | str) -> Any:
    """Parse JSON of unknown content.

    Raises:
        ValueError: the content is not JSON, or exceeds the limits.
    """
    if len(content) > MOST_SMALL_BYTES:
        raise ValueError(f"{len(content):,} bytes, expected at most {MOST_SMALL_BYTES:,}")
    try:
        value = msgspec.json.decode(content)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from None
    if _is_deeper(value, MOST_LEVELS):
        raise ValueError(_TOO_DEEP)
    return value


def record_of(value: Any, kind: type[AnyRecord]) -> AnyRecord:
    """Convert parsed JSON to a record.

    Raises:
        ValueError: the value does not match; the message states what was found, where, and what was expected.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        found, _, path = str(error).partition(" - at `$")
        place = path.rstrip("`").lstrip(".").replace("[...]", "")
        raise ValueError(f"{place}: {found}" if place else found) from None


def to_json(record: Struct | dict[str, Any], *, sort_keys: bool = False, **more: Any) -> str:
    """Returns a record as the text of its file; equal records give equal bytes.

    Args:
        record: the record to write.
        sort_keys: whether fields come in alphabetical instead of declaration order.
        more: fields to put before the record's own.

    Raises:
        ValueError: the record holds a number that JSON cannot represent (NaN, an infinity).
    """
    value = {**more, **msgspec.to_builtins(record)}
    return json.dumps(value, indent=2, sort_keys=sort_keys, allow_nan=False) + "\n"


_TOO_DEEP = f"nested more than {MOST_LEVELS} levels deep"


def _is_deeper(value: Any, levels: int) -> bool:
    """Returns whether lists and objects are nested more than `levels` deep, without recursion."""
    layer = [value]
    for _ in range(levels):
        layer = [inner for outer in layer for inner in _inside(outer)]
        if not layer:
            return False
    return True


def _inside(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value
