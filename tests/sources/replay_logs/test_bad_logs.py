"""Damaged logs and wrong names: one clear error each, and nothing half-made; never wrong data.

Every damage is tried by each public way to read a log, on a log of Pong of three files.
"""

import gzip
import io
import os
import pickle
import shutil
import struct
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from atari_dqn_replay.builder.assembly.build import build, plan_build
from atari_dqn_replay.builder.errors import AtariReplayError, ReplayLogError
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.sources.open import open_source
from atari_dqn_replay.builder.sources.replay_logs.array_file import ArrayFile
from atari_dqn_replay.builder.sources.run import Episode
from atari_dqn_replay.builder.stores.store import Store
from fsspec.implementations.local import LocalFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st
from logs import Played, log_folder, write_log

from atari_dqn_replay import AtariDQNReplay

PONG = find_game("Pong")
CAPACITY = 20
OBSERVATION, ACTION, REWARD, TERMINAL = (
    f"$store$_{name}" for name in ("observation", "action", "reward", "terminal")
)
ADD_COUNT = "add_count"

fuzz = settings(max_examples=150, deadline=None)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """The log before anything happens to it."""
    log = write_log(tmp_path_factory.mktemp("sound"), [12, 30, 7], capacity=CAPACITY)
    assert log.files == (0, 1, 2)
    return log


@pytest.fixture
def root(sound: Played, tmp_path: Path) -> Path:
    """A copy of the log, to be damaged."""
    return Path(shutil.copytree(sound.root, tmp_path / "source"))


def path_of(root: Path, array: str, number: int) -> Path:
    return log_folder(root, PONG, 1) / f"{array}_ckpt.{number}.gz"


def arrays(episode: Episode) -> list[bytes]:
    frames = [block.tobytes() for block in episode.frames]
    return [episode.action.tobytes(), episode.reward.tobytes(), b"".join(frames)]


def read_all(source: str | Path) -> list[tuple[Any, ...]]:
    """Every step of the log, with its place."""
    run = open_source(str(source)).open_run(PONG, 1)
    reader = run.reader()
    try:
        return [
            (number, episode.number, episode.terminated, *arrays(episode))
            for number in run.checkpoints
            for episode in reader.checkpoint(number).episodes()
        ]
    finally:
        reader.close()


# Ways to read a log


def stream(source: str | Path, out: Path, **options: Any) -> None:
    builder = AtariDQNReplay("pong-full", source=source, cache_dir=str(out), **options)
    dataset: Any = builder.as_streaming_dataset(split="run_1")
    for _ in dataset.with_format("arrow").iter(batch_size=8):
        pass


def prepare(source: str | Path, out: Path, **options: Any) -> None:
    AtariDQNReplay("pong-full", source=source, cache_dir=str(out), **options).download_and_prepare()


def prepare_with_two_processes(source: str | Path, out: Path) -> None:
    AtariDQNReplay("pong-full", source=source, cache_dir=str(out)).download_and_prepare(num_proc=2)


def build_folder(source: str | Path, out: Path, **options: Any) -> None:
    build(plan_build(open_source(str(source)), [PONG], out, **options), out)


WAYS = [stream, prepare, build_folder]


def leftovers(out: Path) -> list[Path]:
    """What is there and should not be: parts of files, prepared tables, checkpoints without a manifest.

    What was prepared for the next try lies in hidden folders.
    """
    parts = [*out.glob("[!.]*.incomplete*"), *out.glob("[!.]*/**/*.incomplete*"), *out.rglob("*.arrow")]
    checkpoints = [path.relative_to(out / "data") for path in out.glob("data/*/*/checkpoint_*")]
    return parts + [path for path in checkpoints if not (out / "manifests" / f"{path}.json").exists()]


def assert_refused(way: Callable[..., None], source: str | Path, out: Path, *says: str) -> None:
    with pytest.raises(AtariReplayError) as error:
        way(source, out)
    message = str(error.value)
    for part in says:
        assert part in message
    assert "\n" not in message
    assert len(message) < 600
    assert leftovers(out) == []


# Damages


def npy(array: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def npy_header(shape: str, dtype: str = "|u1", version: tuple[int, int] = (1, 0)) -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    length = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + length + text


def load(path: Path) -> Any:
    with gzip.open(path) as file:
        return np.load(file)


@dataclass(frozen=True)
class Damage:
    """What happens to one file, and what is to be said of it."""

    name: str
    array: str
    number: int
    change: Callable[[Path], object]
    says: tuple[str, ...]
    named: tuple[str, int] | None = None
    """The file that the message names, if it is another one of those that do not go together."""

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


def packed(content: bytes) -> Callable[[Path], object]:
    """Put this into the file, gzipped."""
    return lambda path: path.write_bytes(gzip.compress(content, 1, mtime=0))


def other_array(change: Callable[[Any], Any]) -> Callable[[Path], object]:
    """Put another array into the file, made from the one that is there."""
    return lambda path: packed(npy(change(load(path))))(path)


def other_bytes(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    """Change the compressed bytes."""
    return lambda path: path.write_bytes(change(path.read_bytes()))


def flipped(data: bytes, place: int, bit: int = 0) -> bytes:
    changed = bytearray(data)
    changed[place] ^= 1 << bit
    return bytes(changed)


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def replace_by_dangling_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


COPY = "copy it again"
DAMAGES = [
    *(
        Damage(f"{array} is missing", array, 1, Path.unlink, ("no such file", "copy it as well"))
        for array in (OBSERVATION, ACTION, REWARD, TERMINAL)
    ),
    *(
        Damage(f"{array} is cut short", array, 1, other_bytes(lambda data: data[:-9]), ("cut short", COPY))
        for array in (OBSERVATION, ACTION, REWARD, TERMINAL, ADD_COUNT)
    ),
    *(
        Damage(f"{array} has a flipped bit", array, 1, other_bytes(lambda data: flipped(data, -6)), (COPY,))
        for array in (OBSERVATION, ACTION, REWARD, TERMINAL, ADD_COUNT)
    ),
    Damage("the file is empty", ACTION, 0, lambda path: path.write_bytes(b""), ("holds nothing", COPY)),
    Damage(
        "the file is no gzip",
        ACTION,
        0,
        lambda path: path.write_bytes(b"<html>" * 9),
        ("begins with b'<html>", "expected a NumPy .npy array", COPY),
    ),
    Damage(
        "a gzip of nothing", REWARD, 0, packed(b""), ("holds nothing", "expected a NumPy .npy array", COPY)
    ),
    Damage("a gzip of text", REWARD, 0, packed(b"hello"), ("begins with b'hello'", ".npy array", COPY)),
    Damage("garbage follows", ACTION, 1, other_bytes(lambda data: data + b"x" * 99), ("is damaged", COPY)),
    Damage(
        "the file is there twice", ACTION, 1, other_bytes(lambda data: 2 * data), ("holds more than the 20",)
    ),
    Damage(
        "a large int64",
        ACTION,
        1,
        other_array(lambda array: array.astype("i8") + 2**40),
        ("no int32", "stay the same", "use another copy"),
    ),
    Damage(
        "a fine float64",
        REWARD,
        1,
        other_array(lambda array: array + np.float64(0.1)),
        ("no float32", "stay the same"),
    ),
    Damage(
        "float actions", ACTION, 1, other_array(lambda array: array / 2), ("float64", "int32", "another copy")
    ),
    Damage(
        "half a terminal", TERMINAL, 1, other_array(lambda array: array + 0.5), ("no uint8", "stay the same")
    ),
    Damage(
        "float frames",
        OBSERVATION,
        1,
        other_array(lambda array: array / 255),
        ("float64", "uint8", "another copy"),
    ),
    Damage(
        "two columns", ACTION, 1, other_array(lambda array: np.stack([array] * 2, 1)), ("(20, 2)", "(rows)")
    ),
    Damage(
        "narrow",
        OBSERVATION,
        1,
        other_array(lambda array: array[..., 1:]),
        ("(20, 84, 83)", "(rows, 84, 84)"),
    ),
    Damage(
        "stacked",
        OBSERVATION,
        0,
        other_array(lambda array: np.stack([array] * 4, 1)),
        ("4, 84, 84)", "84, 84)"),
    ),
    Damage(
        "one number", TERMINAL, 0, other_array(lambda array: array[0]), ("holds 1 rows", "are 20", "again")
    ),
    Damage(
        "a row less", REWARD, 1, other_array(lambda array: array[:-1]), ("holds 19 rows", "are 20", "again")
    ),
    Damage(
        "a row more", ACTION, 1, other_array(lambda array: np.resize(array, 21)), ("holds 21 rows", "are 20")
    ),
    Damage("no rows", OBSERVATION, 0, other_array(lambda array: array[:0]), ("holds 0 rows", "at least 5")),
    Damage(
        "a tiny ring", OBSERVATION, 0, other_array(lambda array: array[:4]), ("holds 4 rows", "at least 5")
    ),
    Damage(
        "rows are lacking", ACTION, 1, packed(npy_header("(20,)", "<i4") + b"0" * 40), ("10 of the 20", COPY)
    ),
    Damage(
        "terabytes",
        OBSERVATION,
        0,
        packed(npy_header("(99999999, 84, 84)")),
        ("holds 20 rows", "are 99,999,999", "again"),
        (ACTION, 0),
    ),
    Damage(
        "as long as can be",
        ACTION,
        0,
        packed(npy_header("(9" + 999 * "9" + ",)", "<i4")),
        ("header that cannot be read", "as NumPy writes it"),
    ),
    Damage(
        "a negative length",
        ACTION,
        0,
        packed(npy_header("(-20,)", "<i4")),
        ("header that cannot be read", "(-20,)"),
    ),
    Damage(
        "version 4",
        ACTION,
        0,
        packed(npy_header("(20,)", "<i4", (4, 0))),
        ("version 4.0", "version 1.0 to 3.0"),
    ),
    Damage(
        "a ring beyond belief",
        OBSERVATION,
        0,
        packed(npy_header("(300000000, 84, 84)")),
        ("declares 300,000,000 rows", "at most 100,000,000"),
    ),
    Damage(
        "half a header", ACTION, 0, packed(npy(np.zeros(20, np.int32))[:60]), ("header that cannot be read",)
    ),
    Damage("a wild header", ACTION, 0, packed(npy_header("('" + "(" * 500)), ("header that cannot be read",)),
    Damage(
        "a pickled object array",
        ACTION,
        0,
        packed(npy(np.array([print] * 20, object), allow_pickle=True)),
        ("pickled objects, which are never loaded", "expected int32"),
    ),
    Damage("a pickle", ACTION, 0, packed(pickle.dumps([0] * 20)), ("a pickle, which is never loaded", COPY)),
    Damage(
        "a negative count",
        ADD_COUNT,
        0,
        other_array(lambda _: np.int64(-1)),
        ("add_count is -1", "batch_rl's logger"),
    ),
    Damage(
        "an impossible count",
        ADD_COUNT,
        1,
        other_array(lambda _: np.int64(45)),
        ("is 45", "19 modulo 20", "batch_rl's logger"),
    ),
    Damage(
        "the count before",
        ADD_COUNT,
        1,
        other_array(lambda _: np.int64(19)),
        ("is 18 after 19 in checkpoint 1", "copy the run again"),
        (ADD_COUNT, 2),
    ),
    Damage(
        "a count of the end",
        ADD_COUNT,
        0,
        other_array(lambda _: np.int64(7)),
        ("is 39 after 7 in checkpoint 0", "copy the run again"),
        (ADD_COUNT, 1),
    ),
    Damage(
        "a fractional count",
        ADD_COUNT,
        0,
        other_array(lambda _: np.float64(19)),
        ("float64", "int64", "another copy"),
    ),
    Damage(
        "two counts", ADD_COUNT, 0, other_array(lambda _: np.array([19, 39])), ("2 numbers", "expected one")
    ),
    Damage(
        "an action too high",
        ACTION,
        1,
        other_array(lambda array: array + 6),
        ("6 actions 0 to 5", "another game"),
    ),
    Damage(
        "an action below 0",
        ACTION,
        0,
        other_array(lambda array: array - 9),
        ("actions 0 to 5", "another game"),
    ),
    *(
        Damage(
            f"a reward of {value}",
            REWARD,
            1,
            other_array(lambda array, value=value: np.where(array == array[4], np.float32(value), array)),
            ("no return can be computed", "another copy", "leave out checkpoint 1"),
        )
        for value in ("nan", "-inf", "3e38")
    ),
    Damage("a folder in its place", ACTION, 1, replace_by_folder, ("cannot be read", "that you may read")),
    Damage("a pipe in its place", ACTION, 1, replace_by_pipe, ("no regular file", "that you may read")),
    Damage("a dangling link", ACTION, 1, replace_by_dangling_link, ("no such file",)),
]


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("damage", DAMAGES, ids=str)
def test_a_damaged_file_is_named_with_what_is_wrong(
    damage: Damage, way: Callable[..., None], root: Path, tmp_path: Path
) -> None:
    """The message says what was found, what was expected and what to do."""
    damage.change(path_of(root, damage.array, damage.number))
    named = path_of(root, *(damage.named or (damage.array, damage.number)))
    assert_refused(way, root, tmp_path / "out", str(named), *damage.says)


def test_processes_that_prepare_together_tell_of_the_damage_as_one_does(root: Path, tmp_path: Path) -> None:
    path = path_of(root, REWARD, 1)
    path.write_bytes(path.read_bytes()[:-9])
    assert_refused(prepare_with_two_processes, root, tmp_path / "out", str(path), "cut short")


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_files_of_rings_of_other_sizes_are_not_one_run(
    way: Callable[..., None], root: Path, tmp_path: Path
) -> None:
    other = write_log(tmp_path / "other", [30], capacity=10)
    for path in other.folder.glob("*_ckpt.1.gz"):
        shutil.copy(path, log_folder(root, PONG, 1))
    where = str(path_of(root, ADD_COUNT, 1))
    assert_refused(way, root, tmp_path / "out", where, "10 rows", "checkpoint 0 20", "different runs")


# Flipped bits and fuzz


def test_no_flipped_bit_of_a_file_goes_unnoticed(sound: Played, root: Path) -> None:
    """Each bit of a file in turn: an error, or the same rows where gzip's header has room for notes."""
    path = path_of(root, ACTION, 1)
    data, store = path.read_bytes(), Store(str(root))
    relative = str(path.relative_to(root))
    original = load(path).tobytes()
    refused = 0
    for place in range(len(data)):
        for bit in range(8):
            path.write_bytes(flipped(data, place, bit))
            try:
                file = ArrayFile(store, relative, np.int32, ())
                rows = file.read(file.rows)
                file.finish()
            except ReplayLogError as error:
                assert str(path) in str(error)
                refused += 1
            else:
                assert rows.tobytes() == original
    assert refused > 8 * (len(data) - 10)


@pytest.fixture(scope="module")
def whole(sound: Played) -> list[tuple[Any, ...]]:
    return read_all(sound.root)


@pytest.mark.slow
@settings(fuzz, max_examples=100)
@given(array=st.sampled_from([OBSERVATION, ACTION, REWARD, TERMINAL, ADD_COUNT]), data=st.data())
def test_a_log_with_a_flipped_bit_gives_an_error_or_what_was_logged(
    sound: Played, whole: list[tuple[Any, ...]], array: str, data: st.DataObject
) -> None:
    """Whatever array and file it hits; the file is put right again."""
    path = path_of(sound.root, array, data.draw(st.sampled_from(sound.files)))
    content = path.read_bytes()
    try:
        path.write_bytes(
            flipped(content, data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(0, 7)))
        )
        assert read_all(sound.root) == whole
    except ReplayLogError as error:
        assert str(path) in str(error)
    finally:
        path.write_bytes(content)


@st.composite
def mutated(draw: st.DrawFn, original: bytes) -> bytes:
    """Some bytes changed, taken out, put in or repeated."""
    changed = bytearray(original)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, min(len(changed), 140)))
        stop = start + draw(st.integers(0, 8))
        changed[start:stop] = draw(
            st.binary(max_size=8) | st.sampled_from([b"(", b"'", b"9" * 8, b"\\", b"{", b","])
        )
    return bytes(changed)


ARRAY = npy(np.arange(50, dtype=np.int32))


@pytest.mark.filterwarnings("ignore")
@fuzz
@given(
    content=mutated(ARRAY).map(gzip.compress)
    | mutated(gzip.compress(ARRAY, mtime=0))
    | st.binary(max_size=99)
)
def test_whatever_a_file_holds_only_one_kind_of_error_comes_out(sound: Played, content: bytes) -> None:
    path = sound.root / "Pong" / "fuzzed.gz"
    path.write_bytes(content)
    try:
        file = ArrayFile(Store(str(sound.root)), "Pong/fuzzed.gz", np.int32, ())
        file.read(min(50, file.rows))
        file.finish()
    except ReplayLogError as error:
        assert str(path) in str(error)
        assert len(str(error)) < 600
    finally:
        path.unlink()


def test_a_file_that_inflates_without_end_takes_no_memory(root: Path) -> None:
    """A quarter of a gigabyte in a file of a few hundred kilobytes, behind a header of 20 rows."""
    pack = zlib.compressobj(1, zlib.DEFLATED, 31)
    blank = bytes(1 << 20)
    head = pack.compress(npy(np.zeros(20, np.int32)))
    bomb = head + b"".join(pack.compress(blank) for _ in range(256)) + pack.flush()
    path = path_of(root, ACTION, 1)
    path.write_bytes(bomb)
    tracemalloc.start()
    try:
        with pytest.raises(ReplayLogError, match="holds more than the 20 rows"):
            read_all(root)
        assert tracemalloc.get_traced_memory()[1] < 16e6
    finally:
        tracemalloc.stop()


def test_a_gzip_header_without_end_takes_no_memory(root: Path) -> None:
    """Its notes may hold a name of any length. Which fault it is, is up to the release of isal."""
    path_of(root, ACTION, 1).write_bytes(b"\x1f\x8b\x08\x08" + bytes(6) + b"a" * 4_000_000)
    with pytest.raises(ReplayLogError, match=r"action_ckpt\.1\.gz: is (damaged|cut short)"):
        read_all(root)


def test_what_gzip_allows_is_read(sound: Played, root: Path) -> None:
    """Several members in a row, a name in the header, zeros up to a block's end."""
    path = path_of(root, ACTION, 1)
    content = npy(load(path))
    split = b"".join(gzip.compress(content[start : start + 50]) for start in range(0, len(content), 50))
    named = io.BytesIO()
    with gzip.GzipFile("action.npy", "wb", fileobj=named) as file:
        file.write(content)
    whole = read_all(sound.root)
    for allowed in (split, named.getvalue(), path.read_bytes() + bytes(512)):
        path.write_bytes(allowed)
        assert read_all(root) == whole


# Names


@pytest.mark.parametrize(
    ("config", "options", "says"),
    [
        ("pnog-full", {}, "did you mean pong"),
        ("pong-best", {}, "mixed, medium, expert, full, episodes"),
        ("breakout-full", {}, "holds no Breakout; it has Pong"),
        ("pong-full", {"runs": [2]}, "this source has run 1 of Pong"),
        ("pong-full", {"checkpoints": [0, 3]}, "no checkpoint 3 of Pong; it has 0-2"),
        ("pong-medium", {}, "it has run 1: checkpoints 0-2"),
    ],
)
@pytest.mark.parametrize("prepared", [False, True])
def test_an_unknown_name_is_answered_with_the_known_ones(
    config: str, options: dict[str, Any], says: str, prepared: bool, sound: Played, tmp_path: Path
) -> None:
    with pytest.raises(AtariReplayError) as error:
        builder = AtariDQNReplay(config, source=sound.root, cache_dir=str(tmp_path), **options)
        builder.download_and_prepare() if prepared else builder.as_streaming_dataset()
    assert says in str(error.value)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    ("game", "options", "says"),
    [
        ("Breakout", {}, "holds no Breakout; it has Pong"),
        ("Pong", {"runs": [2]}, "this source has run 1 of Pong"),
        ("Pong", {"checkpoints": [0, 3]}, "no checkpoint 3 of Pong; it has 0-2"),
    ],
)
def test_a_build_of_an_unknown_name_makes_nothing(
    game: str, options: dict[str, Any], says: str, sound: Played, tmp_path: Path
) -> None:
    with pytest.raises(AtariReplayError) as error:
        plan_build(open_source(str(sound.root)), [find_game(game)], tmp_path / "out", **options)
    assert says in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["données", "記録", "two words", "50%", "#1", "a*[b]?", "{x}"])
def test_folders_may_have_any_name(name: str, sound: Played, tmp_path: Path) -> None:
    root = shutil.copytree(sound.root, tmp_path / name)
    assert read_all(root) == read_all(sound.root)
    for way in WAYS:
        way(root, tmp_path / "out" / way.__name__)


def test_a_damaged_file_in_a_folder_of_any_name_is_named(sound: Played, tmp_path: Path) -> None:
    root = shutil.copytree(sound.root, tmp_path / "données 記録")
    path_of(root, ACTION, 1).write_bytes(b"")
    assert_refused(stream, root, tmp_path / "out", str(path_of(root, ACTION, 1)))


def test_links_are_followed(sound: Played, tmp_path: Path) -> None:
    """To the source, to a game, or to each file, as git-annex and the Hub's cache keep them."""
    whole = read_all(sound.root)
    (tmp_path / "source").symlink_to(sound.root)
    (tmp_path / "games").mkdir()
    (tmp_path / "games" / "Pong").symlink_to(sound.root / "Pong")
    (tmp_path / "files" / "Pong" / "1" / "replay_logs").mkdir(parents=True)
    for path in sound.folder.iterdir():
        (tmp_path / "files" / "Pong" / "1" / "replay_logs" / path.name).symlink_to(path)
    for name in ("source", "games", "files"):
        assert read_all(tmp_path / name) == whole


def test_what_else_lies_in_the_folders_is_ignored(sound: Played, root: Path) -> None:
    logs = log_folder(root, PONG, 1)
    for name in ("README.md", ".DS_Store", "checkpoint", "tf_ckpt-0.index", "$store$_action_ckpt.0.gz.part"):
        (logs / name).write_text("something else")
    for name in ("$store$_note_ckpt.0.gz", "$store$_action_ckpt.x.gz", "$store$_action_ckpt.0.gz (copy)"):
        (logs / name).write_text("something else")
    for path in logs.glob("invalid_range*"):
        path.unlink()
    (logs / "older").mkdir()
    (logs.parent / "events").mkdir()
    (root / "Pong" / "notes").mkdir()
    (root / "Pong" / "results.csv").write_text("1,2")
    (root / "NoGame").mkdir()
    assert read_all(root) == read_all(sound.root)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_source_without_logs_says_what_it_looked_for(way: Callable[..., None], tmp_path: Path) -> None:
    empty, gameless = tmp_path / "empty", tmp_path / "gameless"
    (empty / "Pong" / "1" / "replay_logs").mkdir(parents=True)
    (gameless / "results").mkdir(parents=True)
    assert_refused(way, tmp_path / "nowhere", tmp_path / "out", str(tmp_path / "nowhere"), "no such folder")
    assert_refused(way, gameless, tmp_path / "out", str(gameless), "expected <Game>/<run>/replay_logs")
    assert_refused(way, empty, tmp_path / "out", "holds no log files", "$store$_observation_ckpt.0.gz")


# What may not be read


class ForbiddenFileSystem(LocalFileSystem):
    """The local disk, of which one file may not be read."""

    protocol = "forbidden"

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return super()._strip_protocol(path.removeprefix("forbidden://"))

    def _open(self, path: str, mode: str = "rb", block_size: int | None = None, **options: Any) -> Any:
        if path.endswith("reward_ckpt.1.gz"):
            raise PermissionError(13, "Permission denied", path)
        return super()._open(path, mode, block_size, **options)

    def ls(self, path: str, detail: bool = False, **options: Any) -> Any:
        if path.endswith("private"):
            raise PermissionError(13, "Permission denied", path)
        return super().ls(path, detail, **options)


@pytest.fixture
def forbidden() -> Iterator[str]:
    fsspec.register_implementation("forbidden", ForbiddenFileSystem, clobber=True)
    yield "forbidden://"


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_file_that_may_not_be_read_is_named(
    way: Callable[..., None], forbidden: str, sound: Played, tmp_path: Path
) -> None:
    where = str(path_of(sound.root, REWARD, 1))
    assert_refused(way, f"{forbidden}{sound.root}", tmp_path / "out", where, "Permission denied", "may read")


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_folder_that_may_not_be_listed_is_named(
    way: Callable[..., None], forbidden: str, tmp_path: Path
) -> None:
    source = f"{forbidden}{tmp_path / 'private'}"
    assert_refused(way, source, tmp_path / "out", str(tmp_path / "private"), "cannot be listed")
