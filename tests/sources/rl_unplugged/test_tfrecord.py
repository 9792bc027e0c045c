"""The readers of TFRecord files, of `tf.train.Example` and of PNGs: whole ones, and anything else."""

import contextlib
import gzip
import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from atari_dqn_replay.builder.errors import SourceError
from atari_dqn_replay.builder.sources.rl_unplugged.png_frames import PngDecoder, decode_pngs
from atari_dqn_replay.builder.sources.rl_unplugged.tf_example import Example
from atari_dqn_replay.builder.sources.rl_unplugged.tfrecord import LONGEST_RECORD, RecordFile
from atari_dqn_replay.builder.stores.store import Store
from hypothesis import given, settings
from hypothesis import strategies as st
from logs import real_frames
from PIL import Image
from rl_unplugged_files import example, masked_crc, png, tfrecord

RECORDS = [b"", b"one", bytes(range(256)), b"\n\x00", b"last"]


def read(folder: Path, content: bytes, *, gzipped: bool = False) -> list[bytes]:
    (folder / "file").write_bytes(content)
    file = RecordFile(Store(str(folder)), "file", gzipped=gzipped)
    try:
        return list(file)
    finally:
        file.close()


@pytest.mark.parametrize("gzipped", [False, True])
def test_gives_the_records_and_says_what_the_file_was(tmp_path: Path, gzipped: bool) -> None:
    content = tfrecord(RECORDS)
    content = gzip.compress(content) if gzipped else content
    assert read(tmp_path, content, gzipped=gzipped) == RECORDS
    file = RecordFile(Store(str(tmp_path)), "file", gzipped=gzipped)
    assert file.finish().size == len(content)


def test_several_gzip_members_are_one_file(tmp_path: Path) -> None:
    content = gzip.compress(tfrecord(RECORDS[:2])) + gzip.compress(tfrecord(RECORDS[2:]))
    assert read(tmp_path, content, gzipped=True) == RECORDS


def test_a_flipped_bit_anywhere_is_an_error(tmp_path: Path) -> None:
    content = tfrecord(RECORDS[:3])
    for place in range(len(content)):
        with pytest.raises(SourceError):
            read(tmp_path, with_flipped_bit(content, place))


def test_a_flipped_bit_in_a_gzip_file_is_an_error_or_changes_nothing(tmp_path: Path) -> None:
    content = gzip.compress(tfrecord(RECORDS[:3]), mtime=0)
    harmless = 0
    for place in range(len(content)):
        try:
            assert read(tmp_path, with_flipped_bit(content, place), gzipped=True) == RECORDS[:3]
            harmless += 1
        except SourceError:
            pass
    assert harmless <= 10, "gzip's time and system, and a few bits of deflate that stand for nothing"


def with_flipped_bit(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :]


@pytest.mark.parametrize("gzipped", [False, True])
def test_a_file_that_is_cut_short_is_an_error(tmp_path: Path, gzipped: bool) -> None:
    content = tfrecord(RECORDS)
    ends = {len(tfrecord(RECORDS[:count])) for count in range(1, len(RECORDS) + 1)}
    content = gzip.compress(content, mtime=0) if gzipped else content
    for length in range(len(content)):
        if gzipped or length not in ends:  # between two records nothing tells but a count kept elsewhere
            with pytest.raises(SourceError):
                read(tmp_path, content[:length], gzipped=gzipped)


@pytest.mark.parametrize("length", [1 << 63, (1 << 64) - 1, LONGEST_RECORD + 1, LONGEST_RECORD, 1 << 20])
def test_a_length_is_never_trusted(tmp_path: Path, length: int) -> None:
    head = struct.pack("<Q", length)
    with pytest.raises(SourceError, match=r"claims|cut short"):
        read(tmp_path, head + struct.pack("<I", masked_crc(head)) + b"little")


def test_each_record_has_a_checksum_of_its_own(tmp_path: Path) -> None:
    length_wrong, data_wrong = bytearray(tfrecord(RECORDS)), bytearray(tfrecord(RECORDS))
    length_wrong[8] ^= 1
    data_wrong[-1] ^= 1
    with pytest.raises(SourceError, match="record 0 is damaged"):
        read(tmp_path, bytes(length_wrong))
    with pytest.raises(SourceError, match="record 4 is damaged"):
        read(tmp_path, bytes(data_wrong))


@pytest.mark.parametrize("content", [b"", b"not gzip at all", gzip.compress(tfrecord(RECORDS)) + b"more"])
def test_what_is_no_gzip_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(SourceError, match="file"):
        read(tmp_path, content, gzipped=True)


def test_zeros_without_end_stop_at_the_first_record(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="record 0 is damaged"):
        read(tmp_path, gzip.compress(bytes(100 << 20)), gzipped=True)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        list(RecordFile(Store(str(tmp_path)), "file", gzipped=True))


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=200), checksums=st.booleans(), gzipped=st.booleans())
def test_any_bytes_are_records_or_a_source_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, checksums: bool, gzipped: bool
) -> None:
    content = tfrecord([data[:7], data]) + data if checksums else data
    with contextlib.suppress(SourceError):
        read(tmp_path_factory.getbasetemp(), gzip.compress(content) if gzipped else content, gzipped=gzipped)


FEATURES = {
    "numbers": np.array([0, -1, 1 << 40, -(1 << 63)]),
    "rewards": np.array([0.5, -1, 3e38], np.float32),
    "frames": [b"a", b"", bytes(300)],
}


def test_gives_lists_of_each_type() -> None:
    read_back = Example(example(FEATURES), "here")
    assert read_back.names == ["frames", "numbers", "rewards"]
    assert (read_back.integers("numbers") == FEATURES["numbers"]).all()
    assert (read_back.floats("rewards") == FEATURES["rewards"]).all()
    assert read_back.blobs("frames") == FEATURES["frames"]


def test_lists_that_are_not_packed_are_the_same() -> None:
    def field(number: int, kind: int, data: bytes) -> bytes:
        return bytes([number << 3 | kind]) + data

    def sized(number: int, data: bytes) -> bytes:
        return field(number, 2, bytes([len(data)]) + data)

    floats = sized(2, field(1, 5, struct.pack("<f", 2)) + field(1, 5, struct.pack("<f", -3)))
    integers = sized(3, field(1, 0, b"\x05") + field(1, 0, b"\x07"))
    entries = b"".join(
        sized(1, sized(1, name) + sized(2, value)) for name, value in ((b"f", floats), (b"i", integers))
    )
    read_back = Example(sized(1, entries), "here")
    assert read_back.floats("f").tolist() == [2, -3]
    assert read_back.integers("i").tolist() == [5, 7]


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda each: each.floats("absent"), "here: lacks absent; it has frames, numbers, rewards"),
        (lambda each: each.floats("numbers"), "here: numbers is a int64_list, expected a float_list"),
        (lambda each: each.integers("frames"), "here: frames is a bytes_list"),
        (lambda each: each.integer("numbers"), "here: numbers has 4 values, expected one"),
    ],
)
def test_what_is_not_there_is_an_error(ask: Callable[[Example], object], says: str) -> None:
    with pytest.raises(SourceError) as error:
        ask(Example(example(FEATURES), "here"))
    assert says in str(error.value)


def test_a_feature_that_is_there_twice_is_an_error() -> None:
    with pytest.raises(SourceError, match="twice"):
        Example(example(FEATURES) + example(FEATURES), "here")


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(data=st.data())
def test_any_bytes_are_an_example_or_a_source_error(data: st.DataObject) -> None:
    content = bytearray(example(FEATURES))
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    whole = data.draw(st.one_of(st.just(bytes(content)), st.binary(max_size=100)))
    with contextlib.suppress(SourceError):
        found = Example(whole, "here")
        for name in found.names:
            for ask in (found.floats, found.integers, found.blobs):
                with contextlib.suppress(SourceError):
                    ask(name)


def picture(mode: str = "L", size: tuple[int, int] = (84, 84)) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, "PNG")
    return file.getvalue()


def bomb() -> bytes:
    content = bytearray(picture())
    content[16:24] = struct.pack(">II", 100_000, 100_000)
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (picture(size=(84, 83)), "a PNG of 84×83 pixels"),
        (picture(size=(160, 210)), "a PNG of 160×210 pixels"),
        (picture("RGB"), "8 bits deep, with colour type 2"),
        (picture("P"), "colour type 3"),
        (picture("LA"), "colour type 4"),
        (picture("1"), "1 bits deep"),
        (picture("I;16"), "16 bits deep"),
        (bomb(), "100000×100000 pixels"),
        (b"", "no PNG"),
        (b"\xff\xd8\xff\xe0JFIF", "no PNG"),
        (picture()[:60], "damaged PNG"),
        (picture()[:33], "damaged PNG"),
    ],
)
def test_what_is_no_frame_is_an_error(content: bytes, says: str) -> None:
    with pytest.raises(SourceError) as error:
        decode_pngs([picture(), content], "here")
    assert says in str(error.value)
    assert str(error.value).startswith("here: observation 1 is ")


@pytest.mark.slow
def test_frames_come_in_order_however_their_pngs_were_made() -> None:
    frames = real_frames("Seaquest", 600)
    pngs = [png(frame, compress_level=place % 10) for place, frame in enumerate(frames)]
    decoder = PngDecoder()
    try:
        assert (np.concatenate(list(decoder.decode(pngs, "here"))) == frames).all()
    finally:
        decoder.close()


def test_a_flipped_bit_in_a_png_is_an_error_or_changes_no_pixel() -> None:
    frame = real_frames("Seaquest", 1)[0]
    content = png(frame)
    for place in range(len(content)):
        with contextlib.suppress(SourceError):
            assert (decode_pngs([with_flipped_bit(content, place)], "here")[0] == frame).all()
