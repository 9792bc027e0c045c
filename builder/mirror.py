"""A copy of the bucket: `<root>/<Game>/<run>/replay_logs/$store$_observation_ckpt.0.gz` and so on."""

import re
from collections.abc import Iterable

from .episodes import LoggedRun
from .errors import ReplayLogError, SourceError, UnknownNameError
from .games import GAMES, Game
from .provenance import FILE_NAME as PROVENANCE_FILE
from .provenance import Provenance
from .replay_log import LOG_ARRAYS, LogFiles, ReplayLog
from .source import Source
from .store import Store

_LOG_FILE = re.compile(r"(?:\$store\$_)?(?P<array>[a-z_]+)_ckpt\.(?P<number>[0-9]{1,4})\.gz")
_RUN = re.compile(r"[1-9][0-9]?")


class Mirror(Source):
    """Replay logs in the bucket's layout; the root may be the folder above `dqn`.

    Args:
        store: the root.

    Raises:
        SourceError: it holds no game's folder.
    """

    def __init__(self, store: Store) -> None:
        self._store = store.below("dqn") if "dqn" in store.list("") else store
        names = self._store.list("")
        self._games = {game: name for game in GAMES for name in names if name in (game.name, game.slug)}
        if not self._games:
            raise SourceError(
                f"{store.describe()}: holds no game's folder; expected <Game>/<run>/replay_logs, "
                f"such as Pong/1/replay_logs, in it or in its folder dqn"
            )

    def describe(self) -> str:
        """Its root's full name."""
        return self._store.describe()

    def games(self) -> list[Game]:
        """The games that it holds, in alphabetical order."""
        return sorted(self._games, key=lambda game: game.name)

    def runs(self, game: Game) -> list[int]:
        """The runs of a game that it holds."""
        names = self._store.list(self._game_folder(game))
        return sorted(int(name) for name in names if _RUN.fullmatch(name))

    def open_run(self, game: Game, run: int) -> LoggedRun:
        """One run."""
        files = self._log_files(game, run)
        return LoggedRun(game, run, ReplayLog(self._store, files), self._provenance(files.folder))

    def fingerprint(self, game: Game, runs: Iterable[int]) -> str:
        """Of the names, sizes and times or checksums of the runs' files."""
        return self._store.fingerprint(self._log_files(game, run).folder for run in runs)

    def _log_files(self, game: Game, run: int) -> LogFiles:
        runs = self.runs(game)
        folder = f"{self._game_folder(game)}/{run}"
        if run not in runs:
            found = ", ".join(map(str, runs)) or "none"
            raise UnknownNameError(
                f"{self._store.describe(folder)}: no such run; this source has run {found} of {game}"
            )
        if "replay_logs" in self._store.list(folder):
            folder += "/replay_logs"
        files = LogFiles(folder)
        for name in self._store.list(folder):
            match = _LOG_FILE.fullmatch(name)
            if match and match["array"] in LOG_ARRAYS:
                checkpoint = files.checkpoints.setdefault(int(match["number"]), {})
                checkpoint[match["array"]] = f"{folder}/{name}"
        if not files.checkpoints:
            raise SourceError(
                f"{self._store.describe(folder)}: holds no log files; expected names such as "
                f"$store$_observation_ckpt.0.gz"
            )
        return files

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
            games = ", ".join(other.name for other in self.games())
            raise SourceError(f"{self.describe()}: holds no {game}; it has {games}")
        return self._games[game]
