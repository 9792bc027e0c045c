"""Finds the files of a game's runs in a folder, in whatever layout, and reports what it does not take."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ...errors import SourceError
from ...format.provenance import FILE_NAME as PROVENANCE_FILE
from ...stores.store import Store
from ..not_taken import describe_left
from .layouts import BUCKET, EVERY_ARRAY, LAYOUTS, LOGS_FOLDER, RUN_FOLDER, Layout, Place
from .log_files import ARRAYS, FINAL, LOG_ARRAYS, LogFiles, inside

_DEEPEST = 2
"""Folders between a game's folder and its files."""
EXPECTED_NAMES = f"names such as {', '.join(layout.example for layout in LAYOUTS[:3])}"


@dataclass(frozen=True)
class _Entry:
    """A file or folder below a game's folder."""

    folder: str
    name: str
    layout: Layout = BUCKET
    place: Place | None = None
    """What the path says, if it is of a layout."""
    problem: str = ""
    """Why a folder was not looked into."""

    @property
    def path(self) -> str:
        return inside(self.folder, self.name)

    @property
    def log_folder(self) -> str:
        """The folder that holds all of the log's files of this layout."""
        return self.folder.rpartition("/")[0] if self.layout.has_checkpoint_folders else self.folder


class GameFolder:
    """A folder with the files of one game's runs.

    Nothing is listed before it is needed, and of the folders of runs only those that are asked for.

    Args:
        store: the store that holds the folder.
        folder: the folder's path in the store.
        above: what lies between the game's folder and this one, if this is a folder within it: `1`, or
            `1/replay_logs`.
        layouts: the layouts to look for.
    """

    def __init__(
        self, store: Store, folder: str, above: str = "", layouts: Sequence[Layout] = LAYOUTS
    ) -> None:
        self.folder = folder
        self._store = store
        self._above = above
        run = RUN_FOLDER.fullmatch(above.partition("/")[0])
        self._run = int(run["run"]) if run else None
        """The run whose folder this is, if it is one."""
        self._layouts = layouts

    def runs(self) -> list[int]:
        """Returns the runs that the folder seems to hold, ascending; not all may turn out to hold files.

        Raises:
            SourceError: the folder cannot be listed.
        """
        folders, others = self._divide()
        found = {entry.place.run for entry in others if entry.place}
        return sorted(found | {run for run, names in folders.items() if names})

    def files(self, run: int) -> LogFiles:
        """Returns the files of a run; none if there are none.

        Raises:
            SourceError: a folder cannot be listed.
        """
        return self._take(run)[0]

    def not_taken(self) -> list[str]:
        """Returns a line for each folder of which something was not taken: what it is, and what was expected.

        Raises:
            SourceError: the folder cannot be listed.
        """
        _, left = self._divide()
        left = [entry for entry in left if entry.place is None]
        for run in self.runs():
            left += self._take(run)[1]
        lines = describe_left(
            self._store, [(entry.folder, entry.name, entry.problem) for entry in left], EXPECTED_NAMES
        )
        if not lines and not any(self.files(run).checkpoints for run in self.runs()):
            return [f"{self._store.describe(self.folder)}: found no files; expected {EXPECTED_NAMES}"]
        return lines

    def _divide(self) -> tuple[dict[int, list[str]], list[_Entry]]:
        """Returns the names of each run's folders, and everything that is not in them."""
        folders: dict[int, list[str]] = defaultdict(list)
        others: list[_Entry] = []
        for name in self._store.list(self.folder):
            run = RUN_FOLDER.fullmatch(name) if self._run is None else None
            if run:
                folders[int(run["run"])].append(name)
            else:
                others += self._look_at(self.folder, name, 1)
        for run, names in folders.items():
            names.sort(key=lambda name, run=run: name != str(run))
        return folders, others

    def _take(self, run: int) -> tuple[LogFiles, list[_Entry]]:
        """Returns a run's files in the first layout that has a checkpoint, and the other entries."""
        folders, others = self._divide()
        found = [entry for entry in others if entry.place and entry.place.run == run]
        for name in folders[run]:
            found += self._look_into(inside(self.folder, name), 1)
        # Files of different folders are never mixed: they may be copies of different logs.
        copies: dict[tuple[str, str], LogFiles] = {}
        for entry in found:
            if entry.place is not None and entry.place.run == run:
                files = copies.setdefault(
                    (entry.layout.name, entry.log_folder), LogFiles(entry.log_folder, layout=entry.layout)
                )
                arrays = ARRAYS if entry.place.array == EVERY_ARRAY else (entry.place.array,)
                for array in arrays:
                    files.checkpoints.setdefault(entry.place.number, {}).setdefault(array, entry.path)
        empty = LogFiles(inside(self.folder, folders[run][0]) if folders[run] else self.folder)
        taken = _choose(list(copies.values())) or empty
        paths = {path for files in taken.checkpoints.values() for path in files.values()}
        left = [
            replace(entry, problem=self._copy_of(entry, taken)) if entry.place else entry
            for entry in found
            if entry.path not in paths
        ]
        return _without_ranges(taken), left

    def _copy_of(self, entry: _Entry, taken: LogFiles) -> str:
        return (
            f"{self._store.describe(entry.log_folder)}: found another copy of a run, in "
            f"{entry.layout.title}; taken is {self._store.describe(taken.folder)}"
        )

    def _look_at(self, folder: str, name: str, depth: int) -> Iterator[_Entry]:
        relative = inside(folder, name).removeprefix(self.folder).lstrip("/")
        for path in dict.fromkeys((inside(self._above, relative), relative)):
            for layout in self._layouts:
                if place := layout.place(path):
                    place = Place(self._run, place.number, place.array) if self._run is not None else place
                    yield _Entry(folder, name, layout, place)
                    return
        if depth <= _DEEPEST and (name == LOGS_FOLDER or re.fullmatch(r"[0-9]{1,4}", name)):
            yield from self._look_into(inside(folder, name), depth + 1)
        elif name != PROVENANCE_FILE:
            yield _Entry(folder, name)

    def _look_into(self, folder: str, depth: int) -> Iterator[_Entry]:
        try:
            names = self._store.list(folder)
        except SourceError as error:
            above, _, name = folder.rpartition("/")
            yield _Entry(above, name, problem=str(error))
            return
        for name in names:
            yield from self._look_at(folder, name, depth)


def _choose(found: list[LogFiles]) -> LogFiles | None:
    """Returns the first layout that has a whole checkpoint, or else the first."""
    order = [layout.name for layout in LAYOUTS]
    found.sort(key=lambda files: order.index(files.layout.name))
    whole = [
        files for files in found if any(each.keys() >= ARRAYS.keys() for each in files.checkpoints.values())
    ]
    some = [
        files for files in found if any(set(each) & set(LOG_ARRAYS) for each in files.checkpoints.values())
    ]
    return next(iter([*whole, *some]), None)


def _without_ranges(files: LogFiles) -> LogFiles:
    """Returns the files that are read, without checkpoints that have none."""
    read = {
        number: {array: path for array, path in arrays.items() if array in LOG_ARRAYS}
        for number, arrays in files.checkpoints.items()
    }
    kept = {number: arrays for number, arrays in read.items() if arrays.keys() - {FINAL}}
    return replace(files, checkpoints=kept)
