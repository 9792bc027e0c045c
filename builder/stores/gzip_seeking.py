"""Reads a gzip from any place, by keeping the state of inflating it at some places."""

import io
import zlib
from dataclasses import dataclass
from typing import Any

_FIRST_SPACING = 1 << 20
_MOST_POINTS = 256
"""States that are kept: each takes about 44 kB of memory."""
_BLOCK = 1 << 16


@dataclass(frozen=True)
class SeekPoint:
    """A place from which inflating can go on."""

    position: int
    """The bytes of content before it."""
    packed: int
    """The bytes of the file before the next one to read."""
    inflater: Any
    """zlib's state, to be copied."""


class SeekingGzip(io.RawIOBase):
    """The content of a gzip of one or more members.

    The first reader goes through the whole file and makes the points; later readers start from the nearest
    one before the place they want.

    Args:
        raw: the file; closed with this reader.
        points: where states are kept, in order.
        is_first: whether this reader makes them.
    """

    def __init__(self, raw: io.RawIOBase, points: list[SeekPoint], *, is_first: bool = False) -> None:
        self._raw, self._points, self._makes_points = raw, points, is_first
        self._spacing = _FIRST_SPACING
        self._go_to(SeekPoint(0, 0, zlib.decompressobj(31)))
        if is_first:
            points.append(SeekPoint(0, 0, zlib.decompressobj(31)))

    def readable(self) -> bool:
        """Returns True."""
        return True

    def seekable(self) -> bool:
        """Returns True."""
        return True

    def tell(self) -> int:
        """Returns the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a position in the content, counted from its beginning or from here."""
        assert whence != io.SEEK_END
        target = offset + (self._position if whence == io.SEEK_CUR else 0)
        near = max(
            (point for point in self._points if point.position <= target), key=lambda each: each.position
        )
        if target < self._position or near.position > self._position:
            self._go_to(near)
        while self._position < target and self._next(min(_BLOCK, target - self._position)):
            pass
        return self._position

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        """Fill the buffer with the next content.

        Raises:
            EOFError: the file is cut short.
            zlib.error: the file is damaged.
        """
        data = self._next(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the file."""
        self._raw.close()
        super().close()

    def _go_to(self, point: SeekPoint) -> None:
        self._position, self._packed, self._inflater = point.position, point.packed, point.inflater.copy()
        self._raw.seek(point.packed)

    def _next(self, most: int) -> bytes:
        while True:
            packed = self._inflater.unconsumed_tail
            if self._inflater.eof:
                packed = self._inflater.unused_data or self._fetch()
                if not packed.strip(b"\0"):  # a file may be filled up with zeros
                    return b""
                self._inflater = zlib.decompressobj(31)
            elif not packed:
                packed = self._fetch()
                if not packed:
                    raise EOFError
            data = self._inflater.decompress(packed, most)
            if data:
                self._position += len(data)
                if self._makes_points and self._position - self._points[-1].position >= self._spacing:
                    self._add_point()
                return data

    def _fetch(self) -> bytes:
        packed = self._raw.read(_BLOCK) or b""
        self._packed += len(packed)
        return packed

    def _add_point(self) -> None:
        self._points.append(SeekPoint(self._position, self._packed, self._inflater.copy()))
        if len(self._points) > _MOST_POINTS:
            del self._points[1::2]
            self._spacing *= 2
