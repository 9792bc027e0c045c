"""Reads JOWA's `<Game>.h5`: a group for each episode, with observations, actions, rewards and terminals.

JOWA's script draws whole episodes from the dumps of two runs until it has ten million steps of a game, and
numbers them: `0`, `1`, … are groups with observations uint8 (n, 84, 84) and a number for each step. The file
does not say which run and dump an episode is from.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ...errors import SourceError, UnknownNameError
from ...format.games import Game, match_game
from ...format.manifest import FileRecord
from ...stores.store import Store
from ...stores.whole_file import open_whole
from ..not_taken import describe_left
from ..store_source import StoreSource
from .hdf5 import array, member, numbers_of, open_hdf5, reading_hdf5, rows_of
from .run import EpisodeFilesRun
from .stored import EpisodeStore, StoredEpisode, StoredFrames, exactly

RUN = 1
"""The number of the only run."""

DETAILS = {
    "layout": "JOWA's file of episodes",
    "assumed": "JOWA's files do not say which run and dump an episode is from: all episodes, of two of the "
    "runs, are one checkpoint of run 1, in the order of their numbers",
}
_SUFFIX = ".h5"
_BYTES_PER_ROW = 500
"""About how many bytes a row takes in a compressed file."""


def is_episodes_file(name: str) -> bool:
    """Returns whether a file's name is that of a game's episodes."""
    return _game_of(name) is not None


def _game_of(name: str) -> Game | None:
    return match_game(name.removesuffix(_SUFFIX)) if name.endswith(_SUFFIX) else None


class JOWAEpisodes(StoreSource):
    """A source of JOWA's files.

    Args:
        store: the folder that holds the games' files.
        name: the only file to read in it; None for all.

    Raises:
        SourceError: it holds no such file, or cannot be listed.
    """

    def __init__(self, store: Store, name: str | None = None) -> None:
        self._is_one = name is not None
        self._files: dict[Game, str] = {}
        for each in store.list("") if name is None else [name]:
            game = _game_of(each)
            if game is not None:
                self._files.setdefault(game, each)
        super().__init__(store, self._files)
        if not self._files:
            raise SourceError(
                f"{store.describe()}: holds no file of episodes; expected names such as Pong.h5"
            )

    def runs(self, game: Game) -> list[int]:
        """Returns the number that stands for the runs of a game, which the file does not tell apart."""
        if game not in self._files:
            raise self.no_such_game(game)
        return [RUN]

    def open_run(self, game: Game, run: int) -> EpisodeFilesRun:
        """Open the run."""
        path = self._files[game] if run in self.runs(game) else None
        if path is None:
            raise UnknownNameError(
                f"{self.describe()}: no run {run} of {game}; it has {RUN}, in which all of its episodes are"
            )
        size = self._store.size(path)
        return EpisodeFilesRun(
            game,
            run,
            self._store.describe(path),
            open_store=lambda: _Groups(self._store, path),
            sizes={path: size},
            rows=(size or 0) // _BYTES_PER_ROW,
            details=DETAILS,
            remarks=[],
        )

    def fingerprint(self, game: Game, runs: Iterable[int]) -> str:
        """Returns a digest of the name, size, and time or checksum of the game's file."""
        self.runs(game)
        return self._store.fingerprint_of([self._files[game]])

    def not_taken(self, games: Sequence[Game]) -> list[str]:
        """Returns a line on what in the folder is not read."""
        if self._is_one:
            return []
        taken = {*self._files.values()}
        left = [("", name, "") for name in self._store.list("") if name not in taken]
        return describe_left(self._store, left, "files of games, such as Pong.h5")


class _Groups(EpisodeStore):
    """A group for each episode in one file."""

    def __init__(self, store: Store, path: str) -> None:
        self._where = store.describe(path)
        self._stack = contextlib.ExitStack()
        try:
            whole = self._stack.enter_context(open_whole(store, path))
            self._record = whole.record
            self._file: Any = self._stack.enter_context(open_hdf5(whole.content, self._where))
            names = list(self._file)
        except BaseException:
            self.close()
            raise
        if not names or not all(name.isdecimal() for name in names):
            found = next((name for name in names if not name.isdecimal()), "nothing")
            self.close()
            raise SourceError(
                f"{self._where}: holds {found!r}, expected a group for each episode, named 0, 1, …; is it "
                f"another HDF5 file?"
            )
        self._names = sorted(names, key=int)

    def __len__(self) -> int:
        return len(self._names)

    @contextlib.contextmanager
    def open(self, place: int) -> Iterator[StoredEpisode]:
        name = self._names[place]
        where = f"{self._where}, episode {name}"
        with reading_hdf5(where):
            group = member(self._file, name, self._where)
            observations = array(group, "observations", where)
            frames = StoredFrames(
                f"{where}, observations",
                observations.shape,
                observations.dtype,
                rows_of(observations, where),
            )
            action, reward, terminal = (
                np.atleast_1d(numbers_of(array(group, each, where), f"{where}, {each}", frames.rows))
                for each in ("actions", "rewards", "terminals")
            )
            if (terminal[:-1] != 0).any():
                raise SourceError(f"{where}: a terminal step is not its last one; expected whole episodes")
            episode = StoredEpisode(
                where,
                exactly(action, np.int32, f"{where}, actions"),
                exactly(reward, np.float32, f"{where}, rewards"),
                bool(terminal[-1] != 0),
                frames,
            )
        yield episode

    def sources(self) -> tuple[FileRecord, ...]:
        return (self._record,)

    def close(self) -> None:
        self._stack.close()
