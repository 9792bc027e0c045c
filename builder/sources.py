"""Where replay logs lie: a tree of files in the bucket's layout, on any fsspec file system."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from urllib.parse import urlsplit, urlunsplit

import fsspec
import xxhash

from .errors import ReplayLogError, SourceError, UnknownNameError
from .games import GAMES, Game, find_game
from .provenance import FILE_NAME as PROVENANCE_FILE
from .provenance import Provenance

_LOG_FILE = re.compile(r"(?:\$store\$_)?(?P<array>[a-z_]+)_ckpt\.(?P<number>\d+)\.gz")

_RUN = re.compile(r"[1-9][0-9]?")

LOG_ARRAYS = ("observation", "action", "reward", "terminal", "add_count")
"""What a checkpoint must have; `invalid_range` follows from add_count and is not read."""


@dataclass(frozen=True)
class LogFiles:
    """The files of one run: for each checkpoint's number, the path of each array below the source's root."""

    folder: str
    checkpoints: dict[int, dict[str, str]] = field(default_factory=dict)

    def path(self, number: int, array: str) -> str:
        """Where an array is, or would be if the source had it."""
        prefix = "" if array == "add_count" else "$store$_"
        return self.checkpoints[number].get(array, f"{self.folder}/{prefix}{array}_ckpt.{number}.gz")


class Source:
    """A copy of the bucket: `<root>/<Game>/<run>/replay_logs/…`; the root may be the one above `dqn/`.

    Args:
        url: a path or any URL that fsspec knows (`gs://…`, `s3://…`, `hf://…`, `memory://…`).
        storage_options: passed to the file system.

    Raises:
        SourceError: there is nothing at `url`, or it cannot be read.
    """

    def __init__(self, url: str, storage_options: Mapping[str, Any] | None = None) -> None:
        self.url = url
        self.storage_options = dict(storage_options or {})
        try:
            self.fs, root = fsspec.url_to_fs(url, **self.storage_options)
        except (ValueError, ImportError) as error:
            raise SourceError(
                f"{without_credentials(url)}: not a source that can be opened ({error})"
            ) from None
        self._root = root.rstrip("/")
        if "dqn" in self._list(""):
            self._root += "/dqn"
        self._games = {
            game: name for game in GAMES for name in self._list("") if name in (game.name, game.slug)
        }
        if not self._games:
            raise SourceError(
                f"{without_credentials(url)}: holds no game's folder; expected <Game>/<run>/replay_logs, "
                f"such as Pong/1/replay_logs, in it or in its folder dqn"
            )

    @property
    def is_local(self) -> bool:
        """Whether reading a file twice costs next to nothing."""
        return (
            "file" in self.fs.protocol if isinstance(self.fs.protocol, tuple) else self.fs.protocol == "file"
        )

    def games(self) -> list[Game]:
        """The games that it holds, in alphabetical order."""
        return sorted(self._games, key=lambda game: game.name)

    def runs(self, game: Game) -> list[int]:
        """The runs of a game that it holds.

        Raises:
            SourceError: it does not hold the game.
        """
        return sorted(int(name) for name in self._list(self._game_folder(game)) if _RUN.fullmatch(name))

    def log_files(self, game: Game, run: int) -> LogFiles:
        """The files of one run.

        Raises:
            UnknownNameError: it does not hold the run.
            SourceError: the run holds no log files.
        """
        runs = self.runs(game)
        folder = f"{self._game_folder(game)}/{run}"
        if run not in runs:
            found = ", ".join(map(str, runs)) or "none"
            raise UnknownNameError(
                f"{self.describe(folder)}: no such run; this source has run {found} of {game}"
            )
        if "replay_logs" in self._list(folder):
            folder += "/replay_logs"
        files = LogFiles(folder)
        for name in sorted(self._list(folder)):
            match = _LOG_FILE.fullmatch(name)
            if match and match["array"] in LOG_ARRAYS:
                checkpoint = files.checkpoints.setdefault(int(match["number"]), {})
                checkpoint[match["array"]] = f"{folder}/{name}"
        if not files.checkpoints:
            raise SourceError(
                f"{self.describe(folder)}: holds no log files; expected names such as "
                f"$store$_observation_ckpt.0.gz"
            )
        return files

    def provenance(self, game: Game, run: int) -> Provenance:
        """The record that the run's logs carry of their origin, if any."""
        path = f"{self.log_files(game, run).folder}/{PROVENANCE_FILE}"
        try:
            with self.open(path) as file:
                return Provenance.from_json(file.read().decode("utf-8", "replace"), self.describe(path))
        except FileNotFoundError:
            return Provenance()
        except OSError as error:
            raise ReplayLogError(f"{self.describe(path)}: cannot be read ({error})") from None

    def open(self, path: str) -> BinaryIO:
        """Open a file below the root, to be read forwards."""
        return self.fs.open(f"{self._root}/{path}", "rb")

    def size(self, path: str) -> int | None:
        """Bytes of a file below the root; None if it is not there or the store does not say."""
        try:
            return self.fs.info(f"{self._root}/{path}").get("size")
        except OSError:
            return None

    def fingerprint(self, game: Game, runs: Iterable[int]) -> str:
        """Changes when a file of these runs is added, removed or replaced by another."""
        folders = [f"{self._root}/{self.log_files(game, run).folder}" for run in runs]
        entries = [entry for folder in folders for entry in self.fs.ls(folder, detail=True)]
        known = ("name", "size", "mtime", "ETag", "etag", "md5Hash", "crc32c", "LastModified")
        stamps = sorted(str([entry.get(key) for key in known]) for entry in entries)
        return xxhash.xxh3_64_hexdigest("\n".join(stamps).encode())

    def describe(self, path: str) -> str:
        """The file's full name, for messages: without credentials."""
        return without_credentials(self.fs.unstrip_protocol(f"{self._root}/{path}")).removeprefix("file://")

    def _game_folder(self, game: Game) -> str:
        if game not in self._games:
            games = ", ".join(other.name for other in self.games())
            raise SourceError(f"{without_credentials(self.url)}: holds no {game}; it has {games}")
        return self._games[game]

    def _list(self, folder: str) -> list[str]:
        path = f"{self._root}/{folder}".rstrip("/")
        try:
            entries = self.fs.ls(path, detail=False)
        except (FileNotFoundError, NotADirectoryError):
            raise SourceError(f"{self.describe(folder)}: no such folder") from None
        except OSError as error:
            raise SourceError(f"{self.describe(folder)}: cannot be listed ({error})") from None
        return [name for name in (entry.rstrip("/").rpartition("/")[2] for entry in entries) if name]


def without_credentials(url: str) -> str:
    """The URL as it may be shown: no user, password or query, where signatures travel."""
    if "://" not in url:
        return url
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def named_games(source: Source, names: Sequence[str]) -> list[Game]:
    """The games that a user named, each once, or for `all` those that the source holds.

    Raises:
        UnknownNameError: there is no such game.
    """
    return source.games() if list(names) == ["all"] else list(dict.fromkeys(map(find_game, names)))
