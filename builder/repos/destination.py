"""What a destination must offer so that a dataset can be published there."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..errors import OutputError
from ..format.games import Game
from ..format.manifest import Manifest
from .outgoing_file import OutgoingFile


class DestinationChangedError(Exception):
    """The destination has changed since it was read: read it again and redo the change."""


class UploadLostError(OutputError):
    """Files that were uploaded ahead are gone: make and upload them again."""

    def __init__(self, where: str, paths: Sequence[str]) -> None:
        self.paths = tuple(paths)
        more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
        super().__init__(
            f"{where}: files that were uploaded are gone ({', '.join(paths[:3])}{more}); run the same "
            "command again to make them anew"
        )


@dataclass(frozen=True)
class CheckpointChange:
    """What brings one checkpoint of the destination up to date."""

    data: tuple[OutgoingFile, ...]
    """Shards and episodes table that are missing or different at the destination."""
    deletions: tuple[str, ...]
    """Files in the checkpoint's folder that its manifest does not name."""
    manifest: OutgoingFile | None
    """The manifest; it is written after the data, so that it vouches only for what is there."""

    @property
    def writes(self) -> tuple[OutgoingFile, ...]:
        """All files to upload, the manifest last."""
        return (*self.data, self.manifest) if self.manifest else self.data

    @property
    def is_needed(self) -> bool:
        """Whether anything is missing, different or left over at the destination."""
        return bool(self.writes or self.deletions)


@dataclass(frozen=True)
class Change:
    """What brings a destination up to date."""

    summary: str
    """A one-line summary, for a commit."""
    checkpoints: tuple[CheckpointChange, ...]
    card: OutgoingFile | None
    """The card; it is written last, so that it mentions only what is there."""
    interim_card: OutgoingFile | None
    """A card to write first if the change takes several steps: it omits what is replaced or removed."""
    pages: tuple[OutgoingFile, ...] = ()
    """Pages of games and their pictures; they are written before the card, which names them."""
    page_deletions: tuple[str, ...] = ()
    """Pages and pictures to delete, after the card has stopped naming them."""

    @property
    def writes(self) -> list[OutgoingFile]:
        """All files to upload, in an order that is safe to stop in."""
        writes = [*(file for each in self.checkpoints for file in each.writes), *self.pages]
        return [*writes, self.card] if self.card else writes

    @property
    def deletions(self) -> list[str]:
        """All files that are deleted."""
        return [*(path for each in self.checkpoints for path in each.deletions), *self.page_deletions]

    @property
    def bytes(self) -> int:
        """The total size in bytes of the files to upload."""
        return sum(file.size for file in self.writes)


class Snapshot(ABC):
    """What a destination holds of some games at one moment."""

    @property
    @abstractmethod
    def paths(self) -> Collection[str]:
        """All files of the games."""

    @abstractmethod
    def size(self, path: str) -> int | None:
        """Returns the size in bytes of a file of the games; None if it is not there."""

    @abstractmethod
    def holds(self, file: OutgoingFile) -> bool:
        """Returns whether a file is there with the same content."""

    @abstractmethod
    def blob_id(self, path: str) -> str:
        """Returns an identifier that is the same only for the same content: Git's name for it, if known."""

    @abstractmethod
    def read(self, path: str) -> bytes | None:
        """Returns the content of a small file; None if there is none."""

    @abstractmethod
    def read_range(self, path: str, start: int, end: int) -> bytes:
        """Returns the bytes of a file from `start` up to `end`, which lies in it.

        Raises:
            OutputError: they cannot be read.
        """

    @abstractmethod
    def apply(self, change: Change) -> str | None:
        """Make the change, and return the commit if there are commits.

        Raises:
            DestinationChangedError: someone else has changed the destination meanwhile; nothing was changed.
            UploadLostError: files that were uploaded ahead are gone; nothing was changed.
            OutputError: the change cannot be made.
        """

    def after(self, change: Change, commit: str | None) -> "Snapshot | None":
        """Returns what is there once `apply` has made the change, or None if that must be read again.

        Args:
            change: the change that was made.
            commit: what `apply` returned.
        """
        return None if change.writes or change.deletions else self


class Destination(ABC):
    """Where a dataset is published."""

    @property
    @abstractmethod
    def address(self) -> str:
        """Where users find it: a path or a URL."""

    @property
    def name_on_hub(self) -> str | None:
        """`user/name` on the Hub; None elsewhere."""
        return None

    @cached_property
    def known_manifests(self) -> dict[tuple[str, str], Manifest]:
        """Manifests that were read in this process, by their path and the blob id of their content."""
        return {}

    @abstractmethod
    def check(self, source: Path | None = None) -> None:
        """Reject what cannot work before anything else is done, without changing anything.

        Args:
            source: the dataset's folder, if it is in one.

        Raises:
            OutputError: the dataset cannot be published here.
        """

    @abstractmethod
    def upload(self, files: Sequence[OutgoingFile]) -> None:
        """Upload the files' content ahead of the change that names them, in which their `content` is None.

        Readers see none of it. May be called again for the same files, and by many processes at once.

        Raises:
            OutputError: the files cannot be uploaded.
        """

    def uploading_alone(self) -> AbstractContextManager[None]:
        """Keep other publications from discarding uploads here while the block lasts, if they could.

        Workers of this publication, in any process, upload all the same.

        Raises:
            OutputError: another publication is uploading there.
        """
        return nullcontext()

    @abstractmethod
    def discard_uploads(self) -> None:
        """Discard uploads that no change has named; call it only while nobody uploads."""

    @abstractmethod
    def games(self) -> list[Game]:
        """Returns the games that have a folder here.

        Raises:
            OutputError: they cannot be listed.
        """

    @abstractmethod
    def snapshot(self, games: Collection[Game]) -> Snapshot:
        """Returns what is there now of the games; nothing is created.

        Raises:
            OutputError: it cannot be read.
        """
