"""Reads a copy of the bucket on a server without listings, requesting its files by name."""

import itertools
from collections.abc import Iterable, Sequence

from ...errors import SourceError
from ...format.games import Game
from ...stores.store import Store
from .log_files import LOG_ARRAYS, LogFiles, log_file_name
from .mirror import Mirror

ROOTS = ("", "dqn")
SUBFOLDERS = ("/replay_logs", "")
RUNS = (1, 2, 3, 4, 5)
PROBED = "action"
"""The array that is requested to see whether a checkpoint is there: small, and in every copy."""
LIKELY_CHECKPOINTS = (0, 9, 49, 1)
"""Checkpoints that people often copy; requested first, to find out how the folders are named."""
CHECKPOINTS = range(51)
"""The checkpoints of an original run; in a longer log, requests continue until a number is missing."""


class UnlistedMirror(Mirror):
    """A source of replay logs in the bucket's layout on a store that cannot list folders.

    Only games that the caller asks for are looked up. Finding a game takes at most 160 requests; a run takes
    51 for its checkpoints and 6 for each one present. They are sent eight at a time, and only once.

    Args:
        store: the root folder.
        stack_size: the number of frames in the agent's observation; None to find it out.
    """

    def __init__(self, store: Store, stack_size: int | None = None) -> None:
        self._stack_size = stack_size
        self._store = store
        self._games, self._nameless, self._not_taken = {}, None, ()
        self._roots = [store.below(root) if root else store for root in ROOTS]
        self._patterns: dict[Game, tuple[str, str]] = {}
        self._found: dict[tuple[Game, int], LogFiles] = {}

    def games(self) -> list[Game]:
        """Raise an error, since the games cannot be listed."""
        raise SourceError(
            f"{self.describe()}: the server shows no listing, so the games that it has cannot be known; name "
            f"those that you want (build GAME…, inspect --games GAME…)"
        )

    def not_taken(self, games: Sequence[Game]) -> list[str]:
        """Returns nothing, since nothing is listed."""
        return []

    def runs(self, game: Game) -> list[int]:
        """Returns the runs of a game, of 1 to 5, that have a checkpoint."""
        return [run for run in RUNS if self._files(game, run).checkpoints]

    def _find(self, game: Game, run: int) -> LogFiles:
        if run not in RUNS or not self._files(game, run).checkpoints:
            self._require_run(game, run, self.runs(game))  # other runs are looked up only to be named
        return self._files(game, run)

    def _files(self, game: Game, run: int) -> LogFiles:
        if (game, run) not in self._found:
            self._found[game, run] = self._probe_run(game, run)
        return self._found[game, run]

    def _probe_run(self, game: Game, run: int) -> LogFiles:
        root, subfolder = self._pattern(game)
        files = LogFiles(f"{root}/{run}{subfolder}")
        numbers = self._present(files.folder, CHECKPOINTS)
        while numbers and numbers[-1] >= CHECKPOINTS[-1]:
            more = self._present(files.folder, range(numbers[-1] + 1, numbers[-1] + 9))
            if not more:
                break
            numbers += more
        names = {
            f"{files.folder}/{log_file_name(array, number)}": (number, array)
            for number in numbers
            for array in LOG_ARRAYS
        }
        sizes = self._store.versions(list(names))
        for path, (number, array) in names.items():
            if sizes[path] is not None:
                files.checkpoints.setdefault(number, {})[array] = path
        return files

    def _pattern(self, game: Game) -> tuple[str, str]:
        """Returns the game folder's name pattern, and where in a run's folder the files are.

        Raises:
            SourceError: no file of the game was found.
        """
        if game not in self._patterns:
            self._patterns[game] = self._probe_game(game)
        return self._patterns[game]

    def _probe_game(self, game: Game) -> tuple[str, str]:
        names = dict.fromkeys((game.name, game.slug))
        for root, name, subfolder in itertools.product(self._roots, names, SUBFOLDERS):
            files = itertools.product(RUNS, LIKELY_CHECKPOINTS)
            paths = [f"{name}/{run}{subfolder}/{log_file_name(PROBED, number)}" for run, number in files]
            if any(root.versions(paths).values()):
                self._store, self._roots = root, [root]
                return name, subfolder
        raise SourceError(
            f"{self.describe()}: the server shows no listing, and has no {game} under the names that were "
            f"tried, such as {game}/1/replay_logs/{log_file_name(PROBED, 0)}; give the URL of the "
            f"folder above the games' folders"
        )

    def _present(self, folder: str, numbers: Iterable[int]) -> list[int]:
        paths: Sequence[str] = [f"{folder}/{log_file_name(PROBED, number)}" for number in numbers]
        versions = self._store.versions(paths)
        return [number for number, path in zip(numbers, paths, strict=True) if versions[path] is not None]
