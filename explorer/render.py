"""Makes a picture that moves of an episode: a video, or an animated image that keeps every pixel."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..builder.errors import AtariReplayError, OutputError
from ..builder.files import replacing
from ..builder.format.configs import ConfigName
from ..builder.format.games import find_game
from ..builder.format.layout import split_name
from ..replay_reader.catalog import Catalog, open_catalog

if TYPE_CHECKING:
    from PIL.Image import Image

FRAMES_PER_SECOND = 15.0
"""The game's own speed: 60 frames a second, of which an agent sees every fourth."""
FASTEST = 1000
LARGEST = 32
"""Times that pixels can be enlarged: to 2,688 × 2,688 pixels."""


@dataclass(frozen=True)
class WantedEpisode:
    """Which episode of a dataset."""

    game: str
    run: int = 1
    checkpoint: int | None = None
    """None stands for the last, or without an episode for the last that has a complete one."""
    episode: int | None = None
    """None stands for the complete one of the highest return."""


@dataclass(frozen=True)
class Rendered:
    """What was written."""

    path: Path
    wanted: WantedEpisode
    frames: int
    total_return: float
    size: int
    """Bytes."""

    def __str__(self) -> str:
        wanted = self.wanted
        return (
            f"{self.path}: run {wanted.run}, checkpoint {wanted.checkpoint}, episode {wanted.episode} of "
            f"{wanted.game} ({self.frames:,} steps, return {self.total_return:g}), {self.size:,} bytes"
        )


def render_episode(
    dataset: str,
    wanted: WantedEpisode,
    out: Path,
    *,
    frames_per_second: float = FRAMES_PER_SECOND,
    scale: int | None = None,
    revision: str | None = None,
) -> Rendered:
    """Write an episode's frames as a video or an animated image; which of them, the name's ending says.

    A GIF and a WebP keep every pixel as it is. An MP4 is H.264, which does not.

    Args:
        dataset: a folder, or `user/name` on the Hub.
        wanted: the episode.
        out: a name that ends in `.mp4`, `.gif` or `.webp`; appears whole or not at all.
        frames_per_second: of the video; a GIF shows no more than 50.
        scale: how much each pixel is enlarged; 1 of images and 4 of videos if None.
        revision: of a dataset on the Hub.

    Raises:
        AtariReplayError: there is no such episode or format, or what makes videos is not installed.
    """
    write = _WRITERS.get(out.suffix.lower())
    if write is None:
        raise OutputError(f"{out}: name a file that ends in {', '.join(_WRITERS)}")
    if not 0 < frames_per_second <= FASTEST or not 1 <= (scale or 1) <= LARGEST:
        raise OutputError(
            f"frames per second must be above 0 and at most {FASTEST}, and the scale from 1 to {LARGEST}"
        )
    if out.is_dir():
        raise OutputError(f"{out}: is a folder; name a file")
    config = ConfigName(find_game(wanted.game), "full")
    catalog = open_catalog(dataset, str(config), split_name(wanted.run), revision=revision)
    entry = _find(catalog, wanted)
    frames = _read(catalog, entry, scale or (4 if out.suffix.lower() == ".mp4" else 1))
    with replacing(out) as temporary:
        write(temporary, frames, frames_per_second)
    found = WantedEpisode(
        config.game.name, wanted.run, checkpoint=int(entry["checkpoint"]), episode=int(entry["episode"])
    )
    return Rendered(out, found, int(entry["length"]), float(entry["return"]), out.stat().st_size)


def _find(catalog: Catalog, wanted: WantedEpisode) -> np.void:
    """The episode's entry in the catalog."""
    where = f"{wanted.game}, run {wanted.run}"
    episodes = catalog.episodes
    if wanted.checkpoint is not None or wanted.episode is not None:
        checkpoint = int(episodes["checkpoint"].max()) if wanted.checkpoint is None else wanted.checkpoint
        there = ", ".join(map(str, np.unique(episodes["checkpoint"])))
        episodes = episodes[episodes["checkpoint"] == checkpoint]
        where += f", checkpoint {checkpoint}"
        if not len(episodes):
            raise AtariReplayError(f"{where}: not there, or no episode began in it; there are {there}")
    if wanted.episode is not None:
        found = episodes[episodes["episode"] == wanted.episode]
        if not len(found):
            raise AtariReplayError(
                f"{where}: there is no episode {wanted.episode}; it has {len(episodes)}, from "
                f"{episodes['episode'].min()} on"
            )
        return found[0]
    complete = episodes[episodes["complete"]]
    if not len(complete):
        raise AtariReplayError(f"{where}: no episode is complete; name one with --episode")
    last = complete[complete["checkpoint"] == complete["checkpoint"].max()]
    return last[np.argmax(last["return"])]


def _read(catalog: Catalog, entry: np.void, scale: int) -> Iterator[np.ndarray]:
    """The episode's frames, each of shape (84 · scale, 84 · scale), uint8."""
    first = int(entry["first_row"])
    shard = catalog.shards[int(entry["shard"])]
    for piece in shard.read_pieces(first, first + int(entry["length"]), ("observation",)):
        for frame in piece["observation"]:
            yield frame.repeat(scale, 0).repeat(scale, 1)


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
    height, width = first.shape
    write_frames: Any = imageio_ffmpeg.write_frames
    writer = write_frames(
        str(path),
        (width, height),
        pix_fmt_in="gray",
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
