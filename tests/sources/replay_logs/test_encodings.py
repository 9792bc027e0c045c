"""Arrays packed and stored in other ways than in the bucket: the same values exactly, or an error."""

import gzip
import io
import lzma
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard
from atari_dqn_replay.builder.assembly.build import build, plan_build
from atari_dqn_replay.builder.errors import ReplayLogError
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.format.manifest import Manifest
from atari_dqn_replay.builder.sources.open import open_source
from atari_dqn_replay.builder.sources.replay_logs.array_file import ArrayFile
from atari_dqn_replay.builder.stores.store import Store
from hypothesis import given, settings
from hypothesis import strategies as st
from logs import Played, real_frames, write_log

PONG = find_game("Pong")


def npy(array: Any, version: tuple[int, int] | None = None) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asanyarray(array), version)
    return buffer.getvalue()


def npz(compressed: bool, **arrays: Any) -> bytes:
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, **arrays)
    return buffer.getvalue()


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    ".npy": bytes,
    ".gz": lambda data: gzip.compress(data, 1),
    ".npy.gz": lambda data: gzip.compress(data[:100]) + gzip.compress(data[100:]),
    ".zst": zstandard.ZstdCompressor(write_checksum=True).compress,
    ".npy.zst": lambda data: b"".join(map(zstandard.ZstdCompressor().compress, (data[:100], data[100:]))),
    ".xz": lzma.compress,
    "": lambda data: lzma.compress(data[:100]) + lzma.compress(data[100:]) + bytes(8),
    ".npz": lambda data: npz(False, arr_0=np.load(io.BytesIO(data))),
    ".npz (compressed)": lambda data: npz(True, data=np.load(io.BytesIO(data))),
}
"""How an array can be packed, by an ending that such a file may have; the content decides."""


def read(
    content: bytes, folder: Path, dtype: Any, *shape: int, **options: Any
) -> tuple[np.ndarray, list[str]]:
    """An array's values and what was done to get them; the file is read to its end."""
    (folder / "array").write_bytes(content)
    file = ArrayFile(Store(str(folder)), "array", dtype, shape, **options)
    blocks = [file.read(min(7, file.rows - start)) for start in range(0, file.rows, 7)]
    assert file.finish().size == len(content)
    return np.concatenate(blocks), file.conversions


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("packing", PACKINGS)
def test_frames_are_the_same_however_they_are_packed_and_laid_out(
    packing: str, version: tuple[int, int], tmp_path: Path
) -> None:
    frames = real_frames("Pong", 20)
    for stored in (
        frames,
        np.asfortranarray(frames),
        frames[..., None],
        np.asfortranarray(frames[:, None]),
        frames.astype("i8"),
    ):
        found, conversions = read(PACKINGS[packing](npy(stored, version)), tmp_path, np.uint8, 84, 84)
        assert found.dtype == np.uint8
        assert np.array_equal(found, frames)
        assert bool(conversions) == (stored is not frames)


@pytest.mark.parametrize(
    ("dtype", "stored", "options"),
    [
        *((np.int32, np.array([0, 5, 17], kind), {}) for kind in ("i8", "u1", ">i4", "i2", "u8")),
        *((np.uint8, np.array([0, 1, 1], kind), {"kinds": "iubf"}) for kind in ("?", "f4", "f8", "i8")),
        *((np.float32, np.array([-1, 0, 1], kind), {}) for kind in ("f8", "f2", "i8")),
        (np.float32, np.array([np.nan, -0.0, 0.5], "f8"), {}),
    ],
)
def test_numbers_of_other_dtypes_are_converted(
    dtype: Any, stored: np.ndarray, options: dict[str, str], tmp_path: Path
) -> None:
    found, conversions = read(npy(stored), tmp_path, dtype, **options)
    assert found.tobytes() == stored.astype(dtype).tobytes()
    assert conversions == [f"{stored.dtype} values read as {np.dtype(dtype)}"]


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(values=st.lists(st.floats(width=64) | st.integers(-(2**62), 2**62), min_size=1, max_size=9))
def test_a_value_that_would_change_is_refused(values: list[Any], tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.getbasetemp()
    stored = np.array(values)
    for dtype in (np.uint8, np.int32, np.float32):
        with np.errstate(all="ignore"):
            there_and_back = stored.astype(dtype).astype(stored.dtype)
        try:
            found, _ = read(npy(stored), folder, dtype, kinds="iubf")
        except ReplayLogError as error:
            assert "stay the same" in str(error)
            assert not np.array_equal(there_and_back, stored) or (stored < 0).any()
        else:
            assert np.array_equal(found.astype(stored.dtype), stored, equal_nan=stored.dtype.kind == "f")


CHECKED = [packing for packing in PACKINGS if packing not in (".npy", ".npy.zst")]
"""Packings with a checksum of their own."""


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(packing=st.sampled_from(list(PACKINGS)), data=st.data())
def test_damage_to_a_packed_array_is_an_error_or_changes_nothing(
    packing: str, data: st.DataObject, tmp_path_factory: Any
) -> None:
    """Cut anywhere, or with some bits flipped; without a checksum, a flip may change a value."""
    array = np.arange(50, dtype=np.int32)
    content = bytearray(PACKINGS[packing](npy(array)))
    cut = data.draw(st.booleans())
    if cut:
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        for _ in range(data.draw(st.integers(1, 3))):
            content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        found, _ = read(bytes(content), tmp_path_factory.getbasetemp(), np.int32)
    except ReplayLogError as error:
        assert len(str(error)) < 600
    else:
        assert packing not in CHECKED or np.array_equal(found, array)


def test_a_pickle_in_an_npz_is_never_loaded(tmp_path: Path) -> None:
    content = npz(False, action=np.array([print], object))
    with pytest.raises(ReplayLogError, match="never loaded"):
        read(content, tmp_path, np.int32, member="action")


@pytest.mark.slow
@pytest.mark.parametrize("pack", [lzma.compress, zstandard.ZstdCompressor().compress, gzip.compress])
def test_a_packed_file_that_unpacks_without_end_takes_no_memory(
    pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    content = pack(npy(np.zeros(20, np.int32)) + bytes(1 << 26))
    tracemalloc.start()
    try:
        with pytest.raises(ReplayLogError, match="holds more than the 20 rows"):
            read(content, tmp_path, np.int32)
        assert tracemalloc.get_traced_memory()[1] < 16e6
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return write_log(tmp_path_factory.mktemp("log"), [120, 300, 70, 200], capacity=300)


def shards(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in (out / "data").rglob("*.parquet")}


@pytest.mark.slow
def test_a_log_stored_otherwise_gives_the_same_shards_and_says_what_was_converted(
    log: Played, tmp_path: Path
) -> None:
    """Checkpoint 0 has other dtypes, in xz; 1 is as in the bucket; 2 has an axis more, and is not packed."""
    folder = tmp_path / "source" / "Pong" / "1"
    folder.mkdir(parents=True)
    stored = {"action": "i8", "terminal": "?", "reward": "f8"}
    for path in log.folder.glob("*_ckpt.*.gz"):
        array, number = path.name.split("_ckpt.")[0].removeprefix("$store$_"), path.name.split(".")[-2]
        values = np.load(io.BytesIO(gzip.decompress(path.read_bytes())))
        if number == "0":
            content = lzma.compress(npy(values.astype(stored.get(array, values.dtype))))
            (folder / f"{path.name[:-3]}.xz").write_bytes(content)
        elif number == "1":
            (folder / path.name).write_bytes(path.read_bytes())
        else:
            (folder / f"{path.name[:-3]}.npy").write_bytes(
                npy(values[:, None] if array == "observation" else values)
            )
    for source, out in ((log.root, "expected"), (tmp_path / "source", "out")):
        build(plan_build(open_source(str(source)), [PONG], tmp_path / out), tmp_path / out)
    assert shards(tmp_path / "out") == shards(tmp_path / "expected")
    said = {
        manifest.checkpoint: manifest.remarks
        for path in (tmp_path / "out").rglob("checkpoint_*.json")
        if (manifest := Manifest.from_json(path.read_bytes(), str(path)))
    }
    assert "action: int64 values read as int32" in said[0]
    assert any("axes of length 1" in remark for remark in said[2])
    remarks = open_source(str(tmp_path / "source")).open_run(PONG, 1).remarks()
    assert "reward: float64 values read as float32 (checkpoint 0)" in remarks


def test_one_npz_may_hold_a_checkpoint(log: Played, tmp_path: Path) -> None:
    (tmp_path / "Pong").mkdir()
    names = ("observation", "action", "reward", "terminal")
    arrays = {
        name: np.load(io.BytesIO(gzip.decompress((log.folder / f"$store$_{name}_ckpt.1.gz").read_bytes())))
        for name in names
    }
    (tmp_path / "Pong" / "ckpt_1.npz").write_bytes(npz(True, **arrays))
    run = open_source(str(tmp_path)).open_run(PONG, 1)
    assert run.checkpoints == [1]
    reader = run.reader()
    checkpoint = reader.checkpoint(1)
    steps = sum(len(episode) for episode in checkpoint.episodes())
    assert steps == sum(1 in files for files in log.stored)
    assert [record.path for record in checkpoint.sources()] == ["Pong/ckpt_1.npz"]
    reader.close()
