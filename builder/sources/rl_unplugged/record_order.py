"""The records of a run by checkpoint and in order of play, whatever the order of its files.

Files of one checkpoint each are read as they are. Shards over which all episodes are strewn, as those of
`atari_episodes_v2`, cannot be read at random, since each is gzipped as a whole. So they are read twice: once
for the episodes' numbers alone, and once to copy the records that will be asked for into a temporary file,
from which they are taken in order. Memory is the list of episodes and the record in hand; disk is the copies.
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
"""Of a checkpoint, where nothing better is known."""


class RecordReader(ABC):
    """Reads a run's records; going on from one checkpoint to a later one, it reads nothing twice."""

    @abstractmethod
    def records(self, checkpoint: int) -> Iterator[Example]:
        """Yield a checkpoint's records.

        Raises:
            SourceError: a file is missing or damaged.
        """

    @abstractmethod
    def sources(self, checkpoint: int) -> tuple[FileRecord, ...]:
        """Returns the files they came from, once `records` has been used up."""

    def expect(self, checkpoints: Collection[int]) -> None:  # noqa: B027
        """Say which checkpoints will be asked for."""

    @abstractmethod
    def close(self) -> None:
        """Close the files."""


class RecordOrder(ABC):
    """How a run's files hold its checkpoints."""

    checkpoints: Sequence[int]
    """Numbers of those that are there, ascending."""

    @abstractmethod
    def paths(self) -> list[str]:
        """Returns the run's files."""

    @abstractmethod
    def rows(self, checkpoint: int) -> int:
        """Returns about how many observations a checkpoint holds."""

    @abstractmethod
    def reader(self) -> RecordReader:
        """Returns a new reader."""


class FilePerCheckpoint(RecordOrder):
    """Each file holds episodes of one checkpoint, in order of play.

    Args:
        store: where they lie.
        form: of the records.
        files: each checkpoint's files in order, and how many records each has, if that is known.
        bytes_per_row: of an observation in these files, about.
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
        """Returns about how many observations a checkpoint holds, by the files' sizes."""
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
    """What is known of a record from its shard."""

    key: EpisodeKey
    shard: str
    size: int
    """Bytes."""
    rows: int


class StrewnRecords(RecordOrder):
    """The episodes of all checkpoints lie in any order over the shards, of which none may be missing.

    Args:
        store: where the shards lie.
        form: of the records.
        shards: their paths.

    Raises:
        SourceError: a shard is damaged, or an episode is there twice.
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
        """Returns how many observations a checkpoint holds, as the index has it."""
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
    """Some checkpoints' records in a temporary file, which vanishes when it is closed."""

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
    """A file's records as Examples that know their names."""
    for data in file:
        yield Example(data, f"{file.where}, record {file.records - 1}")
