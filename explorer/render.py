"""Makes a picture that moves of an episode: a video, or an animated image that keeps every pixel."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..builder.animation import FRAMES_PER_SECOND, check_animation, write_animation
from ..builder.errors import AtariReplayError
from ..builder.format.configs import ConfigName
from ..builder.format.games import find_game
from ..builder.format.layout import split_name
from ..replay_reader.catalog import Catalog, open_catalog


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
    check_animation(out, frames_per_second, scale)
    config = ConfigName(find_game(wanted.game), "full")
    catalog = open_catalog(dataset, str(config), split_name(wanted.run), revision=revision)
    entry = _find(catalog, wanted)
    write_animation(out, _read(catalog, entry), frames_per_second, scale)
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


def _read(catalog: Catalog, entry: np.void) -> Iterator[np.ndarray]:
    """The episode's frames, each of uint8."""
    first = int(entry["first_row"])
    shard = catalog.shards[int(entry["shard"])]
    for piece in shard.read_pieces(first, first + int(entry["length"]), ("observation",)):
        yield from piece["observation"]
