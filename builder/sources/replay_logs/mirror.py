"""Reads a copy of the bucket: `<root>/<Game>/<run>/replay_logs/$store$_observation_ckpt.0.gz` and so on."""

import re
from collections.abc import Iterable, Sequence

from ...errors import ReplayLogError, SourceError, UnknownNameError
from ...format.games import GAMES, Game
from ...format.provenance import FILE_NAME as PROVENANCE_FILE
from ...format.provenance import Provenance
from ...stores.store import Store
from ..source import Source
from .d4rl_cache import CachedLog, CachedRun, find_cached_files
from .log_files import LOG_ARRAYS, LogFiles
from .logged_run import LoggedRun
from .replay_log import ReplayLog

_LOG_FILE = re.compile(r"(?:\$store\$_)?(?P<array>[a-z_]+)_ckpt\.(?P<number>[0-9]{1,4})\.gz")
_RUN = re.compile(r"[1-9][0-9]?")


class Mirror(Source):
    """A source of replay logs in the bucket's layout, or in that of d4rl-atari's cache.

    The root may be the folder above `dqn`, a game's folder may be named by its slug, and a run's folder may
    hold the files directly.

    Args:
        store: the root folder.

    Raises:
        SourceError: the root contains no game's folder.
    """

    def __init__(self, store: Store) -> None:
        names = store.list("")
        self._store = store.below("dqn") if "dqn" in names else store
        names = self._store.list("") if "dqn" in names else names
        self._games = {game: name for game in GAMES for name in names if name in (game.name, game.slug)}
        if not self._games:
            raise SourceError(
                f"{store.describe()}: holds no game's folder; expected <Game>/<run>/replay_logs, "
                f"such as Pong/1/replay_logs, in it or in its folder dqn"
            )

    def describe(self) -> str:
        """Returns the full name of the source's root."""
        return self._store.describe()

    def games(self) -> list[Game]:
        """Returns the games in the source, in alphabetical order."""
        return sorted(self._games, key=lambda game: game.name)

    def runs(self, game: Game) -> list[int]:
        """Returns the runs of a game in the source."""
        names = self._store.list(self._game_folder(game))
        return sorted(int(name) for name in names if _RUN.fullmatch(name))

    def open_run(self, game: Game, run: int) -> LoggedRun:
        """Open one run."""
        files = self._find(game, run)
        if files.has_add_counts:
            return LoggedRun(game, run, ReplayLog(self._store, files), self._provenance(files.folder))
        return CachedRun(game, run, CachedLog(self._store, files))

    def fingerprint(self, game: Game, runs: Iterable[int]) -> str:
        """Returns a digest of the names, sizes, and times or checksums of the runs' files."""
        found = [self._find(game, run) for run in runs]
        paths = [path for files in found for paths in files.checkpoints.values() for path in paths.values()]
        return self._store.fingerprint_of([*paths, *(f"{files.folder}/{PROVENANCE_FILE}" for files in found)])

    def _find(self, game: Game, run: int) -> LogFiles:
        """Returns the files of a run.

        Raises:
            UnknownNameError: the source has no such run.
            SourceError: the run contains no files.
        """
        self._require_run(game, run, self.runs(game))
        folder = f"{self._game_folder(game)}/{run}"
        names = self._store.list(folder)
        if "replay_logs" in names:
            folder += "/replay_logs"
            names = self._store.list(folder)
        files = _find_log_files(folder, names)
        if not files.checkpoints:
            files = find_cached_files(self._store, folder, names)
        if not files.checkpoints:
            raise SourceError(
                f"{self._store.describe(folder)}: holds no log files; expected names such as "
                f"$store$_observation_ckpt.0.gz"
            )
        return files

    def _require_run(self, game: Game, run: int, runs: Sequence[int]) -> None:
        if run not in runs:
            found = ", ".join(map(str, runs)) or "none"
            raise UnknownNameError(
                f"{self.describe()}: no such run as {run}; this source has run {found} of {game}"
            )

    def _provenance(self, folder: str) -> Provenance:
        path = f"{folder}/{PROVENANCE_FILE}"
        try:
            with self._store.open(path) as file:
                text = file.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return Provenance()
        except OSError as error:
            raise ReplayLogError(f"{self._store.describe(path)}: cannot be read ({error})") from None
        return Provenance.from_json(text, self._store.describe(path))

    def _game_folder(self, game: Game) -> str:
        if game not in self._games:
            raise self.no_such_game(game)
        return self._games[game]


def _find_log_files(folder: str, names: Iterable[str]) -> LogFiles:
    files = LogFiles(folder)
    for name in names:
        match = _LOG_FILE.fullmatch(name)
        if match and match["array"] in LOG_ARRAYS:
            files.checkpoints.setdefault(int(match["number"]), {})[match["array"]] = f"{folder}/{name}"
    return files
