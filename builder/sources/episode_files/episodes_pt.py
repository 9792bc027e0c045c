"""Reads folders with a `.pt` file for each episode; see `format.episodes_pt`.

Nothing is unpickled: PyTorch reads tensors alone (`weights_only`). `info.pt` only sums the episodes up, and
is not read.
"""

import contextlib
import functools
import itertools
import pickle
import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ...errors import SourceError, UnknownNameError
from ...format.episodes_pt import FOLDER_NAME, KEYS, MOST_EPISODES, path_of
from ...format.frame_format import GREY84, FrameFormat
from ...format.games import Game, match_game
from ...format.manifest import FileRecord
from ...format.numbers import describe_ranges, find_gaps
from ...format.provenance import UNRECORDED, Provenance
from ...format.tensor_file import DAMAGE, load_tensors
from ...stores.store import Store
from ...stores.whole_file import WholeFile, open_whole
from ..checks import check_actions, check_rewards
from ..run import Episode
from ..source import Source
from .run import CHECKPOINT
from .stored import BLOCK_ROWS, MOST_ROWS
from .whole_episodes import WholeEpisodesRun

_AGAIN = "copy it again, or leave it out"
_DTYPES = {"obs": "uint8", "act": "int64", "rew": "float32", "end": "uint8", "trunc": "uint8"}
_RUN = re.compile(r"run_([1-9][0-9]?)")
_Place = tuple[Game | None, int]
"""A game, if its name is known, and a run."""


class EpisodesPt(Source):
    """A source of such folders: one alone, or `crafter/run_1` and so on, as an export has them.

    The game of a folder alone is taken from its path, or else the caller names it; its run is number 1.

    Args:
        store: the folder.

    Raises:
        SourceError: it cannot be listed. Properties and methods raise it if it holds no episodes.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        store.list("")

    def is_here(self) -> bool:
        """Returns whether the folder holds episodes, or else the first that is named after a game."""
        return bool(_find_folders(self._store, most_games=1))

    @functools.cached_property
    def _folders(self) -> dict[_Place, str]:
        found = _find_folders(self._store)
        if not found:
            raise SourceError(f"{self.describe()}: holds no episodes; expected files such as {path_of(0)}")
        return found

    @property
    def is_nameless(self) -> bool:
        """Whether nothing in the path says which game the episodes are of."""
        return (None, 1) in self._folders

    def describe(self) -> str:
        """Returns the full name of the source's root."""
        return self._store.describe()

    def games(self) -> list[Game]:
        """Returns the games in the source.

        Raises:
            SourceError: nothing names the game of the episodes.
        """
        if self.is_nameless:
            raise SourceError(
                f"{self.describe()}: nothing in its path names the game of these episodes; name it "
                f"(build GAME …, inspect --games GAME)"
            )
        return sorted({game for game, _ in self._folders if game is not None})

    def runs(self, game: Game) -> list[int]:
        """Returns the runs of a game in the source."""
        found = sorted(run for each, run in self._folders if each in (game, None))
        if not found:
            raise self.no_such_game(game)
        return found

    def open_run(self, game: Game, run: int) -> "EpisodesPtRun":
        """Open one run."""
        if run not in self.runs(game):
            raise UnknownNameError(f"{self.describe()}: no run {run} of {game}; it has {self.runs(game)}")
        _require_torch()
        folder = self._folder(game, run)
        numbers = sorted(_numbers_in(self._store, folder))
        if not numbers:
            raise SourceError(
                f"{self._store.describe(folder)}: holds no episodes; expected files such as {path_of(0)}"
            )
        if numbers[-1] >= MOST_EPISODES:
            path = _below(folder, path_of(numbers[-1]))
            raise SourceError(
                f"{self._store.describe(path)}: an episode of number {numbers[-1]:,}, expected less than "
                f"{MOST_EPISODES:,}; rename it, or leave it out"
            )
        return EpisodesPtRun(game, run, self._store, folder, numbers)

    def fingerprint(self, game: Game, runs: Iterable[int]) -> str:
        """Returns a digest of the names, sizes, and times or checksums of the runs' files."""
        paths = [path for run in runs for path in self.open_run(game, run).paths]
        return self._store.fingerprint_of(paths)

    def _folder(self, game: Game, run: int) -> str:
        return self._folders[(None if self.is_nameless else game, run)]


class EpisodesPtRun(WholeEpisodesRun):
    """A folder of episodes for PyTorch.

    Args:
        game: the game that was played.
        number: the run's number.
        store: what holds the folder.
        folder: the folder.
        numbers: the numbers of its episodes, in order.
    """

    def __init__(self, game: Game, number: int, store: Store, folder: str, numbers: Sequence[int]) -> None:
        paths = [_below(folder, path_of(each)) for each in numbers]
        super().__init__(game, number, store, store.describe(folder), paths)
        self._numbers = numbers

    @property
    def frame_format(self) -> FrameFormat:
        """The format of the first episode's frames."""
        return self._first_format

    @functools.cached_property
    def _first_format(self) -> FrameFormat:
        with open_whole(self.store, self.paths[0]) as whole:
            return _format_of(_load(whole)["obs"], whole.where)

    @property
    def provenance(self) -> Provenance:
        """What is known of the episodes' origin: the form of their files."""
        return Provenance(UNRECORDED, {"layout": "a .pt file for each episode"})

    def rows(self, checkpoint: int) -> int:
        """Returns about how many steps the files hold, by the size of the first episode's frames."""
        frame_bytes = GREY84.nbytes
        with contextlib.suppress(SourceError):  # whoever reads the first episode reports what is wrong
            frame_bytes = self.frame_format.nbytes
        return sum(size or 0 for size in self.file_sizes().values()) // frame_bytes

    def remarks(self) -> list[str]:
        """Returns which episodes are missing."""
        gaps = find_gaps(self._numbers)
        return [f"no episode {describe_ranges(gaps)}"] if gaps else []

    @contextlib.contextmanager
    def open_episode(self, number: int) -> Iterator[tuple[Episode, FileRecord]]:
        """Open an episode's file, while the block lasts."""
        with open_whole(self.store, self.paths[number]) as whole:
            yield self._episode(number, _load(whole), whole.where), whole.record

    def _episode(self, number: int, arrays: dict[str, np.ndarray], where: str) -> Episode:
        frames = arrays["obs"]
        if (found := _format_of(frames, where)) != self.frame_format:
            raise SourceError(
                f"{where}: holds frames of {found.describe()}, expected {self.frame_format.describe()} as in "
                f"the first episode; {_AGAIN}"
            )
        ended = arrays["end"].astype(bool) | arrays["trunc"].astype(bool)
        if ended[:-1].any():
            raise SourceError(f"{where}: ends before its last step, in step {ended.argmax():,}; {_AGAIN}")
        terminated = bool(arrays["end"][-1])
        return Episode(
            checkpoint=CHECKPOINT,
            number=number,
            action=check_actions(arrays["act"], self.game, where),
            reward=check_rewards(arrays["rew"], where),
            terminated=terminated,
            truncated=bool(arrays["trunc"][-1]) and not terminated,
            complete=bool(ended[-1]),
            joined=False,
            frames=_blocks(frames),
        )


def _find_folders(store: Store, most_games: int | None = None) -> dict[_Place, str]:
    """Returns the folders of episodes, in the first `most_games` folders that are named after games."""
    names = store.list("")
    if _has_episodes(store, ""):
        parts = store.root.rstrip("/").split("/")
        game = next(filter(None, map(match_game, reversed(parts))), None)
        run = next((int(found[1]) for part in parts[-1:] if (found := _RUN.fullmatch(part))), 1)
        return {(game, run if game is not None else 1): ""}
    return {
        (game, int(found[1])): f"{name}/{run}"
        for name in itertools.islice(filter(match_game, names), most_games)
        if (game := match_game(name)) is not None
        for run in store.list(name)
        if (found := _RUN.fullmatch(run)) and _has_episodes(store, f"{name}/{run}")
    }


def _has_episodes(store: Store, folder: str) -> bool:
    """Returns whether a folder is arranged as such episodes are, judging by the names of two levels.

    A run of replay logs may be in a folder of three digits, too.
    """
    firsts = filter(FOLDER_NAME.fullmatch, store.list(folder))
    return any(
        any(map(str.isdecimal, store.list(_below(folder, name)))) for name in itertools.islice(firsts, 1)
    )


def _numbers_in(store: Store, folder: str) -> Iterator[int]:
    """Yield the numbers of the episodes in a folder."""
    places = [folder]
    for _ in range(3):
        places = [_below(place, name) for place in places for name in store.list(place) if name.isdecimal()]
    for place in places:
        for name in store.list(place):
            number = name.removesuffix(".pt")
            if number.isdecimal() and _below(folder, path_of(int(number))) == _below(place, name):
                yield int(number)


def _below(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _require_torch() -> Any:
    try:
        import torch
    except ImportError:
        raise SourceError("episodes in .pt files need torch: pip install 'atari-dqn-replay[torch]'") from None
    return torch


def _load(whole: WholeFile) -> dict[str, np.ndarray]:
    """Returns the arrays of an episode's file.

    Raises:
        SourceError: the file is damaged, or holds something else than tensors.
    """
    torch = _require_torch()
    try:
        content = load_tensors(whole.content)
    except pickle.UnpicklingError:
        raise SourceError(
            f"{whole.where}: holds objects that would have to be unpickled, which could run any program; "
            f"expected a dict of the tensors {', '.join(KEYS)}"
        ) from None
    except DAMAGE as error:
        raise _unreadable(whole, error) from None
    if not isinstance(content, dict) or not all(isinstance(content.get(key), torch.Tensor) for key in KEYS):
        raise SourceError(f"{whole.where}: expected a dict of the tensors {', '.join(KEYS)}; {_AGAIN}")
    try:
        return _check_tensors({key: content[key] for key in KEYS}, whole.where)
    except DAMAGE as error:
        raise _unreadable(whole, error) from None


def _unreadable(whole: WholeFile, error: Exception) -> SourceError:
    reason = (str(error) or type(error).__name__).partition("\n")[0]
    return SourceError(f"{whole.where}: cannot be read by torch ({reason}); {_AGAIN}")


def _check_tensors(tensors: dict[str, Any], where: str) -> dict[str, np.ndarray]:
    """Returns tensors as arrays, after checking their dtypes, layouts and shapes."""
    rows = len(tensors["obs"]) if tensors["obs"].ndim else 0
    for key, tensor in tensors.items():
        dtype, layout = (str(each).removeprefix("torch.") for each in (tensor.dtype, tensor.layout))
        shape = tuple(tensor.shape)
        if dtype != _DTYPES[key] or layout != "strided" or (key != "obs" and shape != (rows,)):
            kind = dtype if layout == "strided" else f"{layout} {dtype}"
            raise SourceError(
                f"{where}: {key} is {kind} of shape {shape}, expected {_DTYPES[key]} for each of "
                f"{rows:,} steps; {_AGAIN}"
            )
    if not 1 <= rows <= MOST_ROWS:
        raise SourceError(f"{where}: holds {rows:,} steps, expected 1 to {MOST_ROWS:,}; {_AGAIN}")
    return {key: tensor.detach().numpy() for key, tensor in tensors.items()}


def _format_of(frames: np.ndarray, where: str) -> FrameFormat:
    try:
        _, channels, height, width = frames.shape
        return FrameFormat(height, width, channels)
    except ValueError as error:
        raise SourceError(
            f"{where}: obs is of shape {frames.shape}, expected (n, 3, height, width) ({error})"
        ) from None


def _blocks(frames: np.ndarray) -> Generator[np.ndarray, None, None]:
    for start in range(0, len(frames), BLOCK_ROWS):
        block = frames[start : start + BLOCK_ROWS]
        yield block[:, 0] if block.shape[1] == 1 else np.ascontiguousarray(block.transpose(0, 2, 3, 1))
