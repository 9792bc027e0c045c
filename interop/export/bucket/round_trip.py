"""Source → dataset → dumps, compared with the source by array bytes: the strongest proof of exactness."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ....builder.errors import AtariReplayError, OutputError
from ....builder.format.games import Game
from ....builder.repos.place import Place
from ....builder.repos.repo_reader import RepoReader
from ....builder.sources.dataset_repo.run import RepoRun
from ....builder.sources.replay_logs.array_file import ArrayFile
from ....builder.sources.replay_logs.log_files import FINAL
from ....builder.sources.replay_logs.logged_run import LoggedRun
from ....builder.sources.source import Source
from ....builder.terminal.progress import progress_bar
from ....builder.verification.places import check_place
from ....builder.verification.report import Difference, PlacesVerification, Verification
from ...selection import open_repo
from .log_layout import Blank, FileLayout
from .rebuilt_log import RebuiltLog


@dataclass(frozen=True)
class ComparedRun:
    """What was compared of one run."""

    HEADINGS: ClassVar[tuple[str, ...]] = ("game", "run", "files", "rows", "rows that cannot be known")

    game: str
    run: int
    files: int
    rows: int
    """Whose arrays were compared."""
    unknown: int
    """Rows of the files that the dataset does not hold, and that were not compared."""

    @property
    def row(self) -> tuple[object, ...]:
        """The cells under HEADINGS."""
        return self.game, self.run, self.files, self.rows, self.unknown


def verify_round_trip(
    place: Place, source: Source, games: Sequence[Game] | None = None
) -> Verification | PlacesVerification:
    """Compare the dataset at a place, or those at the places of the games, as `compare_round_trip` does."""

    def check(reader: RepoReader, home: Game | None) -> Verification:
        return compare_round_trip(reader, source, games if home is None else [home])

    return check_place(place, check, source=source, games=games)


def compare_round_trip(repo: RepoReader, source: Source, games: Sequence[Game] | None = None) -> Verification:
    """Rebuild the dumps from a dataset and compare them with those that it was made from, by array bytes.

    Nothing is written; memory holds a few blocks of rows.

    Args:
        repo: the dataset.
        source: replay logs in the bucket's layout.
        games: which games; all that the dataset holds if None.

    Raises:
        NoDatasetError: there is no dataset.
        OutputError: the dataset cannot be read, or holds nothing of a game.
        SourceError: the source holds no dumps.
    """
    dataset = open_repo(repo)
    compared: list[ComparedRun] = []
    differences: list[Difference] = []
    notes: list[str] = []
    there = dataset.games()
    for game in games or there:
        if game not in there:
            raise OutputError(f"{dataset.describe()}: holds nothing of {game}; leave it out")
        for number in dataset.runs(game):
            run = dataset.open_run(game, number)
            try:
                original = source.open_run(game, number)
                comparison = _Comparison(run, _logged(original))
                differences += comparison.differences()
            except AtariReplayError as error:
                differences.append(Difference(run.where, f"cannot be compared ({error})"))
                continue
            notes += comparison.notes
            compared.append(comparison.result())
    depth = f"every array of its dumps, rebuilt and compared with {source.describe()}"
    return Verification(dataset.describe(), depth, compared, differences, notes)


def _logged(run: Any) -> LoggedRun:
    if isinstance(run, LoggedRun):
        return run
    raise OutputError(
        f"{run.where}: holds no dumps of a replay buffer; compare with the logs it was made from"
    )


class _Comparison:
    """Compares the files of one run."""

    def __init__(self, run: RepoRun, original: LoggedRun) -> None:
        self._run, self._original = run, original
        self._log = RebuiltLog(run)
        self._files = self._rows = self._unknown = 0
        self.notes: list[str] = []

    def result(self) -> ComparedRun:
        """Returns what was compared."""
        return ComparedRun(self._run.game.name, self._run.number, self._files, self._rows, self._unknown)

    def differences(self) -> list[Difference]:
        """Returns what differs; at most one array of a file more than once."""
        found: list[Difference] = []
        layout, where = self._log.layout, self._run.where
        for number, why in layout.left_out.items():
            self.notes.append(f"{where}: file {number} cannot be rebuilt: {why}")
        total = len(layout.files) * self._log.capacity
        try:
            with progress_bar(description=f"round trip {self._run.game}", unit=" rows", total=total) as bar:
                for file in layout.files.values():
                    found += self._compare(file, bar.update)
        finally:
            self._log.close()
        return found

    def _compare(self, file: FileLayout, progress: Callable[[int], Any]) -> list[Difference]:
        log, where = self._original.log, self._original.log.where
        if file.number not in log.numbers:
            return [Difference(self._run.where, f"the source has no file {file.number}")]
        self._files += 1
        found = [*self._compare_count(file)]
        with contextlib.ExitStack() as stack:
            theirs: dict[str, ArrayFile] = {}
            for array in self._log.stored:
                theirs[array] = stack.enter_context(contextlib.closing(log.open(file.number, array)))
            row, wrong = 0, dict.fromkeys(self._log.stored, -1)
            for block, piece in self._log.blocks(file):
                count = len(block["action"])
                known = not (isinstance(piece, Blank) and piece.unknown)
                for array, (dtype, _) in self._log.stored.items():
                    expected, ours = theirs[array].read(count), np.ascontiguousarray(block[array], dtype)
                    # Bytes, since a reward may be NaN.
                    if known and wrong[array] < 0 and ours.tobytes() != expected.tobytes():
                        wrong[array] = row + _first_difference(ours, expected)
                row += count
                self._rows += count * known
                self._unknown += count * (not known)
                progress(count)
        found += self._compare_final_observations(file)
        return found + [
            Difference(where(file.number, array), f"differs from the rebuilt file, first in row {at:,}")
            for array, at in wrong.items()
            if at >= 0
        ]

    def _compare_final_observations(self, file: FileLayout) -> Iterator[Difference]:
        log = self._original.log
        theirs, where = log.final_observations(file.number), log.where(file.number, FINAL)
        if not file.has_final_observations:
            if theirs is not None:
                self.notes.append(f"{where}: cannot be rebuilt: the dataset lacks final observations")
            return
        ours = self._log.final_observations(file)
        if theirs is None:
            yield Difference(where, "is not there, but the dataset has final observations")
            return
        if any(isinstance(piece, Blank) and piece.unknown for piece in file.rows):
            theirs = theirs[-len(ours) :] if len(ours) else theirs[:0]  # that episode may end first
        if not np.array_equal(ours, theirs):
            yield Difference(where, "differs from the rebuilt file")

    def _compare_count(self, file: FileLayout) -> Iterator[Difference]:
        log = self._original.log
        if "add_count" not in log.files.checkpoints[file.number]:
            return
        theirs = log.header(file.number).add_count
        if theirs == file.add_count:
            return
        message = f"add_count is {theirs:,}, rebuilt as {file.add_count:,}"
        if not file.is_counted:
            self.notes.append(f"{log.where(file.number, 'add_count')}: {message}, by reckoning")
        else:
            yield Difference(log.where(file.number, "add_count"), message)


def _first_difference(ours: np.ndarray, theirs: np.ndarray) -> int:
    rows = len(ours)
    differing = (
        ours.reshape(rows, -1).view(np.uint8) != np.ascontiguousarray(theirs).reshape(rows, -1).view(np.uint8)
    ).any(axis=1)
    return int(np.flatnonzero(differing)[0])
