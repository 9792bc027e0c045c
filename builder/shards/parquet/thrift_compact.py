"""Reads and changes structs of Thrift's compact protocol, the encoding of Parquet's metadata.

Fields that are not named pass through untouched, so unknown fields are no obstacle. The encoding:
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from mmap import mmap
from typing import Any

Changes = Mapping[int, Any]
"""Changes to a struct's fields, by number: for an integer, a `Callable[[int], int]`; for a struct, its
`Changes`; for a list, the change to each of its elements."""

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)
_LONG_LIST = 15
"""The marker for a list length that does not fit into the list's first byte."""


class Seen(list[int]):
    """A list of the integers it was called with, which it leaves unchanged."""

    def __call__(self, number: int) -> int:
        """Record the number and return it."""
        self.append(number)
        return number


def one_by_one(numbers: Iterable[int]) -> Callable[[int], int]:
    """Returns a function that replaces each integer it receives by the next of these."""
    iterator = iter(numbers)
    return lambda _: next(iterator)


def read_struct(data: bytes | mmap, start: int = 0) -> tuple[dict[int, Any], int]:
    """Returns the fields of the struct at `start` by number, and where it ended.

    Values are integers, booleans, floats, bytes, lists, and structs in the same form.

    Raises:
        IndexError: the data ends within the struct.
        ValueError: it has a type that Parquet's metadata do not have.
    """
    reader = _Reader(data, start)
    return reader.struct(), reader.position


def rewrite(data: bytes | mmap, changes: Changes, start: int = 0) -> tuple[bytes, int]:
    """Returns the changed struct at `start`, and where it ended; changes apply in byte order."""
    rewriter = _Rewriter(data, start)
    rewriter.struct(changes)
    return rewriter.result(), rewriter.position


def field_span(data: bytes, number: int) -> tuple[int, int]:
    """Returns the start and end of a field's value in the struct at offset 0.

    Raises:
        KeyError: the struct has no such field.
    """
    walker = _Walker(data, 0)
    for found, kind in walker.fields():
        start = walker.position
        walker.skip(kind)
        if found == number:
            return start, walker.position
    raise KeyError(number)


def encode_integer(value: int) -> bytes:
    """Returns an encoded integer."""
    return _varint(value << 1 if value >= 0 else (-value << 1) - 1)


def encode_structs(structs: Sequence[bytes]) -> bytes:
    """Returns an encoded list of structs."""
    size = len(structs)
    head = bytes([min(size, _LONG_LIST) << 4 | _STRUCT])
    return b"".join([head, _varint(size) if size >= _LONG_LIST else b"", *structs])


def _varint(value: int) -> bytes:
    """Returns a varint: seven bits per byte, lowest first; all bytes but the last have the eighth bit set."""
    result = bytearray()
    while value > 0x7F:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    result.append(value)
    return bytes(result)


class _Walker:
    """A cursor that moves forwards over encoded values."""

    def __init__(self, data: bytes | mmap, start: int) -> None:
        self.data = data
        self.position = start

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.data[self.position]
            self.position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def integer(self) -> int:
        value = self.varint()
        return value >> 1 ^ -(value & 1)

    def fields(self) -> Iterator[tuple[int, int]]:
        """Yield the number and type of each field of a struct; skip its value before the next."""
        number = 0
        while head := self.data[self.position]:
            self.position += 1
            number = number + (head >> 4) if head >> 4 else self.integer()
            yield number, head & 15
        self.position += 1

    def list_head(self) -> tuple[int, int]:
        """Returns the length and element type of a list, whose elements come next."""
        head = self.data[self.position]
        self.position += 1
        return self.varint() if head >> 4 == _LONG_LIST else head >> 4, head & 15

    def skip(self, kind: int) -> None:
        """Skip a field's value."""
        if kind in (_I16, _I32, _I64):
            while self.data[self.position] > 0x7F:
                self.position += 1
            self.position += 1
        elif kind == _BINARY:
            length = self.varint()
            self.position += length
        elif kind == _STRUCT:
            for _, inner in self.fields():
                self.skip(inner)
        elif kind in (_LIST, _SET):
            size, inner = self.list_head()
            for _ in range(size):
                self.skip(_BYTE if inner in (_TRUE, _FALSE) else inner)
        elif kind in (_BYTE, _DOUBLE):
            self.position += 1 if kind == _BYTE else 8
        elif kind not in (_TRUE, _FALSE):  # the type alone encodes these
            raise ValueError(f"type {kind} at byte {self.position} is none that Parquet's metadata have")


class _Reader(_Walker):
    """A cursor that returns the values that it moves over."""

    def struct(self) -> dict[int, Any]:
        return {number: self.value(kind) for number, kind in self.fields()}

    def value(self, kind: int) -> Any:
        if kind in (_TRUE, _FALSE):
            return kind == _TRUE
        if kind in (_I16, _I32, _I64):
            return self.integer()
        if kind == _STRUCT:
            return self.struct()
        if kind in (_LIST, _SET):
            size, inner = self.list_head()
            return [self._element(inner) for _ in range(size)]
        length = self.varint() if kind == _BINARY else {_BYTE: 1, _DOUBLE: 8}.get(kind)
        if length is None:
            raise ValueError(f"type {kind} at byte {self.position} is none that Parquet's metadata have")
        content = self.data[self.position : self.position + length]
        if len(content) < length:
            raise IndexError(f"{length:,} bytes at byte {self.position}, beyond the end")
        self.position += length
        return struct.unpack("<d", content)[0] if kind == _DOUBLE else content

    def _element(self, kind: int) -> Any:
        # A boolean in a list is a byte; as a field's value, it is the field's type.
        return self.value(_BYTE) == bytes([_TRUE]) if kind in (_TRUE, _FALSE) else self.value(kind)


class _Rewriter(_Walker):
    """A cursor that copies what it moves over."""

    def __init__(self, data: bytes | mmap, start: int) -> None:
        super().__init__(data, start)
        self._parts: list[bytes] = []
        self._copied = start

    def result(self) -> bytes:
        return b"".join([*self._parts, self.data[self._copied : self.position]])

    def struct(self, changes: Changes) -> None:
        for number, kind in self.fields():
            self._value(kind, changes.get(number))

    def _value(self, kind: int, change: Any) -> None:
        if change is None:
            self.skip(kind)
        elif kind == _STRUCT:
            self.struct(change)
        elif kind == _LIST:
            size, inner = self.list_head()
            for _ in range(size):
                self._value(inner, change)
        else:
            self._parts.append(self.data[self._copied : self.position])
            self._parts.append(encode_integer(change(self.integer())))
            self._copied = self.position
