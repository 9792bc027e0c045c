"""Records that are stored as JSON and read back: validated strictly, and within limits.

Whoever wrote a record may be another version of this program, somebody else, or a failing disk. What does
not fit its declaration is reported by field, as found and expected, and never used.
"""

import json
from collections.abc import Iterator
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from ..files import MOST_SMALL_BYTES

MOST_LEVELS = 64
"""Of objects and lists within each other."""

Count = Annotated[int, Meta(ge=0, lt=1 << 53)]
"""A number of rows, steps, bytes or files: every JSON reader holds these exactly."""
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
"""A SHA-256 in hexadecimal."""


class Record(Struct, frozen=True, forbid_unknown_fields=True):
    """Base of what is stored as JSON: the types of its fields, and their bounds, hold when it is read."""


AnyRecord = TypeVar("AnyRecord")


def read_record(content: bytes | str, kind: type[AnyRecord]) -> AnyRecord:
    """Read a record back.

    Args:
        content: JSON.
        kind: what it is to be.

    Raises:
        ValueError: it is something else; the text says what was found and where, and what was expected.
    """
    return record_of(parse(content), kind)


def parse(content: bytes | str) -> Any:
    """Read JSON of unknown content.

    Raises:
        ValueError: it is no JSON, or beyond the limits.
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
    """Read a record from JSON that is parsed already.

    Raises:
        ValueError: it is something else; the text says what was found and where, and what was expected.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        found, _, path = str(error).partition(" - at `$")
        place = path.rstrip("`").lstrip(".").replace("[...]", "")
        raise ValueError(f"{place}: {found}" if place else found) from None


def to_json(record: Struct | dict[str, Any], *, sort_keys: bool = False, **more: Any) -> str:
    """Returns a record as the text of a file; equal records give equal bytes.

    Args:
        record: a record.
        sort_keys: whether the fields come in alphabetical order instead of that of their declaration.
        more: fields that come before its own.

    Raises:
        ValueError: it holds a number that JSON has no form for (NaN, an infinity).
    """
    value = {**more, **msgspec.to_builtins(record)}
    return json.dumps(value, indent=2, sort_keys=sort_keys, allow_nan=False) + "\n"


_TOO_DEEP = f"nested more than {MOST_LEVELS} levels deep"


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects lie within each other so deeply; without recursion."""
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
