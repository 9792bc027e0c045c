"""Episodes as videos and animated images, frame by frame what the log holds."""

from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from atari_dqn_replay.builder.errors import AtariReplayError
from atari_dqn_replay.explorer.render import WantedEpisode, render_episode
from command import run
from dataset_folders import build_dataset, frames_of
from numpy.typing import NDArray
from PIL import Image

WANTED = WantedEpisode("pong", run=1, checkpoint=1, episode=0)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two checkpoints of Pong, each an episode of 24 steps of real play."""
    return str(build_dataset(tmp_path_factory.mktemp("dataset"), shards=1))


def frames_in(path: Path) -> Iterator[tuple[NDArray[np.uint8], int]]:
    """Each picture of an animated image, with the milliseconds for which it is shown."""
    with Image.open(path) as image:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            image.load()
            yield np.asarray(image.convert("L")), image.info["duration"]


@pytest.mark.parametrize(("ending", "frame_time"), [("gif", 70), ("webp", 67)])
def test_an_animated_image_keeps_every_pixel(
    dataset: str, tmp_path: Path, ending: str, frame_time: int
) -> None:
    out = tmp_path / f"episode.{ending}"
    rendered = render_episode(dataset, WANTED, out)
    frames = frames_of("pong", 1, 1)
    shown = 0
    # Equal frames in a row become one that is shown for longer.
    for picture, duration in frames_in(out):
        for _ in range(round(duration / frame_time)):
            assert (picture == frames[shown]).all()
            shown += 1
    assert shown == rendered.frames == len(frames)


def test_a_video_has_a_picture_for_each_step(dataset: str, tmp_path: Path) -> None:
    out = tmp_path / "episode.mp4"
    render_episode(dataset, WANTED, out, frames_per_second=30)
    assert imageio_ffmpeg.count_frames_and_secs(str(out)) == (24, pytest.approx(24 / 30, abs=0.02))
    reader = imageio_ffmpeg.read_frames(str(out), pix_fmt="gray", bits_per_pixel=8)
    size = next(reader)["size"]
    assert size == (4 * 84, 4 * 84)
    for frame, picture in zip(frames_of("pong", 1, 1), reader, strict=True):
        seen = np.frombuffer(picture, np.uint8).reshape(84, 4, 84, 4).mean((1, 3))
        assert np.abs(seen - frame).mean() < 6


def test_pixels_can_be_enlarged(dataset: str, tmp_path: Path) -> None:
    render_episode(dataset, WANTED, tmp_path / "large.gif", scale=3)
    picture, _ = next(frames_in(tmp_path / "large.gif"))
    assert (picture == frames_of("pong", 1, 1)[0].repeat(3, 0).repeat(3, 1)).all()


def test_without_more_words_it_is_the_best_episode_of_the_last_checkpoint(
    dataset: str, tmp_path: Path
) -> None:
    done = run("render-episode", dataset, "Pong", "--out", tmp_path / "best.webp")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        f"{tmp_path / 'best.webp'}: run 1, checkpoint 1, episode 0 of Pong (24 steps"
    )


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (WantedEpisode("pong", checkpoint=7), "pong, run 1, checkpoint 7: not there.*there are 0, 1"),
        (WantedEpisode("pong", checkpoint=0, episode=9), "there is no episode 9; it has 1, from 0 on"),
        (WantedEpisode("pong", run=2), "run_2"),
        (WantedEpisode("breakout"), "breakout"),
        (WantedEpisode("chess"), "unknown game 'chess'"),
    ],
)
def test_what_is_not_there_is_told(dataset: str, tmp_path: Path, wanted: WantedEpisode, message: str) -> None:
    with pytest.raises(AtariReplayError, match=message):
        render_episode(dataset, wanted, tmp_path / "episode.gif")
    assert not [*tmp_path.iterdir()]


def test_other_endings_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(AtariReplayError, match=r"ends in \.mp4, \.gif, \.webp"):
        render_episode("no-such-dataset", WANTED, tmp_path / "episode.avi")


def test_a_video_without_its_library_says_what_to_install(
    dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "imageio_ffmpeg", None)
    with pytest.raises(AtariReplayError, match=r"pip install 'atari-dqn-replay\[video\]'"):
        render_episode(dataset, WANTED, tmp_path / "episode.mp4")
    assert not [*tmp_path.iterdir()]
