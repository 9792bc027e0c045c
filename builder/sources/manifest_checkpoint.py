"""A checkpoint of a dataset, which has the counts and the log's files that its manifest records."""

from ..format.manifest import FileRecord, Manifest, RowCounts, StepCounts
from .run import Checkpoint


class ManifestCheckpoint(Checkpoint):
    """A checkpoint that was built before.

    Args:
        manifest: the checkpoint's.
    """

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self.number = manifest.checkpoint

    @property
    def row_counts(self) -> RowCounts:
        """What happened to each of the rows of the log's files."""
        return self._manifest.row_counts

    @property
    def step_counts(self) -> StepCounts:
        """How the files' transitions became the checkpoint's steps."""
        return self._manifest.step_counts

    @property
    def add_count(self) -> int | None:
        """The number in the log's `add_count`; None if the manifest has none."""
        return self._manifest.add_count

    def sources(self) -> tuple[FileRecord, ...]:
        """Returns the files of the log that the dataset was made from."""
        return self._manifest.sources

    def remarks(self) -> tuple[str, ...]:
        """Returns how the log's files were converted, and what else differs from the original's."""
        return self._manifest.remarks
