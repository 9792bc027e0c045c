"""Uploads files into the large file storage of a Hub repo, ahead of the commit that names them."""

import functools
import json
import re
import textwrap
from collections.abc import Iterator, Sequence

from huggingface_hub import CommitOperationAdd
from huggingface_hub.lfs import UploadInfo

from ..errors import OutputError
from ..network.errors import PASSING
from ..network.hub import HubRequests, without_client_bars
from ..terminal.progress import progress_bar
from .outgoing_file import OutgoingFile

DATASET = "dataset"
BATCH_FILES = 64
BATCH_BYTES = 2**28
"""Files and bytes handed to the client at once: this bounds its memory, and paces the progress bar."""

_XET_STATUS = re.compile(r"HTTP status \w+ error \((\d{3})\b")
"""Finds the status in the text of an error of Xet's, which has it nowhere else."""


class HubUploads:
    """Uploads to one branch of a dataset repo.

    Args:
        hub: the client that sends the requests.
        repo_id: `user/name`.
        revision: the branch.
    """

    def __init__(self, hub: HubRequests, repo_id: str, revision: str) -> None:
        self._hub, self._repo_id, self._revision = hub, repo_id, revision

    def upload(self, files: Sequence[OutgoingFile]) -> list[CommitOperationAdd]:
        """Upload the files that go into large file storage; return the commit's additions for all.

        Raises:
            OutputError: the Hub refuses a file.
        """
        additions = []
        with (
            without_client_bars(),
            progress_bar(description="uploading", unit="B", total=sum(file.size for file in files)) as bar,
        ):
            for batch in _batches(files):
                additions += self._hub.retrying(functools.partial(self._upload_batch, batch))
                bar.update(sum(file.size for file in batch))
        return additions

    def _upload_batch(self, files: Sequence[OutgoingFile]) -> list[CommitOperationAdd]:
        additions = [_addition(file) for file in files]
        try:
            self._hub.api.preupload_lfs_files(
                self._repo_id, additions, repo_type=DATASET, revision=self._revision
            )
        except (RuntimeError, ConnectionError) as error:
            # An error in one of the client's threads or in Xet; all that is left of it is its text.
            if (status := _XET_STATUS.search(str(error))) and int(status[1]) not in PASSING:
                raise OutputError(f"{self._hub.address}: the Hub refused ({first_words(error)})") from None
            raise error.__cause__ or ConnectionError(str(error)) from None
        except json.JSONDecodeError:
            raise
        except ValueError as error:
            raise OutputError(f"{self._hub.address}: the Hub refused ({first_words(error)})") from None
        return additions


def first_words(error: Exception) -> str:
    """Returns the beginning of an error's message."""
    return textwrap.shorten(str(error), 300, placeholder=" …")


def _addition(file: OutgoingFile) -> CommitOperationAdd:
    assert file.content is not None
    addition = CommitOperationAdd(file.path, file.content)
    # Already known from checking the folder; otherwise the client would read each file again.
    addition.upload_info.sha256 = bytes.fromhex(file.sha256)
    return addition


def addition_of_upload(file: OutgoingFile) -> CommitOperationAdd:
    """Returns the addition of a file whose bytes the Hub has: the client must not read it again."""
    addition = CommitOperationAdd(file.path, b"")
    addition.upload_info = UploadInfo(size=file.size, sample=b"", sha256=bytes.fromhex(file.sha256))
    addition._upload_mode = "lfs"
    addition._should_ignore = False
    addition._is_uploaded = True
    return addition


def _batches(files: Sequence[OutgoingFile]) -> Iterator[list[OutgoingFile]]:
    batch: list[OutgoingFile] = []
    for file in files:
        if len(batch) == BATCH_FILES or (
            batch and sum(each.size for each in batch) + file.size > BATCH_BYTES
        ):
            yield batch
            batch = []
        batch.append(file)
    if batch:
        yield batch
