"""Reads copies of the bucket, in any of the layouts that people have them in; see `layouts`."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence

from ...errors import ReplayLogError, SourceError, UnknownNameError
from ...format.games import Game
from ...format.protocol import BLACK_FRAMES
from ...format.provenance import FILE_NAME as PROVENANCE_FILE
from ...format.provenance import Provenance
from ...stores.store import Store
from ..store_source import StoreSource
from .game_folder import GameFolder
from .game_folders import find_game_folders
from .inferred_log import InferredLog
from .layouts import LAYOUTS, Layout
from .log_files import LogFiles, inside
from .logged_run import LoggedRun
from .replay_log import ReplayLog


class Mirror(StoreSource):
    """A source of replay logs.

    The games' folders may lie below the root, in any spelling. The root may also be a game's folder, a run's,
    or the one that holds the files; then the game is taken from the root's path, or else the caller names it.

    Args:
        store: the root folder.
        layouts: the layouts to look for.
        stack_size: the number of frames in the agent's observation; None to find it out.

    Raises:
        SourceError: the root contains no replay logs.
    """

    def __init__(
        self, store: Store, layouts: Sequence[Layout] = LAYOUTS, stack_size: int | None = None
    ) -> None:
        self._stack_size = stack_size
        found = find_game_folders(store, layouts)
        super().__init__(found.store, found.games)
        self._games: Mapping[Game, GameFolder] = found.games
        self._nameless = found.nameless
        self._not_taken = [*store.not_taken, *found.not_taken]

    @property
    def is_nameless(self) -> bool:
        """Whether the source has the files of one game, and nothing in their path says which."""
        return self._nameless is not None

    def games(self) -> list[Game]:
        """Returns the games in the source, in alphabetical order.

        Raises:
            SourceError: nothing names the game of the files.
        """
        if self._nameless is not None:
            raise SourceError(
                f"{self.describe()}: nothing in its path names the game of these files; name it "
                f"(build GAME …, inspect --games GAME)"
            )
        return super().games()

    def runs(self, game: Game) -> list[int]:
        """Returns the runs of a game in the source."""
        return self._folder(game).runs()

    def open_run(self, game: Game, run: int) -> LoggedRun:
        """Open one run."""
        files = self._find(game, run)
        kind = ReplayLog if files.has_add_counts else InferredLog
        log = kind(self._store, files, self._stack_size, BLACK_FRAMES.get(game.name, 0))
        return LoggedRun(game, run, log, self._provenance(files))

    def fingerprint(self, game: Game, runs: Iterable[int]) -> str:
        """Returns a digest of the names, sizes, and times or checksums of the runs' files."""
        found = [self._find(game, run) for run in runs]
        paths = [path for files in found for paths in files.checkpoints.values() for path in paths.values()]
        return self._store.fingerprint_of([*paths, *(inside(each.folder, PROVENANCE_FILE) for each in found)])

    def not_taken(self, games: Sequence[Game]) -> list[str]:
        """Returns a line for each folder of which something is no part of the source."""
        lines = [*self._not_taken]
        for game in games:
            with contextlib.suppress(SourceError):  # `runs` reports it
                lines += self._folder(game).not_taken()
        return lines

    def _find(self, game: Game, run: int) -> LogFiles:
        """Returns the files of a run.

        Raises:
            UnknownNameError: the source has no such run.
            SourceError: the run contains no files.
        """
        folder = self._folder(game)
        self._require_run(game, run, folder.runs())
        files = folder.files(run)
        if not files.checkpoints:
            raise SourceError(
                f"{self._store.describe(files.folder)}: holds no log files; expected names such as "
                f"$store$_observation_ckpt.0.gz; {SEE_LAYOUTS}"
            )
        return files

    def _require_run(self, game: Game, run: int, runs: Sequence[int]) -> None:
        if run not in runs:
            found = ", ".join(map(str, runs)) or "none"
            raise UnknownNameError(
                f"{self.describe()}: no such run as {run}; this source has run {found} of {game}"
            )

    def _provenance(self, files: LogFiles) -> Provenance:
        path = inside(files.folder, PROVENANCE_FILE)
        try:
            with self._store.open(path) as file:
                text = file.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return Provenance()
        except OSError as error:
            raise ReplayLogError(f"{self._store.describe(path)}: cannot be read ({error})") from None
        return Provenance.from_json(text, self._store.describe(path))

    def _folder(self, game: Game) -> GameFolder:
        if self._nameless is not None:
            return self._nameless
        if game not in self._games:
            raise self.no_such_game(game)
        return self._games[game]


SEE_LAYOUTS = "`atari-dqn-replay inspect` lists what was found, and docs/sources.md all layouts"
