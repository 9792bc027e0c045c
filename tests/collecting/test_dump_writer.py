"""A dump is written while play goes on: it holds the moment at which it began."""

import gzip
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from atari_dqn_replay.builder.collecting import dump_writer
from atari_dqn_replay.builder.collecting.ring_buffer import COMPRESSION, RingBuffer
from logs import real_frames


def test_play_that_goes_on_at_once_changes_nothing_in_the_dump(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each block of frames is read only once play, two laps long, has come as far as it may."""
    monkeypatch.setattr(dump_writer, "BLOCK_ROWS", 7)
    capacity, frames = 40, real_frames("Breakout", 150)
    ring, expected = RingBuffer(tmp_path, capacity, probabilities=True), []
    for index, frame in enumerate(frames):
        dumps = ring.dumps
        ring.add(frame, index % 4, float(index % 3 - 1), index % 31 == 30, index / 200)
        if ring.dumps > dumps:
            expected.append(
                {
                    "$store$_observation": ring.observation.copy(),
                    "$store$_action": ring.action.copy(),
                    "$store$_prob": np.array(ring.prob),
                    "add_count": np.array(ring.add_count),
                }
            )
    ring.flush()
    assert len(expected) == 4
    for number, arrays in enumerate(expected):
        for name, array in arrays.items():
            path = tmp_path / f"{name}_ckpt.{number}.gz"
            assert path.read_bytes() == packed_at_once(tmp_path / "plain", array), path.name


def packed_at_once(path: Path, array: np.ndarray) -> bytes:
    """The file that `numpy.save` and `gzip` write by themselves."""
    with path.open("wb") as file, gzip.GzipFile("", "wb", COMPRESSION, file, mtime=0) as packed:
        np.save(packed, array)
    return path.read_bytes()


def test_play_waits_where_it_would_overtake_the_dump(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the compression held up, play comes through the last row and the copied block, and no further."""
    monkeypatch.setattr(dump_writer, "BLOCK_ROWS", 10)
    ring, block_is_copied, goes_on = RingBuffer(tmp_path, 40), threading.Event(), threading.Event()
    write, wait_for = gzip.GzipFile.write, ring._writer._progress.wait_for
    headers, waited_at = iter([1]), []

    def holding_up(file: gzip.GzipFile, data: bytes) -> int:
        if next(headers, None) is None:  # the frames come after the file's header
            block_is_copied.set()
            goes_on.wait()
        return write(file, data)

    def waiting(predicate: Callable[[], bool]) -> bool:
        waited_at.append(ring.add_count)
        goes_on.set()
        return wait_for(predicate)

    monkeypatch.setattr(gzip.GzipFile, "write", holding_up)
    monkeypatch.setattr(ring._writer._progress, "wait_for", waiting)
    frames = real_frames("Breakout", 60)
    for frame in frames[:36]:  # after three rows of padding
        ring.add(frame, 0, 0.0, False)
    assert ring.dumps == 1 and block_is_copied.wait(60)
    for frame in frames[36:]:
        ring.add(frame, 0, 0.0, False)
    goes_on.set()
    ring.flush()
    assert waited_at[:1] == [39 + 1 + 10]
    assert ring.add_count == 63


def test_a_dump_that_cannot_be_written_stops_the_play(tmp_path: Path) -> None:
    ring = RingBuffer(tmp_path / "there", 40)
    (tmp_path / "there").touch()
    with pytest.raises(OSError, match="there"):
        for frame in real_frames("Breakout", 200):
            ring.add(frame, 0, 0.0, False)
    ring.close()


def test_an_abandoned_dump_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ring, called = RingBuffer(tmp_path, 40), []
    monkeypatch.setattr(dump_writer, "BLOCK_ROWS", 10)

    def stopping(_file: gzip.GzipFile, data: bytes) -> int:
        ring._writer._stop.set()  # what close does, in the middle of the dump
        return len(data)

    monkeypatch.setattr(dump_writer.gzip.GzipFile, "write", stopping)
    for frame in real_frames("Breakout", 36):
        ring.add(frame, 0, 0.0, False)
    ring.after_dump(lambda: called.append(1))
    ring.close()
    assert not called and not list(tmp_path.iterdir())
