"""Moving pictures of frames: a video, or an animated image that keeps every pixel."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import AtariReplayError, OutputError
from .files import replacing

if TYPE_CHECKING:
    from PIL.Image import Image

FRAMES_PER_SECOND = 15.0
"""The game's own speed: 60 frames a second, of which an agent sees every fourth."""
FASTEST = 1000
LARGEST = 32
"""Times that pixels can be enlarged: to 2,688 × 2,688 pixels."""


def check_animation(
    out: Path, frames_per_second: float = FRAMES_PER_SECOND, scale: int | None = None
) -> None:
    """Check that `write_animation` can write such a file, before its frames are made.

    Raises:
        OutputError: it cannot.
    """
    if out.suffix.lower() not in _WRITERS:
        raise OutputError(f"{out}: name a file that ends in {', '.join(_WRITERS)}")
    if not 0 < frames_per_second <= FASTEST or not 1 <= (scale or 1) <= LARGEST:
        raise OutputError(
            f"frames per second must be above 0 and at most {FASTEST}, and the scale from 1 to {LARGEST}"
        )
    if out.is_dir():
        raise OutputError(f"{out}: is a folder; name a file")


def write_animation(
    out: Path,
    frames: Iterable[np.ndarray],
    frames_per_second: float = FRAMES_PER_SECOND,
    scale: int | None = None,
) -> None:
    """Write frames as a video or an animated image; which of them, the name's ending says.

    A WebP keeps every pixel as it is, and a GIF those of grey frames; an MP4 is H.264, which does not.

    Args:
        out: a name that ends in `.mp4`, `.gif` or `.webp`; appears whole or not at all.
        frames: at least one frame of (height, width) or (height, width, 3) uint8.
        frames_per_second: of the video; a GIF shows no more than 50.
        scale: how much each pixel is enlarged; 1 of images and 4 of videos if None.

    Raises:
        AtariReplayError: there is no such format, or what makes videos is not installed.
    """
    check_animation(out, frames_per_second, scale)
    times = scale or (4 if out.suffix.lower() == ".mp4" else 1)
    enlarged = (frame.repeat(times, 0).repeat(times, 1) for frame in frames)
    with replacing(out) as temporary:
        _WRITERS[out.suffix.lower()](temporary, enlarged, frames_per_second)


def _write_gif(path: Path, frames: Iterator[np.ndarray], frames_per_second: float) -> None:
    duration = 10 * max(2, round(100 / frames_per_second))  # players take less for 100
    _save(path, frames, "GIF", duration=duration, optimize=False)


def _write_webp(path: Path, frames: Iterator[np.ndarray], frames_per_second: float) -> None:
    _save(path, frames, "WEBP", duration=max(1, round(1000 / frames_per_second)), lossless=True, exact=True)


def _save(path: Path, frames: Iterator[np.ndarray], form: str, **options: object) -> None:
    images = map(_image, frames)
    next(images).save(path, form, save_all=True, append_images=images, loop=0, **options)


def _image(frame: np.ndarray) -> "Image":
    from PIL import Image

    return Image.fromarray(frame)


def _write_mp4(path: Path, frames: Iterator[np.ndarray], frames_per_second: float) -> None:
    try:
        import imageio_ffmpeg
    except ImportError:
        raise AtariReplayError(
            "videos need imageio-ffmpeg: pip install 'atari-dqn-replay[video]'; "
            "images (.gif, .webp) need nothing more"
        ) from None
    first = next(frames)
    height, width = first.shape[:2]
    write_frames: Any = imageio_ffmpeg.write_frames
    writer = write_frames(
        str(path),
        (width, height),
        pix_fmt_in="gray" if first.ndim == 2 else "rgb24",
        fps=frames_per_second,
        quality=None,
        macro_block_size=2,
        output_params=["-crf", "12", "-f", "mp4", "-movflags", "+faststart"],
    )
    try:
        writer.send(None)
        for frame in itertools.chain([first], frames):
            writer.send(np.ascontiguousarray(frame))
    except OSError as error:
        raise OutputError(f"{path}: ffmpeg failed ({error})") from None
    finally:
        writer.close()


_WRITERS: dict[str, Callable[[Path, Iterator[np.ndarray], float], None]] = {
    ".mp4": _write_mp4,
    ".gif": _write_gif,
    ".webp": _write_webp,
}
