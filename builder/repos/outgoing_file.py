"""A file on its way to a dataset repo."""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO


@dataclass(frozen=True)
class OutgoingFile:
    """A file that goes to a dataset repo, and where its bytes are."""

    path: str
    """In the repo."""
    size: int
    """Bytes."""
    sha256: str
    content: Path | bytes | None
    """None if it was uploaded ahead: the destination knows it by its SHA-256."""

    @classmethod
    def of_bytes(cls, path: str, content: bytes) -> "OutgoingFile":
        """A small file that lies in memory."""
        return cls(path, len(content), hashlib.sha256(content).hexdigest(), content)

    def open(self) -> BinaryIO:
        """The file's bytes, to be read from the start.

        Raises:
            ValueError: it was uploaded ahead, so its bytes are not here.
        """
        if self.content is None:
            raise ValueError(f"{self.path}: was uploaded ahead and cannot be read")
        return io.BytesIO(self.content) if isinstance(self.content, bytes) else self.content.open("rb")

    def blob_id(self) -> str:
        """Git's name for the content."""
        digest = hashlib.sha1(b"blob %d\0" % self.size)
        with self.open() as content:
            while block := content.read(2**20):
                digest.update(block)
        return digest.hexdigest()
