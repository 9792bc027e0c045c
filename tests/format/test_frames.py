"""Frames to PNGs and back: any reader shows them, nothing is lost, and what is no frame is refused."""

import io
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from atari_dqn_replay.builder.format.frame_format import GREY84, FrameFormat
from atari_dqn_replay.builder.format.frames import IMAGE_TYPE, encode_frames
from atari_dqn_replay.builder.format.stored_png import stored_png
from datasets import Features, Image, load_dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from logs import real_frames
from numpy.typing import NDArray
from PIL import Image as Pillow

from atari_dqn_replay import AtariReplayError, decode_frames

Frames = NDArray[np.uint8]

PNG_BYTES = len(stored_png(GREY84))

quick = settings(max_examples=60, deadline=None)


@st.composite
def frames(draw: st.DrawFn, least: int = 0, most: int = 6) -> Frames:
    """Noise, black, white, one grey, or a game's frames."""
    count, seed = draw(st.integers(least, most)), draw(st.integers(0, 1 << 16))
    kind = draw(st.sampled_from(["noise", "flat", "pong"]))
    if kind == "noise":
        return np.random.default_rng(seed).integers(256, size=(count, 84, 84), dtype=np.uint8)
    if kind == "flat":
        return np.full((count, 84, 84), draw(st.sampled_from([0, 1, 128, 255])), np.uint8)
    start = seed % 256
    return real_frames("Pong", 512)[start : start + count]


def png_column(values: Sequence[bytes | None]) -> pa.StructArray:
    return pa.StructArray.from_arrays(
        [pa.array(list(values), pa.binary()), pa.nulls(len(values), pa.string())], fields=list(IMAGE_TYPE)
    )


def pngs(column: pa.StructArray) -> list[bytes]:
    return [row["bytes"] for row in column.to_pylist()]


def by_pillow(image: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, "PNG", **options)
    return buffer.getvalue()


# Exact both ways


@quick
@given(frames())
def test_every_frame_comes_back_exactly(original: Frames) -> None:
    column = encode_frames(original)
    column.validate(full=True)
    decoded = decode_frames(column)
    assert (decoded.dtype, decoded.shape) == (np.uint8, original.shape)
    assert np.array_equal(decoded, original)


@quick
@given(frames(least=1, most=3))
def test_every_png_is_valid_for_any_reader(original: Frames) -> None:
    for png, frame in zip(pngs(encode_frames(original)), original, strict=True):
        assert len(png) == PNG_BYTES
        Pillow.open(io.BytesIO(png)).verify()
        image = Pillow.open(io.BytesIO(png))
        assert (image.format, image.mode, image.size) == ("PNG", "L", (84, 84))
        assert np.array_equal(np.asarray(image), frame)


@quick
@given(frames(), st.integers(0, 7), st.integers(0, 7), st.integers(0, 7))
def test_slices_and_chunks_decode_to_their_own_rows(
    original: Frames, start: int, stop: int, cut: int
) -> None:
    column = encode_frames(original)
    assert np.array_equal(decode_frames(column.slice(start)[: max(0, stop - start)]), original[start:stop])
    chunked = pa.chunked_array([column[:cut], column[cut:], column[:0]], IMAGE_TYPE)
    assert np.array_equal(decode_frames(chunked), original)
    assert np.array_equal(decode_frames(chunked.slice(start)), original[start:])
    assert np.array_equal(decode_frames(column.field("bytes")[start:]), original[start:])


@quick
@given(frames(most=8), st.data())
def test_any_rows_can_be_taken_from_a_column(original: Frames, data: st.DataObject) -> None:
    indices = data.draw(st.lists(st.integers(0, len(original) - 1)) if len(original) else st.just([]))
    taken = encode_frames(original).take(pa.array(indices, pa.int64()))
    assert np.array_equal(decode_frames(taken), original[np.array(indices, int)])


@quick
@given(frames(least=3, most=3), frames(least=3, most=3))
def test_frames_take_the_place_of_others(earlier: Frames, later: Frames) -> None:
    stored = np.array([np.frombuffer(png, np.uint8) for png in pngs(encode_frames(earlier))])
    stored_png(GREY84).fill(stored, [later[:1], later[1:]])
    assert [png.tobytes() for png in stored] == pngs(encode_frames(later))


def test_a_column_without_rows_is_no_frames() -> None:
    for column in (pa.array([], IMAGE_TYPE), pa.chunked_array([], IMAGE_TYPE), pa.array([], pa.binary())):
        assert decode_frames(column).shape == (0, 84, 84)


def test_frames_in_any_memory_layout_are_encoded() -> None:
    base = real_frames("Breakout", 12)
    for original in (base[::-1], base[::3], base.transpose(0, 2, 1), np.asfortranarray(base)):
        assert np.array_equal(decode_frames(encode_frames(original)), original)


@quick
@given(frames(least=1), st.sampled_from([{}, {"optimize": True}, {"compress_level": 1}]), st.data())
def test_pngs_that_another_tool_wrote_decode_to_the_same_frames(
    original: Frames, options: dict[str, Any], data: st.DataObject
) -> None:
    """A whole column that was saved again, or some of its rows."""
    stored = pngs(encode_frames(original))
    again = data.draw(st.lists(st.booleans(), min_size=len(original), max_size=len(original)))
    mixed = [
        by_pillow(frame, **options) if other else png
        for frame, png, other in zip(original, stored, again, strict=True)
    ]
    assert np.array_equal(decode_frames(png_column(mixed)), original)


# Other formats


@st.composite
def frames_of_any_format(draw: st.DrawFn) -> Frames:
    side = st.integers(1, 512) | st.sampled_from([64, 84, 146, 147, 148, 210, 255, 256])
    shape = (draw(side), draw(side), *draw(st.sampled_from([(), (3,)])))
    random = np.random.default_rng(draw(st.integers(0, 1 << 16)))
    return random.integers(draw(st.integers(0, 255)), 256, (draw(st.integers(1, 3)), *shape), np.uint8)


@quick
@given(frames_of_any_format())
def test_frames_of_any_size_and_colour_come_back_exactly(original: Frames) -> None:
    """By our decoder, from stored and from rewritten PNGs, and by Pillow, which compares the checksums."""
    frame_format = FrameFormat.of_shape(original.shape[1:])
    column = encode_frames(original)
    stored = pngs(column)
    assert np.array_equal(decode_frames(column), original)
    assert np.array_equal(decode_frames(column.slice(1), frame_format), original[1:])
    again = [by_pillow(original[0], compress_level=1), *stored[1:]]
    assert np.array_equal(decode_frames(png_column(again), frame_format), original)
    for png, frame in zip(stored, original, strict=True):
        Pillow.open(io.BytesIO(png)).verify()
        assert np.array_equal(np.asarray(Pillow.open(io.BytesIO(png))), frame)


@quick
@given(st.integers(1, 512), st.integers(1, 512), st.sampled_from([1, 3]))
def test_a_name_and_a_shape_state_the_whole_format(height: int, width: int, channels: int) -> None:
    frame_format = FrameFormat(height, width, channels)
    assert FrameFormat.parse(frame_format.name) == frame_format
    assert FrameFormat.of_shape(frame_format.shape) == frame_format
    assert frame_format.nbytes == np.zeros(frame_format.shape, np.uint8).nbytes


@pytest.mark.parametrize(
    "name", ["", "grey", "rgb0", "rgb513", "grey84x", "rgb64x0", "rgba64", "RGB64", "rgb064"]
)
def test_what_is_no_format_is_refused(name: str) -> None:
    with pytest.raises(AtariReplayError, match="rgb210x160"):
        FrameFormat.parse(name)


def test_frames_of_several_formats_are_refused() -> None:
    grey, colour = (
        encode_frames(np.zeros((1, 64, 64), np.uint8)),
        encode_frames(np.zeros((1, 64, 64, 3), np.uint8)),
    )
    for column in (pa.concat_arrays([grey, colour]), pa.chunked_array([colour, grey])):
        with pytest.raises(AtariReplayError, match="expected 64×64"):
            decode_frames(column)
    with pytest.raises(AtariReplayError, match="expected 84×84 grey"):
        decode_frames(grey, GREY84)


# Through files and libraries


def write_parquet(path: Path, original: Frames, row_group_size: int = 5) -> None:
    schema = Features({"observation": Image()}).arrow_schema
    table = pa.Table.from_arrays([encode_frames(original)], schema=schema)
    pq.write_table(table, path, row_group_size=row_group_size, compression="zstd")


def test_columns_read_back_from_parquet(tmp_path: Path) -> None:
    original = real_frames("Seaquest", 23)
    write_parquet(tmp_path / "steps.parquet", original)
    column = pq.read_table(tmp_path / "steps.parquet")["observation"]
    assert np.array_equal(decode_frames(column), original)
    assert np.array_equal(decode_frames(column[7:16]), original[7:16])
    assert np.array_equal(decode_frames(column.filter(pa.array(np.arange(23) % 3 == 0))), original[::3])


def load(folder: Path, *, streaming: bool) -> Any:
    return load_dataset(
        "parquet",
        data_files=str(folder / "steps.parquet"),
        split="train",
        streaming=streaming,
        cache_dir=str(folder / "cache"),
    )


@pytest.mark.slow
@pytest.mark.parametrize("streaming", [False, True])
def test_batches_of_datasets_in_arrow_format(tmp_path: Path, streaming: bool) -> None:
    original = real_frames("Seaquest", 23)
    write_parquet(tmp_path / "steps.parquet", original)
    batches = load(tmp_path, streaming=streaming).with_format("arrow").iter(batch_size=4)
    decoded = [decode_frames(batch["observation"]) for batch in batches]
    assert np.array_equal(np.concatenate(decoded), original)


@pytest.mark.parametrize("streaming", [False, True])
def test_datasets_itself_shows_the_frames(tmp_path: Path, streaming: bool) -> None:
    original = real_frames("Seaquest", 3)
    write_parquet(tmp_path / "steps.parquet", original)
    shown = [np.asarray(row["observation"]) for row in load(tmp_path, streaming=streaming)]
    assert np.array_equal(shown, original)


# What is no frame


def assert_refused(*values: bytes | None) -> None:
    """Alone, where 84×84 grey is expected, and after a good frame."""
    good = pngs(encode_frames(real_frames("Pong", 1)))[0]
    for column, expected in ((png_column([*values]), GREY84), (png_column([good, *values]), None)):
        with pytest.raises(AtariReplayError):
            decode_frames(column, expected)


def test_a_row_without_an_image_is_refused() -> None:
    assert_refused(None)
    one = encode_frames(real_frames("Pong", 1))
    for column in (pa.nulls(2, IMAGE_TYPE), pa.array([None, *one.to_pylist()], IMAGE_TYPE)):
        with pytest.raises(AtariReplayError, match="without an image"):
            decode_frames(column)


def test_a_null_outside_the_slice_does_no_harm() -> None:
    original = real_frames("Pong", 2)
    column = png_column([None, *pngs(encode_frames(original)), None])
    assert np.array_equal(decode_frames(column[1:3]), original)


def test_a_large_column_is_read_like_a_small_one() -> None:
    """As polars and some readers of Parquet give it."""
    original = real_frames("Pong", 5)
    large = pa.array(pngs(encode_frames(original)), pa.large_binary())
    struct = pa.StructArray.from_arrays([large, pa.nulls(5, pa.large_string())], names=["bytes", "path"])
    for column in (large, struct, pa.chunked_array([struct[:2], struct[2:]])):
        assert np.array_equal(decode_frames(column), original)
        assert np.array_equal(decode_frames(column[1:4]), original[1:4])
    assert decode_frames(pa.array([], pa.large_binary())).shape == (0, 84, 84)


@pytest.mark.parametrize("column", [None, [b"png"], np.zeros((2, 84, 84), np.uint8), "observation"])
def test_what_is_no_arrow_column_is_refused(column: Any) -> None:
    with pytest.raises(AtariReplayError, match="expected an Arrow column of images"):
        decode_frames(column)


@pytest.mark.parametrize("shape", [(84, 83), (83, 84), (1, 1), (168, 168), (42, 168)])
def test_an_image_of_another_size_is_refused(shape: tuple[int, int]) -> None:
    assert_refused(by_pillow(np.zeros(shape, np.uint8)))


def test_an_image_in_another_mode_is_refused() -> None:
    grey = Pillow.fromarray(real_frames("Pong", 1)[0])
    for mode in ("RGB", "RGBA", "LA", "P", "1", "I;16"):
        buffer = io.BytesIO()
        grey.convert(mode).save(buffer, "PNG")
        assert_refused(buffer.getvalue())


def test_a_jpeg_is_refused_because_it_is_not_exact() -> None:
    buffer = io.BytesIO()
    Pillow.fromarray(real_frames("Pong", 1)[0]).save(buffer, "JPEG")
    assert_refused(buffer.getvalue())


def test_an_image_that_claims_to_be_huge_is_refused() -> None:
    png = bytearray(pngs(encode_frames(real_frames("Pong", 1)))[0])
    png[16:24] = b"\x00\x0f\x00\x00\x00\x0f\x00\x00"
    png[29:33] = zlib.crc32(png[12:29]).to_bytes(4, "big")
    assert_refused(bytes(png))


@quick
@given(st.binary(max_size=200) | st.binary(min_size=PNG_BYTES, max_size=PNG_BYTES))
def test_garbage_is_refused(garbage: bytes) -> None:
    assert_refused(garbage)
    assert_refused(b"\x89PNG\r\n\x1a\n" + garbage)


@quick
@given(frames(least=1, most=1), st.integers(0, PNG_BYTES - 1))
def test_a_truncated_png_is_never_a_wrong_frame(original: Frames, length: int) -> None:
    """Cut within its last bytes, after all pixels, it may still be read."""
    png = pngs(encode_frames(original))[0][:length]
    try:
        decoded = decode_frames(png_column([png]))
    except AtariReplayError:
        return
    assert np.array_equal(decoded, original)
    assert length >= PNG_BYTES - 20


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, 2]),
        pa.array(["frame"]),
        pa.array([{"pixels": b"frame"}]),
        pa.array([[0] * 84]),
        pa.array([{"bytes": "frame", "path": None}]),
    ],
    ids=lambda column: str(column.type),
)
def test_a_column_of_something_else_is_refused(column: pa.Array) -> None:
    with pytest.raises(AtariReplayError, match="expected a column of images"):
        decode_frames(column)


@pytest.mark.parametrize(
    "original",
    [
        np.zeros((2, 84, 84, 1), np.uint8),
        np.zeros((2, 84, 513), np.uint8),
        np.zeros((84, 84), np.uint8),
        np.zeros((2, 84, 84), np.float32),
        np.zeros((2, 84, 84), bool),
    ],
    ids=lambda original: f"{original.shape} {original.dtype}",
)
def test_only_grey_and_rgb_frames_are_encoded(original: Any) -> None:
    with pytest.raises(ValueError, match="frames of"):
        encode_frames(original)


def test_more_frames_than_a_column_holds_are_refused_before_any_work() -> None:
    many = np.broadcast_to(np.zeros((1, 84, 84), np.uint8), (300_000, 84, 84))
    with pytest.raises(ValueError, match="in blocks"):
        encode_frames(many)
