"""A file to be written to a dataset repo."""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO


@dataclass(frozen=True)
class OutgoingFile:
    """A file to be written to a dataset repo, and where its bytes are."""

    path: str
    """Path in the repo."""
    size: int
    """Size in bytes."""
    sha256: str
    content: Path | bytes | None
    """The bytes or their path; None if uploaded ahead: the destination knows them by their SHA-256."""

    @classmethod
    def of_bytes(cls, path: str, content: bytes) -> "OutgoingFile":
        """Returns a small file held in memory."""
        return cls(path, len(content), hashlib.sha256(content).hexdigest(), content)

    def open(self) -> BinaryIO:
        """Open the file's bytes for reading from the start.

        Raises:
            ValueError: it was uploaded ahead, so its bytes are not here.
        """
        if self.content is None:
            raise ValueError(f"{self.path}: was uploaded ahead and cannot be read")
        return io.BytesIO(self.content) if isinstance(self.content, bytes) else self.content.open("rb")

    def blob_id(self) -> str:
        """Returns Git's name for the content."""
        digest = hashlib.sha1(b"blob %d\0" % self.size)
        with self.open() as content:
            while block := content.read(2**20):
                digest.update(block)
        return digest.hexdigest()
