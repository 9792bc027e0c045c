"""Encodes pictures as WebP without loss; the same pixels give the same bytes."""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def still(picture: Image.Image) -> bytes:
    """Returns a picture as a WebP file."""
    file = io.BytesIO()
    picture.save(file, "WEBP", lossless=True, quality=80, method=6, exact=False)
    return file.getvalue()


def animation(frames: Sequence[NDArray[np.uint8]], milliseconds: int, scale: int = 1) -> bytes:
    """Returns frames (height, width) as an animated WebP file that repeats forever.

    Args:
        frames: at least one frame, all of one shape.
        milliseconds: how long each is shown.
        scale: how many pixels, across and down, a pixel becomes.
    """
    first, *others = [Image.fromarray(enlarged(frame, scale)).convert("RGB") for frame in frames]
    file = io.BytesIO()
    first.save(
        file,
        "WEBP",
        save_all=True,
        append_images=others,
        duration=milliseconds,
        loop=0,
        lossless=True,
        quality=50,
        method=4,
    )
    return file.getvalue()


def enlarged(frame: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    """Returns a frame whose every pixel has become a square of `scale` times `scale` pixels."""
    return frame.repeat(scale, axis=0).repeat(scale, axis=1)
