"""Exports to the bucket's layout: `<out>/<Game>/<run>/replay_logs/…_ckpt.N.gz`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....builder.collecting.ring_buffer import write_zstd
from ....builder.errors import AtariReplayError, OutputError
from ....builder.files import replacing, writing_alone
from ....builder.format.provenance import FILE_NAME as PROVENANCE
from ....builder.format.provenance import UNRECORDED
from ....builder.format.records import Count, Record, Sha256
from ....builder.sources.dataset_repo.run import RepoRun
from ....builder.sources.replay_logs.log_files import FINAL, log_file_name
from ....builder.terminal.progress import progress_bar
from ..format import ExportFormat
from ..record import FILE_NAME, ExportRecord
from ..report import ExportedPart
from ..selection import Selection
from .array_writer import COMPRESSIONS
from .log_layout import FileLayout
from .rebuilt_log import CAPACITY, RebuiltLog
from .write_file import file_names, write_file

SMALLEST_CAPACITY = 5
"""Dopamine refuses a ring that holds less."""

_GROWTH = {"fast": 3.0, "small": 1.7}
"""About how many bytes the dumps take for each of the dataset's shards."""

_NUMBERS_OF_ROW = 9
"""Bytes of a row before compression."""


@dataclass(frozen=True)
class BucketFormat(ExportFormat):
    """The original dumps of the replay buffer, each array with the bytes that it had.

    Every loader of the DQN Replay Dataset reads them: Dopamine, batch_rl, TorchRL, d4rl-atari.

    Args:
        compression: `fast` or `small`, of the gzip streams around the arrays.
        capacity: rows of the ring, for data that was not dumped from one (RL Unplugged); 1,000,000 if None.

    Raises:
        OutputError: an option is impossible.
    """

    compression: str = "fast"
    capacity: int | None = None

    def __post_init__(self) -> None:
        if self.compression not in COMPRESSIONS:
            raise OutputError(
                f"compression {self.compression!r} is unknown: expected {' or '.join(COMPRESSIONS)}"
            )
        if self.capacity is not None and self.capacity < SMALLEST_CAPACITY:
            raise OutputError(f"capacity {self.capacity} is too small: expected {SMALLEST_CAPACITY} or more")

    def plan(self, selection: Selection, out: Path) -> ExportedPart:
        """Returns what would be written of a run."""
        export = _RunExport(self, selection, out)
        growth, rows = _GROWTH[self.compression], export.log.capacity * len(export.files)
        size = growth * _dataset_size(selection) or float(
            rows * (selection.run.frame_format.nbytes + _NUMBERS_OF_ROW)
        )
        return export.part(size=size)

    def write(self, selection: Selection, out: Path) -> ExportedPart:
        """Write the dumps of a run that are not there yet."""
        export = _RunExport(self, selection, out)
        with writing_alone(export.folder.parent):
            return export.write()


class WrittenDump(Record, frozen=True):
    """What is recorded of a dump that was written."""

    made_from: Sha256
    """Changes when the content does."""
    add_count: Count
    sizes: dict[str, Count]
    """Bytes of its files."""
    remarks: tuple[str, ...]


class _RunExport:
    """The export of one run's dumps."""

    def __init__(self, options: BucketFormat, selection: Selection, out: Path) -> None:
        self._options, self._selection, self._run = options, selection, selection.run
        self.folder = out / self._run.game.name / str(self._run.number) / "replay_logs"
        recorded = self._run.capacity()
        if options.capacity is not None and recorded is not None:
            raise OutputError(
                f"{selection}: was dumped from a ring of {recorded:,} rows, so a capacity cannot be chosen"
            )
        self.log = RebuiltLog(self._run, options.capacity or CAPACITY)

    @property
    def files(self) -> list[FileLayout]:
        """The dumps that can be written."""
        layouts, chosen = self.log.layout.files, self._selection.checkpoints
        if not self.log.is_recorded and set(chosen) == set(self._run.checkpoints):
            return list(layouts.values())
        return [layouts[number] for number in chosen if number in layouts]

    def part(self, *, size: float, written: int = 0) -> ExportedPart:
        """Returns what the report says of it."""
        return ExportedPart(
            what=str(self._selection),
            files=self._count(self.files),
            episodes=None,
            rows=self.log.capacity * len(self.files),
            size=size,
            written=written,
            remarks=tuple(self._remarks()),
            record=self._record_path,
        )

    def write(self) -> ExportedPart:
        record = ExportRecord.open(self._record_path, self._settings(), WrittenDump, others=self._others())
        self._write_provenance()
        todo = [file for file in self.files if not self._is_there(record, file)]
        total = len(todo) * self.log.capacity
        failures: list[AtariReplayError] = []
        with progress_bar(description=f"export {self._selection}", unit=" rows", total=total) as bar:
            for file in todo:
                try:
                    self._write_file(file, record, bar.update)
                except AtariReplayError as error:
                    # What is damaged does not keep the other files from being written.
                    failures.append(error)
                    self.log.close()
        self.log.close()
        record.remarks = list(self._left_out())
        record.save()
        if failures:
            raise OutputError(f"{len(failures)} of {len(todo)} dumps could not be written: {failures[0]}")
        names = [name for file in self.files for name in file_names(file, self.log.stored)]
        size = sum((self.folder / name).stat().st_size for name in names)
        return self.part(size=size, written=self._count(todo))

    def _count(self, files: Sequence[FileLayout]) -> int:
        return sum(len(file_names(file, self.log.stored)) for file in files)

    @property
    def _record_path(self) -> Path:
        return self.folder.parent / FILE_NAME

    def _settings(self) -> dict[str, Any]:
        return {
            "format": "bucket",
            "game": self._run.game.name,
            "run": self._run.number,
            "capacity": self.log.capacity,
            "compression": self._options.compression,
        }

    def _others(self) -> Iterator[Path]:
        """Files of a log that would be overwritten."""
        return self.folder.glob("*_ckpt.*.gz")

    def _write_file(
        self, file: FileLayout, record: ExportRecord[WrittenDump], progress: Callable[[int], Any]
    ) -> None:
        record.parts.pop(str(file.number), None)
        blocks = (block for block, _ in self.log.blocks(file))
        write_file(self.folder, file, blocks, self.log.stored, self._options.compression, progress)
        if file.has_final_observations:
            path = self.folder / log_file_name(FINAL, file.number)
            write_zstd(path, list(self.log.final_observations(file)), self._run.frame_format.shape)
        sizes = {name: (self.folder / name).stat().st_size for name in file_names(file, self.log.stored)}
        written = WrittenDump(self.log.digest(file), file.add_count, sizes, file.remarks)
        record.add(str(file.number), written)

    def _is_there(self, record: ExportRecord[WrittenDump], file: FileLayout) -> bool:
        entry = record.parts.get(str(file.number))
        paths = {name: self.folder / name for name in file_names(file, self.log.stored)}
        sizes = {name: path.stat().st_size for name, path in paths.items() if path.is_file()}
        return entry is not None and (entry.made_from, entry.sizes) == (self.log.digest(file), sizes)

    def _write_provenance(self) -> None:
        """Newly played data must not pass for the original anywhere."""
        if self._run.provenance.origin != UNRECORDED:
            with replacing(self.folder / PROVENANCE) as temporary:
                temporary.write_text(self._run.provenance.to_json(), encoding="utf-8")

    def _remarks(self) -> Iterator[str]:
        for file in self.files:
            yield from (f"file {file.number}: {remark}" for remark in file.remarks)
        yield from self._left_out()

    def _left_out(self) -> Iterator[str]:
        for number, why in self.log.layout.left_out.items():
            if number in self._selection.checkpoints:
                yield f"file {number} is left out: {why}"


def _dataset_size(selection: Selection) -> int:
    """Bytes of the step shards; 0 where it is no dataset."""
    run = selection.run
    if not isinstance(run, RepoRun):
        return 0
    return sum(shard.size for number in selection.checkpoints for shard in run.manifest(number).shards)
