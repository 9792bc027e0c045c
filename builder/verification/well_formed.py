"""Whether a record that was read from a file holds values of the types that its class declares."""

from collections.abc import Iterator
from dataclasses import is_dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints


def misfits(value: object, hint: Any, name: str) -> Iterator[str]:
    """The names of fields whose values are not of their declared type: `shards.rows`.

    Knows dataclasses, unions, `tuple[X, ...]`, `dict[X, Y]` and plain classes.
    """
    of = get_args(hint)
    if hint is Any:
        return
    if get_origin(hint) in (Union, UnionType):
        if all(any(misfits(value, each, name)) for each in of):
            yield name
    elif not isinstance(value, (int, float) if hint is float else get_origin(hint) or hint) or (
        isinstance(value, bool) and hint is not bool
    ):
        yield name
    elif is_dataclass(hint):
        for field, field_hint in get_type_hints(hint).items():
            yield from misfits(getattr(value, field), field_hint, f"{name}.{field}".lstrip("."))
    elif isinstance(value, tuple):
        for item in value:
            yield from misfits(item, of[0], name)
    elif isinstance(value, dict) and of:
        for key, item in value.items():
            yield from misfits(key, of[0], name)
            yield from misfits(item, of[1], name)
