"""Reads one file out of an archive."""

import io
import zlib

_BLOCK = 1 << 16


class PartReader(io.RawIOBase):
    """A part of a file.

    Args:
        whole: the file; closed with this part.
        start: where the part begins.
        size: the bytes of the part.
    """

    def __init__(self, whole: io.RawIOBase, start: int, size: int) -> None:
        self._whole, self._start, self._left = whole, start, size
        self._began = False

    def readable(self) -> bool:
        """Returns True."""
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        """Fill the buffer as far as a single read goes.

        Raises:
            EOFError: the file ends within the part.
        """
        if not self._began:
            self._whole.seek(self._start)
            self._began = True
        count = self._whole.readinto(memoryview(buffer)[: self._left]) if self._left else 0
        if not count and self._left:
            raise EOFError
        self._left -= count or 0
        return count or 0

    def close(self) -> None:
        """Close the file."""
        self._whole.close()
        super().close()


class InflatingReader(io.RawIOBase):
    """The content of a zip's member, compared with its size and checksum at its end.

    Args:
        part: the member's bytes in the archive.
        size: the size of its content.
        crc: the CRC-32 of its content.
        is_deflated: whether it is packed.
    """

    def __init__(self, part: PartReader, size: int, crc: int | None, *, is_deflated: bool) -> None:
        self._part, self._size, self._expected = part, size, crc
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS) if is_deflated else None
        self._read, self._crc = 0, 0

    def readable(self) -> bool:
        """Returns True."""
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        """Fill the buffer with the next content."""
        data = self._next(len(buffer))
        buffer[: len(data)] = data
        self._read += len(data)
        self._crc = zlib.crc32(data, self._crc)
        if not data and (self._read, self._crc) != (self._size, self._expected):
            raise zlib.error("its size or checksum differs from the archive's")
        return len(data)

    def close(self) -> None:
        """Close the archive."""
        self._part.close()
        super().close()

    def _next(self, most: int) -> bytes:
        if self._inflater is None:
            return self._part.read(most) or b""
        while not self._inflater.eof:
            packed = self._inflater.unconsumed_tail or self._part.read(_BLOCK) or b""
            if not packed:
                raise EOFError
            if data := self._inflater.decompress(packed, most):
                return data
        return b""
