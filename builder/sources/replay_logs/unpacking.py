"""Unpacks an array's file as it is read: gzip, zstd, xz, an `.npz`'s zip, or none, whatever its name says."""

import io
import lzma
import zlib
from typing import Protocol, cast

from isal import igzip, isal_zlib

from ...stores.hashing_reader import HashingReader

GZIP, ZSTD, XZ, ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\x00", b"PK\x03\x04"
"""What files of each kind begin with."""
_XZ_MEMORY = 256 << 20
"""Bytes that unpacking xz may take; its largest preset takes 65 MB."""
_BLOCK = 1 << 16

DAMAGE = (igzip.BadGzipFile, isal_zlib.error, lzma.LZMAError, zlib.error, OverflowError)
"""Errors of the libraries about content that is damaged."""


class DamagedError(Exception):
    """A packed file whose content is not what its format allows."""


class Stream(Protocol):
    """A stream of unpacked bytes."""

    def read(self, size: int, /) -> bytes:
        """Returns the next `size` bytes; fewer only at the end."""
        ...

    def close(self) -> None:
        """Close the stream."""
        ...


def unpack(raw: HashingReader, member: str) -> Stream:
    """Returns the unpacked bytes of a file.

    The stream raises EOFError if the file is cut short, and DamagedError or one of DAMAGE if it is damaged.

    Args:
        raw: the file, at its beginning.
        member: the array to read where the file holds several: `observation`.
    """
    start = raw.peek(6)
    if start.startswith(GZIP):
        return cast(Stream, igzip.IGzipFile(fileobj=raw, mode="rb"))
    if start.startswith(ZSTD):
        return _ZstdStream(raw)
    if start.startswith(XZ):
        return _XzStream(raw)
    if start.startswith(ZIP):
        return _ZipStream(raw, member)
    return io.BufferedReader(raw, _BLOCK)


class _ZstdStream:
    """Reads zstd, one or more frames."""

    def __init__(self, raw: HashingReader) -> None:
        import pyarrow as pa  # takes a third of a second

        self._stream = pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")

    def read(self, size: int, /) -> bytes:
        try:
            return self._stream.read(size)
        except OSError as error:
            if error.errno is not None:  # the file's own
                raise
            if "Truncated" in str(error):
                raise EOFError from None
            raise DamagedError(str(error)) from None

    def close(self) -> None:
        self._stream.close()


class _XzStream:
    """Reads xz, one or more streams, with bounded memory."""

    def __init__(self, raw: HashingReader) -> None:
        self._raw = raw
        self._unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
        self._began = False

    def read(self, size: int, /) -> bytes:
        pieces, count = [], 0
        while count < size and (piece := self._next(size - count)):
            pieces.append(piece)
            count += len(piece)
        return b"".join(pieces)

    def _next(self, most: int) -> bytes:
        while True:
            data = b""
            if self._unpacker.eof:
                rest = self._unpacker.unused_data or self._raw.read(_BLOCK) or b""
                if not rest.strip(b"\0"):
                    return b""
                self._unpacker, data = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY), rest
            elif self._unpacker.needs_input:
                data = self._raw.read(_BLOCK) or b""
                if not data:
                    raise EOFError
            if piece := self._unpacker.decompress(data, most):
                return piece

    def close(self) -> None:
        pass


class _ZipStream:
    """Reads one array of an `.npz` forwards: members before it are skipped, those after it are not looked at.

    A file of a single array is taken whatever it is called in there.
    """

    def __init__(self, raw: HashingReader, member: str) -> None:
        self._raw = raw
        self._crc = 0
        names = []
        while True:
            self._read_local_header()
            names.append(self._name)
            stem = self._name.removesuffix(".npy")
            if stem == member or (stem not in _MEMBERS and len(names) == 1):
                return
            if self._is_sized:
                self._skip(self._packed_left)
            else:
                raise DamagedError(f"a zip whose member {self._name!r} has no size")

    def read(self, size: int, /) -> bytes:
        pieces, count = [], 0
        while count < size and (piece := self._next(size - count)):
            self._crc = zlib.crc32(piece, self._crc)
            pieces.append(piece)
            count += len(piece)
        return b"".join(pieces)

    def close(self) -> None:
        pass

    def _read_local_header(self) -> None:
        header = self._exactly(30)
        if not header.startswith(ZIP):
            raise DamagedError("a zip without the array")
        flags, method = (int.from_bytes(header[at : at + 2], "little") for at in (6, 8))
        self._expected_crc, packed, size = (
            int.from_bytes(header[at : at + 4], "little") for at in (14, 18, 22)
        )
        names, extras = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
        self._name = self._exactly(names).decode("utf-8", "replace")
        sizes = _zip64_sizes(self._exactly(extras))
        if sizes and size == 0xFFFFFFFF:
            size, packed = sizes
        self._is_sized = not flags & 8
        if flags & 1 or method not in (0, 8) or (method == 0 and not self._is_sized):
            raise DamagedError(f"a zip whose member {self._name!r} is encrypted or packed in an unusual way")
        self._packed_left = packed
        self._unpacker = zlib.decompressobj(-zlib.MAX_WBITS) if method == 8 else None
        self._has_ended = False

    def _next(self, most: int) -> bytes:
        if self._has_ended:
            return b""
        if self._unpacker is None:
            data = self._raw.read(min(most, self._packed_left, 1 << 20)) if self._packed_left else b""
            if not data and self._packed_left:
                raise EOFError
            self._packed_left -= len(data)
            if not data:
                self._end()
            return data
        while True:
            data = self._unpacker.unconsumed_tail or self._raw.read(_BLOCK) or b""
            if not data:
                raise EOFError
            piece = self._unpacker.decompress(data, most)
            if piece:
                return piece
            if self._unpacker.eof:
                self._end()
                return b""

    def _end(self) -> None:
        self._has_ended = True
        if self._is_sized and self._crc != self._expected_crc:
            raise DamagedError("its checksum differs")

    def _skip(self, count: int) -> None:
        while count:
            count -= len(self._exactly(min(count, 1 << 20)))

    def _exactly(self, count: int) -> bytes:
        pieces = []
        while count:
            piece = self._raw.read(count)
            if not piece:
                raise EOFError
            pieces.append(piece)
            count -= len(piece)
        return b"".join(pieces)


_MEMBERS = ("observation", "action", "reward", "terminal", "add_count", "invalid_range")


def _zip64_sizes(extra: bytes) -> tuple[int, int] | None:
    """Returns the size and the packed size in a member's extra fields, if they are there."""
    while len(extra) >= 4:
        kind, length = int.from_bytes(extra[:2], "little"), int.from_bytes(extra[2:4], "little")
        if kind == 1 and length >= 16:
            return int.from_bytes(extra[4:12], "little"), int.from_bytes(extra[12:20], "little")
        extra = extra[4 + length :]
    return None
