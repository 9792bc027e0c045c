"""Reads the episodes of a world that `collect` has played; see `format.played_episodes`.

They are a source like any other: one checkpoint for each run, since no agent learned while they were played.
"""

import contextlib
import heapq
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from ...errors import SourceError, UnknownNameError
from ...format.features import fact_features
from ...format.frame_format import FrameFormat
from ...format.games import Game
from ...format.manifest import FileRecord
from ...format.numbers import find_gaps
from ...format.packed_png import read_shape
from ...format.played_episodes import FOLDER, ORIGIN, STATE_COLUMNS, EpisodeName
from ...format.provenance import FILE_NAME as PROVENANCE_FILE
from ...format.provenance import Provenance
from ...stores.store import Store
from ...stores.whole_file import open_whole
from ..checks import check_actions, check_rewards
from ..game_names import game_folders
from ..not_taken import describe_left
from ..run import Episode
from ..store_source import StoreSource
from .npz import NpzArray, open_npz
from .run import CHECKPOINT
from .stored import BLOCK_ROWS, MOST_ROWS, exactly
from .whole_episodes import WholeEpisodesRun

_EXPECTED = "Crafter/1/episodes/000000-0000.npz, as collect writes it"
_AGAIN = "copy it again, or collect it again"
_MOST_SCALE = 64
"""The most pixels of a field of a map, each way."""
_NAMED = 3
"""How many missing episodes are named; others are counted."""


class PlayedEpisodes(StoreSource):
    """A source of played episodes of worlds.

    Args:
        store: the folder that holds the worlds' folders, or one of these.

    Raises:
        SourceError: it holds no world's folder, or cannot be listed.
    """

    def __init__(self, store: Store) -> None:
        root, found = game_folders(store, lambda names: any(name.isdecimal() for name in names))
        self._folders = {
            game: folder
            for game, folder in found.items()
            if game.world is not None and self._runs_in(root, folder)
        }
        super().__init__(root, self._folders)
        if not self._folders:
            raise SourceError(f"{store.describe()}: holds no world's episodes; expected {_EXPECTED}")

    def runs(self, game: Game) -> list[int]:
        """Returns the runs of a world."""
        if game not in self._folders:
            raise self.no_such_game(game)
        return self._runs_in(self._store, self._folders[game])

    def open_run(self, game: Game, run: int) -> "PlayedRun":
        """Open one run."""
        if run not in self.runs(game):
            raise UnknownNameError(f"{self.describe()}: no run {run} of {game}; it has {self.runs(game)}")
        folder = f"{self._folders[game]}/{run}/{FOLDER}"
        names = sorted(filter(None, map(EpisodeName.parse, self._store.list(folder))))
        if not names:
            raise SourceError(f"{self._store.describe(folder)}: holds no episodes; expected {_EXPECTED}")
        return PlayedRun(game, run, self._store, folder, names)

    def fingerprint(self, game: Game, runs: Iterable[int]) -> str:
        """Returns a digest of the names, sizes, and times or checksums of the runs' files."""
        return self._store.fingerprint([f"{self._folders[game]}/{run}/{FOLDER}" for run in runs])

    def not_taken(self, games: Sequence[Game]) -> list[str]:
        """Returns a line for each folder of which something is not read."""
        left = []
        for game in games:
            for run in self.runs(game):
                folder = f"{self._folders[game]}/{run}/{FOLDER}"
                names = [name for name in self._store.list(folder) if EpisodeName.parse(name) is None]
                left += [(folder, name, "") for name in names if name != PROVENANCE_FILE]
        return describe_left(self._store, left, "files such as 000000-0000.npz")

    @staticmethod
    def _runs_in(store: Store, folder: str) -> list[int]:
        names = [name for name in store.list(folder) if name.isdecimal() and str(int(name)) == name]
        return sorted(int(name) for name in names if FOLDER in store.list(f"{folder}/{name}"))


class PlayedRun(WholeEpisodesRun):
    """A run of a world's played episodes.

    Args:
        game: the world.
        number: the run's number.
        store: what holds its files.
        folder: the run's folder.
        names: the names of its episodes' files, in order.

    Raises:
        SourceError: its provenance is missing, or names other columns than the world has.
    """

    def __init__(
        self, game: Game, number: int, store: Store, folder: str, names: Sequence[EpisodeName]
    ) -> None:
        assert game.world is not None
        super().__init__(game, number, store, store.describe(folder), [f"{folder}/{name}" for name in names])
        self.world, self.names = game.world, names
        self._provenance = self._read_provenance(f"{folder}/{PROVENANCE_FILE}")
        self.optional_columns = [*game.world.state_columns]
        self.episode_columns = [*fact_features(game)]
        if (found := self._provenance.details.get(STATE_COLUMNS)) != self.optional_columns:
            raise SourceError(
                f"{self.where}/{PROVENANCE_FILE}: lists the columns {found}, expected "
                f"{self.optional_columns}; read it with the atari-dqn-replay that collected it"
            )

    @property
    def frame_format(self) -> FrameFormat:
        """The format of the world's frames."""
        return FrameFormat.of_shape(self.world.frame_shape)

    @property
    def provenance(self) -> Provenance:
        """How the episodes were played."""
        return self._provenance

    def rows(self, checkpoint: int) -> int:
        """Returns the number of steps that were to be played."""
        steps = self._provenance.details.get("steps")
        return steps if isinstance(steps, int) else len(self.names)

    def remarks(self) -> list[str]:
        """Returns which episodes are missing, as far as the names show."""
        there: dict[int, list[int]] = {}
        for name in self.names:
            there.setdefault(name.environment, []).append(name.world_episode)
        gaps = [(each, gap) for each, numbers in there.items() for gap in find_gaps(numbers)]
        count = sum(len(gap) for _, gap in gaps)
        firsts = (EpisodeName(number, each) for each, gap in gaps for number in gap[:_NAMED])
        named = ", ".join(map(str, heapq.nsmallest(_NAMED, firsts)))
        more = f" and {count - _NAMED:,} more" if count > _NAMED else ""
        return [f"no episode {named}{more}"] if count else []

    @contextlib.contextmanager
    def open_episode(self, number: int) -> Iterator[tuple[Episode, FileRecord]]:
        """Open an episode's file, while the block lasts."""
        with (
            open_whole(self.store, self.paths[number]) as whole,
            open_npz(whole.content, whole.where) as file,
        ):
            stored = _Stored(self, file, whole.where, self.names[number])
            yield stored.episode(number), whole.record
            stored.close()

    def _read_provenance(self, path: str) -> Provenance:
        try:
            with self.store.open(path) as file:
                return Provenance.from_json(file.read(), self.store.describe(path))
        except OSError as error:
            raise SourceError(f"{self.store.describe(path)}: cannot be read ({error}); {_AGAIN}") from None


class _Stored:
    """An episode's file that is open."""

    def __init__(self, run: PlayedRun, file: zipfile.ZipFile, where: str, name: EpisodeName) -> None:
        self._run, self._world, self._file, self._name = run, run.world, file, name
        self.where = where
        self._frames: NpzArray | None = None

    def episode(self, number: int) -> Episode:
        """Returns the episode, whose frames are read later."""
        terminated, truncated = self.end()
        action = self.read("action", np.int32)
        state = self.state(len(action))
        return Episode(
            checkpoint=CHECKPOINT,
            number=number,
            action=check_actions(action, self._run.game, self.where),
            reward=check_rewards(self.read("reward", np.float32, len(action)), self.where),
            terminated=terminated,
            truncated=truncated,
            complete=terminated or truncated,
            joined=False,
            frames=self.frames(len(action)),
            final_observation=self.final_observation(),
            state={name: column[:-1] for name, column in state.items()},
            facts=self.facts({name: int(column[-1]) for name, column in state.items()}),
        )

    def read(self, name: str, dtype: type[np.generic], rows: int | None = None, *shape: int) -> np.ndarray:
        """Returns an array, of a number of rows if that is known."""
        array = NpzArray(self._file, name, self.where)
        if array.dtype != dtype or array.shape[1:] != shape or rows not in (None, *array.shape[:1]):
            raise self._found(array, f"{np.dtype(dtype)} of {rows or 'some'} rows of shape {shape}")
        if not array.shape or not 1 <= array.shape[0] <= MOST_ROWS:
            raise self._found(array, f"1 to {MOST_ROWS:,} rows")
        values = array.read(array.shape[0])
        array.close()
        return values

    def end(self) -> tuple[bool, bool]:
        """Returns whether the episode was terminated, and whether it was truncated."""
        end = self.read("end", np.uint8, 2)
        if end.max() > 1 or end.sum() > 1:
            raise SourceError(f"{self.where}: 'end' holds {end.tolist()}, expected one 1 at most; {_AGAIN}")
        return bool(end[0]), bool(end[1])

    def state(self, steps: int) -> dict[str, np.ndarray]:
        """Returns the columns of the state, each before every step and after the last."""
        columns = self._world.state_columns
        values = self.read("state", np.int16, steps + 1, len(columns))
        state = {
            name: exactly(values[:, place], np.dtype(dtype).type, f"{self.where}: {name}")
            for place, (name, dtype) in enumerate(columns.items())
        }
        for name, most in zip(("player_x", "player_y"), self._world.fields, strict=True):
            places = state.get(name)
            if places is not None and not 0 <= places.min() <= places.max() < most:
                raise SourceError(
                    f"{self.where}: {name} is {places.min()} to {places.max()}, "
                    f"expected 0 to {most - 1}; {_AGAIN}"
                )
        return state

    def frames(self, steps: int) -> Iterator[np.ndarray]:
        """Yield the frames in blocks, once."""
        shape = self._world.frame_shape
        self._frames = array = NpzArray(self._file, "observation", self.where)
        if array.dtype != np.uint8 or array.shape != (steps, *shape):
            raise self._found(array, f"uint8 of shape {(steps, *shape)}")
        for start in range(0, steps, BLOCK_ROWS):
            yield array.read(min(BLOCK_ROWS, steps - start))

    def final_observation(self) -> np.ndarray:
        """Returns the observation after the last step."""
        height, *rest = self._world.frame_shape
        return self.read("final_observation", np.uint8, height, *rest)

    def facts(self, state: Mapping[str, int]) -> dict[str, int | bytes]:
        """Returns what the episodes table states about the episode; `state` is that after its last step."""
        origin = self.read("origin", np.int64, len(ORIGIN)).tolist()
        if (origin[0], origin[2]) != (self._name.environment, self._name.world_episode):
            raise SourceError(
                f"{self.where}: holds episode {origin[2]} of environment {origin[0]}; give it its own name"
            )
        maps = {name: self.picture(name) for name in self._world.map_columns}
        return {**dict(zip(ORIGIN, origin, strict=True)), **state, **maps}

    def picture(self, name: str) -> bytes:
        """Returns the PNG of a map, which has a square of pixels for each field."""
        png = self.read(name, np.uint8).tobytes()
        columns, rows = self._world.fields
        try:
            height, width, *_ = read_shape(png)
            scale = width // columns
            if not 1 <= scale <= _MOST_SCALE or (height, width) != (rows * scale, columns * scale):
                raise ValueError(f"it has {width:,}×{height:,} pixels for {columns}×{rows} fields")
        except ValueError as error:
            raise SourceError(
                f"{self.where}: {name!r} is no picture of a map ({error}), expected a PNG as collect writes "
                f"it; {_AGAIN}"
            ) from None
        return png

    def close(self) -> None:
        """Check that the frames end where they should."""
        if self._frames is not None:
            self._frames.close()

    def _found(self, array: NpzArray, expected: str) -> SourceError:
        return SourceError(
            f"{self.where}: holds {array.dtype} of shape {array.shape}, expected {expected}; {_AGAIN}"
        )
