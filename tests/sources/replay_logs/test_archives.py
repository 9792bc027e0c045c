"""A mirror in an archive is read as from a folder, without unpacking it, wherever the games lie in it."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from atari_dqn_replay.builder.assembly.build import build, plan_build
from atari_dqn_replay.builder.errors import SourceError
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.sources.inspection import inspect_source
from atari_dqn_replay.builder.sources.open import open_source, open_store
from atari_dqn_replay.builder.stores import gzip_seeking
from hypothesis import given, settings
from hypothesis import strategies as st
from logs import Played, write_log
from web_server import running_web

PONG = find_game("Pong")


def tar(folder: Path, path: Path, mode: str = "w", top: str = ".") -> Path:
    with tarfile.open(path, mode) as archive:  # pyright: ignore
        archive.add(folder, top)
    return path


def zipped(folder: Path, path: Path, compression: int) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, f"backup/dqn/{file.relative_to(folder)}")
    return path


ARCHIVES: dict[str, Callable[[Path, Path], Path]] = {
    "tar": lambda root, out: tar(root, out / "mirror.tar"),
    "tar, deep in it": lambda root, out: tar(root, out / "mirror.tar", top="home/me/dqn"),
    "tar.gz": lambda root, out: tar(root, out / "mirror.tar.gz", "w:gz"),
    "tgz of one game": lambda root, out: tar(root / "Pong" / "1", out / "Pong.tgz", "w:gz", top="1"),
    "zip, stored": lambda root, out: zipped(root, out / "mirror.zip", zipfile.ZIP_STORED),
    "zip, deflated": lambda root, out: zipped(root, out / "mirror.ZIP", zipfile.ZIP_DEFLATED),
}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return write_log(tmp_path_factory.mktemp("log"), [120, 300, 70, 200], capacity=300)


@pytest.fixture(scope="module")
def shards(log: Played, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return built(str(log.root), tmp_path_factory.mktemp("built"))


def built(source: str, out: Path) -> dict[str, bytes]:
    build(plan_build(open_source(source), [PONG], out), out)
    return {str(path.relative_to(out)): path.read_bytes() for path in (out / "data").rglob("*.parquet")}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_an_archive_gives_the_same_shards(
    kind: str, log: Played, shards: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gzip_seeking, "_FIRST_SPACING", 1 << 12)
    monkeypatch.setattr(gzip_seeking, "_MOST_POINTS", 8)
    assert built(str(ARCHIVES[kind](log.root, tmp_path)), tmp_path / "out") == shards


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip, deflated"])
def test_archives_are_read_from_a_web_server(kind: str, log: Played, tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    path = ARCHIVES[kind](log.root, tmp_path / "web")
    with running_web(tmp_path / "web") as server:
        store = open_source(f"{server.url}/{path.name}")
        assert store.open_run(PONG, 1).remarks() == ["checkpoint 2 is the final, partial dump"]


def test_a_folder_in_an_archive_is_named_by_chaining(log: Played, tmp_path: Path) -> None:
    path = zipped(log.root, tmp_path / "mirror.zip", zipfile.ZIP_STORED)
    for url in (f"zip://backup/dqn::{path}", f"zip://::file://{path}", f"zip://backup::{path}"):
        assert open_source(url).runs(PONG) == [1]


def test_names_never_lead_out_of_an_archive(log: Played, tmp_path: Path) -> None:
    path = tar(log.root, tmp_path / "mirror.tar")
    with tarfile.open(path, "a") as archive:
        for name in ("../outside.gz", "/absolute.gz", "Pong/../../x"):
            archive.addfile(tarfile.TarInfo(name))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
            link = tarfile.TarInfo(f"Pong/1/odd{kind.decode()}")
            link.type, link.linkname = kind, "/etc/passwd"
            archive.addfile(link)
    source = open_source(str(path))
    lines = inspect_source(source, source.games()).not_taken
    assert sum("leads out of the archive" in line for line in lines) == 3
    assert sum("not a regular file" in line for line in lines) == 3


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip, stored"])
def test_an_archive_that_is_cut_short_is_named(kind: str, log: Played, tmp_path: Path) -> None:
    path = ARCHIVES[kind](log.root, tmp_path)
    content = path.read_bytes()
    for share in (0, 0.3, 0.9):
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(SourceError, match=r"cut short or damaged.*copy it again") as error:
            open_source(str(path))
        assert str(path) in str(error.value)


@pytest.mark.parametrize("name", ["mirror.tar.xz", "mirror.7z"])
def test_archives_that_cannot_be_read_are_refused_with_what_to_do(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(SourceError, match="unpack it"):
        open_source(str(tmp_path / name))


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(kind=st.sampled_from(["tar", "tar.gz", "zip"]), data=st.data())
def test_a_damaged_archive_is_an_error_or_gives_other_names(
    kind: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever is flipped or cut: no other kind of error, and in a gzip or zip never other content."""
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("Pong/action_0.gz", b"content" * 50)
    else:
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            info = tarfile.TarInfo("Pong/action_0.gz")
            info.size = 350
            archive.addfile(info, io.BytesIO(b"content" * 50))
    content = bytearray(gzip.compress(buffer.getvalue()) if kind == "tar.gz" else buffer.getvalue())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path_factory.getbasetemp() / f"fuzzed.{kind}"
    path.write_bytes(content)
    try:
        store = open_store(str(path))
        found = {}
        for folder in store.list(""):
            for name in store.list(folder):
                with store.open(f"{folder}/{name}") as file:
                    found[name] = file.read()
    except (SourceError, OSError, EOFError, gzip_seeking.zlib.error):
        return
    if kind != "tar":
        assert all(content == b"content" * 50 for content in found.values())
