"""Reads what LRAM's download script saves: `<game>/000000000.hdf5` and so on, one file per episode.

The script (`src/data/atari/download_atari_datasets.py` of ml-jku/LRAM) cuts each dump after its terminal rows
and saves the pieces, numbered over all dumps: states (n, 1, 84, 84) uint8, actions, rewards float32, and
dones, which is 1 in each. What follows a dump's last terminal row is not saved, so that the episode there
lacks its end, and the next one its beginning.
"""

import contextlib
import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from ...errors import SourceError, UnknownNameError
from ...format.games import Game
from ...format.manifest import FileRecord
from ...format.numbers import describe_numbers
from ...stores.store import Store
from ...stores.whole_file import WholeFile, open_whole
from ..game_names import first_folder_holds, game_folders
from ..not_taken import describe_left
from ..store_source import StoreSource
from .hdf5 import array, numbers_of, open_hdf5, rows_of
from .npz import NpzArray, open_npz
from .run import EpisodeFilesRun
from .stored import EpisodeStore, StoredEpisode, StoredFrames, check_length, exactly

SECOND_RUN = ("Asterix",)
"""Games of which the script reads run 2 instead of run 1."""

DETAILS = {
    "layout": "LRAM's files, one per episode",
    "assumed": "LRAM's files do not say which run and dump an episode is from: the run is the one that its "
    "script reads, and all episodes are one checkpoint, in the order of their numbers",
}
_STATISTICS = ("stats.json", "episode_lengths.json", "episode_returns.json", "export.json")
"""What the script, or an export, saves beside the episodes; the episodes themselves tell the same."""
_EPISODE = re.compile(r"(?P<number>[0-9]{9})\.(?P<form>hdf5|npz|pkl)")


class LRAMEpisodes(StoreSource):
    """A source of LRAM's files.

    Args:
        store: the folder that holds the games' folders, or one of these.

    Raises:
        SourceError: it holds no game's folder, or cannot be listed.
    """

    def __init__(self, store: Store) -> None:
        root, self._games = game_folders(store, lambda names: any(map(_EPISODE.fullmatch, names)))
        super().__init__(root, self._games)
        self._is_one = self._store is not store
        if not self._games:
            raise SourceError(
                f"{store.describe()}: holds no game's folder; expected files such as pong/000000000.hdf5"
            )

    def is_here(self) -> bool:
        """Returns whether the first game's folder holds an episode's file."""
        return first_folder_holds(self._store, self._games, _EPISODE)

    def runs(self, game: Game) -> list[int]:
        """Returns the run that the script reads."""
        if game not in self._games:
            raise self.no_such_game(game)
        return [2 if game.name in SECOND_RUN else 1]

    def open_run(self, game: Game, run: int) -> EpisodeFilesRun:
        """Open the run."""
        if run not in self.runs(game):
            raise UnknownNameError(
                f"{self.describe()}: no run {run} of {game}; it has run {self.runs(game)[0]}, which LRAM's "
                f"script reads"
            )
        folder = self._games[game]
        where = self._store.describe(folder)
        found = self._files(folder)
        versions = self._store.versions(list(found.values()))
        missing = describe_numbers(sorted({*range(max(found) + 1)} - {*found}))
        return EpisodeFilesRun(
            game,
            run,
            where,
            open_store=lambda: _Files(self._store, list(found.values())),
            sizes={path: None if version is None else version.size for path, version in versions.items()},
            details=DETAILS,
            rows=self._rows(list(found.values())),
            remarks=[] if missing == "none" else [f"no episode {missing}"],
        )

    def fingerprint(self, game: Game, runs: Iterable[int]) -> str:
        """Returns a digest of the names, sizes, and times or checksums of the game's files."""
        self.runs(game)
        return self._store.fingerprint([self._games[game]])

    def not_taken(self, games: Sequence[Game]) -> list[str]:
        """Returns a line for each folder of which something is not read."""
        taken = {*self._games.values()}
        beside = [] if self._is_one else self._store.list("")
        left = [("", name, "") for name in beside if name not in taken]
        for game in games:
            folder = self._games[game]
            for name in self._store.list(folder):
                match = _EPISODE.fullmatch(name)
                if name not in _STATISTICS and (match is None or match["form"] == "pkl"):
                    left.append((folder, name, ""))
        return describe_left(self._store, left, "folders of games with files such as 000000000.hdf5 or .npz")

    def _rows(self, paths: Sequence[str]) -> int:
        """Returns about how many rows these files hold, judging by one of them."""
        place = len(paths) // 2
        with contextlib.suppress(SourceError), _Files(self._store, paths).open(place) as episode:
            return len(paths) * len(episode)
        return len(paths)

    def _files(self, folder: str) -> dict[int, str]:
        """Returns the path of each episode's file by its number, ascending."""
        where = self._store.describe(folder)
        matches = [match for name in self._store.list(folder) if (match := _EPISODE.fullmatch(name))]
        readable = [match for match in matches if match["form"] != "pkl"]
        if not readable:
            if matches:
                raise SourceError(
                    f"{where}: holds pickles such as {matches[0][0]}, which are never loaded, since loading "
                    f"one can run any code; save the episodes again as hdf5 or npz (--save_format of LRAM's "
                    f"script)"
                )
            raise SourceError(f"{where}: holds no episode; expected files such as 000000000.hdf5")
        files: dict[int, str] = {}
        for match in readable:
            number = int(match["number"])
            if number in files:
                raise SourceError(
                    f"{where}: holds episode {number} twice, {match[0]} and "
                    f"{files[number].rpartition('/')[2]}; keep the files of one format only"
                )
            files[number] = f"{folder}/{match[0]}"
        return dict(sorted(files.items()))


class _Files(EpisodeStore):
    """A file for each episode."""

    def __init__(self, store: Store, paths: Sequence[str]) -> None:
        self._store, self._paths = store, paths
        self._records: dict[str, FileRecord] = {}

    def __len__(self) -> int:
        return len(self._paths)

    @contextlib.contextmanager
    def open(self, place: int) -> Iterator[StoredEpisode]:
        path = self._paths[place]
        with open_whole(self._store, path) as whole:
            self._records[path] = whole.record
            opening = _hdf5_episode if path.endswith(".hdf5") else _npz_episode
            with opening(whole) as episode:
                yield episode

    def sources(self) -> tuple[FileRecord, ...]:
        return tuple(self._records[path] for path in self._paths if path in self._records)


@contextlib.contextmanager
def _hdf5_episode(whole: WholeFile) -> Iterator[StoredEpisode]:
    with open_hdf5(whole.content, whole.where) as file:
        states = array(file, "states", whole.where)
        frames = StoredFrames(
            f"{whole.where}, states", states.shape, states.dtype, rows_of(states, whole.where)
        )
        numbers = {name: array(file, name, whole.where) for name in ("actions", "rewards", "dones")}
        yield _episode(
            whole.where,
            frames,
            {name: numbers_of(each, f"{whole.where}, {name}", frames.rows) for name, each in numbers.items()},
        )


@contextlib.contextmanager
def _npz_episode(whole: WholeFile) -> Iterator[StoredEpisode]:
    with open_npz(whole.content, whole.where) as file:
        states = NpzArray(file, "states", whole.where)
        frames = StoredFrames(f"{whole.where}, states", states.shape, states.dtype, states.read)
        numbers = {}
        for name in ("actions", "rewards", "dones"):
            found = NpzArray(file, name, whole.where)
            check_length(f"{whole.where}, {name}", found.shape, frames.rows)
            numbers[name] = found.read(found.shape[0]) if found.shape else found.read_scalar()
            found.close()
        yield _episode(whole.where, frames, numbers)


def _episode(where: str, frames: StoredFrames, numbers: dict[str, np.ndarray]) -> StoredEpisode:
    action = numbers["actions"]
    action = exactly(action, np.int64 if action.dtype == np.int64 else np.int32, f"{where}, actions")
    reward = exactly(numbers["rewards"], np.float32, f"{where}, rewards")
    dones = numbers["dones"].reshape(-1)
    return StoredEpisode(where, action, reward, bool(len(dones) and dones[-1] != 0), frames)
