"""Yields a run's records by checkpoint and in order of play, whatever the order of its files.

Files that hold one checkpoint each are read as they are. Shards over which all episodes are scattered, as in
`atari_episodes_v2`, do not allow random access, since each is gzipped as a whole. So they are read twice:
once for the episodes' numbers alone, and once to copy the requested records into a temporary file, from which
they are taken in order. Memory holds the list of episodes and the current record; disk holds the copies.
"""

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from operator import attrgetter
from shutil import disk_usage
from typing import BinaryIO

from ...errors import SourceError
from ...format.manifest import FileRecord
from ...stores.store import Store
from .png_frames import THREADS
from .recorded_episode import EpisodeKey, RecordForm
from .tf_example import Example
from .tfrecord import RecordFile

USUAL_ROWS = 1_000_000
"""The number of rows assumed for a checkpoint where no better estimate is available."""


class RecordReader(ABC):
    """Reads a run's records; moving on from one checkpoint to a later one, it reads nothing twice."""

    @abstractmethod
    def records(self, checkpoint: int) -> Iterator[Example]:
        """Yield a checkpoint's records.

        Raises:
            SourceError: a file is missing or damaged.
        """

    @abstractmethod
    def sources(self, checkpoint: int) -> tuple[FileRecord, ...]:
        """Returns the files that the records came from, once `records` is exhausted."""

    def expect(self, checkpoints: Collection[int]) -> None:  # noqa: B027
        """Announce the checkpoints that will be requested."""

    @abstractmethod
    def close(self) -> None:
        """Close the files."""


class RecordOrder(ABC):
    """Locates each checkpoint's records in a run's files."""

    checkpoints: Sequence[int]
    """The numbers of the checkpoints that are present, ascending."""

    @abstractmethod
    def paths(self) -> list[str]:
        """Returns the run's files."""

    @abstractmethod
    def rows(self, checkpoint: int) -> int:
        """Returns the approximate number of observations in a checkpoint."""

    @abstractmethod
    def reader(self) -> RecordReader:
        """Returns a new reader."""


class FilePerCheckpoint(RecordOrder):
    """A run in which each file holds episodes of one checkpoint, in order of play.

    Args:
        store: the store that holds the files.
        form: the form of the records.
        files: each checkpoint's files in order, and how many records each has, if known.
        bytes_per_row: the approximate size in bytes of an observation in these files.
    """

    def __init__(
        self,
        store: Store,
        form: RecordForm,
        files: Mapping[int, Sequence[tuple[str, int | None]]],
        bytes_per_row: float,
    ) -> None:
        self.store, self.form, self.files = store, form, files
        self.checkpoints = sorted(files)
        self._bytes_per_row = bytes_per_row

    def paths(self) -> list[str]:
        """Returns the run's files."""
        return [path for number in self.checkpoints for path, _ in self.files[number]]

    def rows(self, checkpoint: int) -> int:
        """Returns the approximate number of observations in a checkpoint, estimated from file sizes."""
        sizes = [self.store.size(path) for path, _ in self.files[checkpoint]]
        known = [size for size in sizes if size is not None]
        return round(sum(known) / self._bytes_per_row) if len(known) == len(sizes) else USUAL_ROWS

    def reader(self) -> "_FileReader":
        """Returns a new reader."""
        return _FileReader(self)


class _FileReader(RecordReader):
    def __init__(self, order: FilePerCheckpoint) -> None:
        self._order = order
        self._sources: tuple[FileRecord, ...] = ()

    def records(self, checkpoint: int) -> Iterator[Example]:
        self._sources = ()
        for path, expected in self._order.files[checkpoint]:
            file = RecordFile(self._order.store, path, gzipped=self._order.form.gzipped)
            try:
                yield from read_examples(file)
                if expected is not None and file.records != expected:
                    raise SourceError(
                        f"{file.where}: holds {file.records:,} records of {expected:,}; copy the file again"
                    )
                self._sources += (file.finish(),)
            finally:
                file.close()

    def sources(self, checkpoint: int) -> tuple[FileRecord, ...]:
        return self._sources

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class IndexedRecord:
    """What a shard reveals about one of its records."""

    key: EpisodeKey
    shard: str
    size: int
    """The size of the record in bytes."""
    rows: int


class StrewnRecords(RecordOrder):
    """A run whose shards hold the episodes of all checkpoints in any order; none may be missing.

    Args:
        store: the store that holds the shards.
        form: the form of the records.
        shards: the paths of the shards.

    Raises:
        SourceError: a shard is damaged, or an episode occurs twice.
    """

    def __init__(self, store: Store, form: RecordForm, shards: Sequence[str]) -> None:
        self.store, self.form, self.shards = store, form, shards
        with ThreadPoolExecutor(THREADS, thread_name_prefix="index") as executor:
            indexed = list(executor.map(self._index_shard, shards))
        self.sources = tuple(source for source, _ in indexed)
        self.index = sorted((record for _, records in indexed for record in records), key=attrgetter("key"))
        for one, other in zip(self.index, self.index[1:], strict=False):
            if one.key == other.key:
                raise SourceError(
                    f"{store.describe(other.shard)}: holds episode {one.key.episode} of checkpoint "
                    f"{one.key.checkpoint}, which {store.describe(one.shard)} holds as well; copy both again"
                )
        self.checkpoints = sorted({record.key.checkpoint for record in self.index})

    def paths(self) -> list[str]:
        """Returns the run's files."""
        return list(self.shards)

    def rows(self, checkpoint: int) -> int:
        """Returns the number of observations in a checkpoint, from the index."""
        return sum(record.rows for record in self.index if record.key.checkpoint == checkpoint)

    def reader(self) -> "_StrewnReader":
        """Returns a new reader."""
        return _StrewnReader(self)

    def _index_shard(self, path: str) -> tuple[FileRecord, list[IndexedRecord]]:
        file = RecordFile(self.store, path, gzipped=self.form.gzipped)
        try:
            records = [
                IndexedRecord(self.form.key(example), path, example.size, self.form.entries(example))
                for example in read_examples(file)
            ]
            return file.finish(), records
        finally:
            file.close()


class _StrewnReader(RecordReader):
    def __init__(self, order: StrewnRecords) -> None:
        self._order = order
        self._expected: Collection[int] | None = None
        self._copies: _Copies | None = None

    def expect(self, checkpoints: Collection[int]) -> None:
        self._expected = checkpoints

    def records(self, checkpoint: int) -> Iterator[Example]:
        if self._copies is None or checkpoint not in self._copies.checkpoints:
            self.close()
            expected = self._order.checkpoints if self._expected is None else self._expected
            self._copies = _Copies(
                self._order, {checkpoint, *(number for number in expected if number > checkpoint)}
            )
        return self._copies.records(checkpoint)

    def sources(self, checkpoint: int) -> tuple[FileRecord, ...]:
        return self._order.sources

    def close(self) -> None:
        if self._copies is not None:
            self._copies.file.close()
            self._copies = None


class _Copies:
    """Copies of some checkpoints' records in a temporary file, which is deleted when it is closed."""

    def __init__(self, order: StrewnRecords, checkpoints: Collection[int]) -> None:
        self.checkpoints = checkpoints
        self._order = order
        self._wanted = [record for record in order.index if record.key.checkpoint in checkpoints]
        self._places: dict[EpisodeKey, tuple[int, int, str]] = {}
        needed, free = sum(record.size for record in self._wanted), disk_usage(tempfile.gettempdir()).free
        if needed > free:
            raise SourceError(
                f"{order.store.describe()}: its episodes are not in order, and putting them in order takes "
                f"{needed / 1e9:.1f} GB in {tempfile.gettempdir()}, which has {free / 1e9:.1f} GB free; set "
                f"TMPDIR to a larger disk, or ask for fewer checkpoints"
            )
        self.file: BinaryIO = tempfile.TemporaryFile(prefix="atari-dqn-replay-")  # noqa: SIM115
        try:
            for shard in order.shards:
                self._copy(shard)
        except OSError as error:
            self.file.close()
            raise SourceError(f"{tempfile.gettempdir()}: cannot be written ({error.strerror})") from None
        except BaseException:
            self.file.close()
            raise

    def records(self, checkpoint: int) -> Iterator[Example]:
        for record in self._wanted:
            if record.key.checkpoint == checkpoint:
                if record.key not in self._places:
                    shard = self._order.store.describe(record.shard)
                    raise SourceError(f"{shard}: has changed since it was first read; try again")
                start, size, where = self._places[record.key]
                self.file.seek(start)
                yield Example(self.file.read(size), where)

    def _copy(self, shard: str) -> None:
        file = RecordFile(self._order.store, shard, gzipped=self._order.form.gzipped)
        try:
            for data in file:
                where = f"{file.where}, record {file.records - 1}"
                key = self._order.form.key(Example(data, where))
                if key.checkpoint in self.checkpoints:
                    self._places[key] = (self.file.tell(), len(data), where)
                    self.file.write(data)
        finally:
            file.close()


def read_examples(file: RecordFile) -> Iterator[Example]:
    """Yield a file's records as Examples that know their names."""
    for data in file:
        yield Example(data, f"{file.where}, record {file.records - 1}")
