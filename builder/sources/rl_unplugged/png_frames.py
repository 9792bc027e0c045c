"""Decodes frames from PNGs on threads, and refuses those that are not 84×84 greyscale images."""

import itertools
import os
import struct
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ...errors import SourceError
from ...format.protocol import FRAME_SHAPE

CHUNK_FRAMES = 128
"""The number of frames that a thread decodes at once."""

THREADS = min(os.cpu_count() or 1, 8)

_HEAD = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", *FRAME_SHAPE[::-1], 8, 0, 0, 0, 0)
"""The first bytes of any 84×84 greyscale PNG with 8 bits per pixel."""


def decode_pngs(pngs: Sequence[bytes], where: str) -> np.ndarray:
    """Returns the decoded frames, shape (n, 84, 84), uint8.

    Raises:
        SourceError: a PNG is damaged, or has the wrong size or mode; `where` names the episode.
    """
    import cv2  # releases the GIL while it decodes, which Pillow does not for small images

    frames = np.empty((len(pngs), *FRAME_SHAPE), np.uint8)
    for place, png in enumerate(pngs):
        if not png.startswith(_HEAD):
            raise SourceError(f"{where}: observation {place} is {_describe(png)}, expected 84×84 grey as PNG")
        frame = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
        if frame is None or frame.shape != FRAME_SHAPE or frame.dtype != np.uint8:
            raise SourceError(f"{where}: observation {place} is a damaged PNG; copy the file again")
        frames[place] = frame
    return frames


class PngDecoder:
    """Decodes PNGs on threads, a few chunks ahead of the reader; must be closed."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="png")

    def decode(self, pngs: Sequence[bytes], where: str) -> Iterator[np.ndarray]:
        """Yield the frames in order, in blocks of shape (n, 84, 84), uint8."""
        chunks = (pngs[start : start + CHUNK_FRAMES] for start in range(0, len(pngs), CHUNK_FRAMES))
        ahead = deque(
            self._executor.submit(decode_pngs, chunk, where)
            for chunk in itertools.islice(chunks, 2 * THREADS)
        )
        while ahead:
            frames = ahead.popleft().result()
            following = next(chunks, None)
            if following is not None:
                ahead.append(self._executor.submit(decode_pngs, following, where))
            yield frames

    def close(self) -> None:
        """Stop the threads."""
        self._executor.shutdown(cancel_futures=True)


def _describe(png: bytes) -> str:
    if len(png) < len(_HEAD) or not png.startswith(_HEAD[:16]):
        return f"no PNG (it begins with {png[:8]!r})"
    width, height, depth, colours, *_ = struct.unpack(">IIBBBBB", png[16 : len(_HEAD)])
    return f"a PNG of {width}×{height} pixels, {depth} bits deep, with colour type {colours}"
