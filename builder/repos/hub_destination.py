"""Publishes to a dataset repo on the Hugging Face Hub."""

import contextlib
import functools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, DatasetInfo, hf_hub_url
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.lfs import post_lfs_batch_info

from ..errors import OutputError
from ..format.games import ALL_GAMES, Game
from ..format.layout import CARD, GAME_FOLDERS
from ..network.errors import status_of
from ..network.hub import HubRequests, check_repo_id, without_client_bars
from ..network.retrying import RequestFailedError
from ..terminal.sizes import size_text
from .destination import Change, Destination, DestinationChangedError, Snapshot, UploadLostError
from .hub_uploads import DATASET, HubUploads, addition_of_upload, first_words
from .outgoing_file import OutgoingFile
from .repo_reader import ListedFile

MAIN = "main"


@dataclass(frozen=True)
class HubDestination(Destination):
    """A dataset repo on the Hub, created if it does not exist.

    Large files are uploaded ahead, by Xet if the client has it; then one commit on top of the revision that
    was read puts everything in place, so readers see either the old dataset or the new one.
    """

    repo_id: str
    """`user/name`."""
    revision: str = MAIN
    """A branch, created from main if it does not exist."""
    private: bool = False
    """Whether to create the repo as a private one; an existing public one is refused."""
    token: str | None = field(default=None, repr=False)
    """The token; None takes the one from HF_TOKEN or `hf auth login`."""
    endpoint: str | None = None
    """The Hub's URL; None takes HF_ENDPOINT, or huggingface.co."""
    patience: float = 900.0
    """Seconds that a request may take, including retries while the Hub is too busy."""
    silence: float = 120.0
    """Seconds without a byte after which an attempt has failed."""

    @property
    def address(self) -> str:
        """The repo's page."""
        return self.hub.address

    @property
    def name_on_hub(self) -> str:
        """The repo's full name."""
        return self.repo_id

    @functools.cached_property
    def hub(self) -> HubRequests:
        """The client that sends requests to the Hub."""
        page = f"datasets/{self.repo_id}" + ("" if self.revision == MAIN else f"/tree/{self.revision}")
        return HubRequests(page, self.token, self.endpoint, self.patience, self.silence)

    @functools.cached_property
    def uploads(self) -> HubUploads:
        """The uploads into the repo's large file storage."""
        return HubUploads(self.hub, self.repo_id, self.revision)

    def check(self, source: Path | None = None) -> None:
        """Reject an impossible name.

        Raises:
            OutputError: a repo cannot have this name.
        """
        check_repo_id(self.repo_id)

    def upload(self, files: Sequence[OutgoingFile]) -> None:
        """Upload the files into the repo's large file storage; create the repo if it does not exist.

        Raises:
            OutputError: the Hub does not permit writing, or it stores such files elsewhere.
        """
        with self.hub.explained():
            snapshot = self.snapshot(())
            if snapshot.commit is None or not snapshot.has_branch:
                snapshot.create()
            additions = self.uploads.upload(files)
        if small := [each.path_in_repo for each in additions if not each._is_uploaded]:
            raise OutputError(
                f"{self.address}: its .gitattributes do not send {small[0]} into large file storage; add the "
                f"line `*.parquet filter=lfs diff=lfs merge=lfs -text`"
            )

    def discard_uploads(self) -> None:
        """Do nothing: the Hub itself discards what no commit names."""

    def snapshot(self, games: Collection[Game]) -> "HubSnapshot":
        """Returns what the branch holds of the games, or what main holds if the branch does not exist.

        Raises:
            OutputError: the Hub does not permit reading, or the repo is public and must not be.
        """
        with self.hub.explained():
            info, has_branch = self._info(self.revision), True
            if info is None:
                info, has_branch = self._info(MAIN), False
            if info is None or info.sha is None:
                return HubSnapshot(self, None, False, {})
            if self.private and info.private is False:
                raise OutputError(
                    f"{self.address} is public: make it private in its settings, or leave out private"
                )
            return HubSnapshot(self, info.sha, has_branch, dict(self._files(info.sha, games)))

    def games(self) -> list[Game]:
        """Returns the games that have a folder in the branch, or in main if the branch does not exist.

        Raises:
            OutputError: the Hub does not permit reading.
        """
        found = set()
        with self.hub.explained():
            info = self._info(self.revision) or self._info(MAIN)
            if info is None or info.sha is None:
                return []
            for top in GAME_FOLDERS:
                with contextlib.suppress(FileNotFoundError):
                    entries = self.hub.tree(self.repo_id, info.sha, top, recursive=False)
                    found.update(entry["path"].rpartition("/")[2] for entry in entries)
        return [game for game in ALL_GAMES if game.slug in found]

    def _info(self, revision: str) -> DatasetInfo | None:
        try:
            return self.hub.retrying(
                lambda: self.hub.api.dataset_info(self.repo_id, revision=revision, expand=["sha", "private"])
            )
        except RequestFailedError as error:
            # Without a token, the Hub answers 401 whether the repo is private or missing.
            if status_of(error) == 404:
                return None
            raise

    def _files(self, commit: str, games: Collection[Game]) -> Iterator[tuple[str, ListedFile]]:
        for folder in (f"{top}/{game.slug}" for top in GAME_FOLDERS for game in games):
            with contextlib.suppress(FileNotFoundError):
                for entry in self.hub.tree(self.repo_id, commit, folder, recursive=True):
                    if entry["type"] == "file":
                        yield entry["path"], _listed(entry)


@dataclass(frozen=True)
class HubSnapshot(Snapshot):
    """A revision of the repo, or its absence."""

    destination: HubDestination
    commit: str | None
    """The revision's commit; None if there is no repo yet."""
    has_branch: bool
    files: dict[str, ListedFile]

    @property
    def paths(self) -> Collection[str]:
        """All files of the games."""
        return self.files.keys()

    def size(self, path: str) -> int | None:
        """Returns the size of a file in bytes; None if it is not there."""
        return self.files[path].size if path in self.files else None

    def holds(self, file: OutgoingFile) -> bool:
        """Returns whether a file is there with this content: by SHA-256 in LFS, else by Git's name for it."""
        held = self.files.get(file.path)
        if held is None or held.size != file.size:
            return False
        if held.sha256 is not None:
            return held.sha256 == file.sha256
        return file.content is not None and held.blob_id == file.blob_id()

    def blob_id(self, path: str) -> str:
        """Returns Git's name for a file's content, or for its pointer if it is in LFS."""
        return self.files[path].blob_id or ""

    def read(self, path: str) -> bytes | None:
        """Returns the content of a small file; None if there is none.

        Raises:
            OutputError: the Hub does not permit reading.
        """
        if self.commit is None:
            return None
        to = self.destination
        url = hf_hub_url(
            to.repo_id, path, repo_type=DATASET, revision=self.commit, endpoint=to.hub.api.endpoint
        )
        with to.hub.explained(), contextlib.suppress(FileNotFoundError):
            return to.hub.get(url).content
        return None

    def read_range(self, path: str, start: int, end: int) -> bytes:
        """Returns the bytes of a file from `start` up to `end`, which lies in it.

        Raises:
            OutputError: the Hub does not permit reading.
        """
        to = self.destination
        url = hf_hub_url(
            to.repo_id, path, repo_type=DATASET, revision=self.commit, endpoint=to.hub.api.endpoint
        )
        with to.hub.explained():
            return to.hub.get(url, headers={"Range": f"bytes={start}-{end - 1}"}).content

    def apply(self, change: Change) -> str | None:
        """Upload the files, and make the change in one commit on top of the revision that was read.

        Raises:
            DestinationChangedError: the branch has moved on, or was created just now.
            UploadLostError: the Hub does not have a file that was uploaded.
            OutputError: the Hub does not permit writing.
        """
        with self.destination.hub.explained():
            is_needed = bool(change.writes or change.deletions)
            if not self.has_branch and (self.commit or is_needed):
                self.create()
                raise DestinationChangedError
            if self.commit is None or not is_needed:
                return self.commit
            here = [file for file in change.writes if file.content is not None]
            ahead = [file for file in change.writes if file.content is None]
            additions = [*self.destination.uploads.upload(here), *map(addition_of_upload, ahead)]
            operations = [*additions, *map(CommitOperationDelete, change.deletions)]
            try:
                return self._commit(operations, change.summary, self.commit)
            except RequestFailedError as error:
                if error.is_final and ahead and (lost := self._lost(ahead)):
                    raise UploadLostError(self.destination.address, lost) from None
                raise

    def after(self, change: Change, commit: str | None) -> "HubSnapshot":
        """Returns what the commit holds, without asking for it."""
        gone = set(change.deletions)
        files = {path: file for path, file in self.files.items() if path not in gone}
        data = {file.path for each in change.checkpoints for file in each.data}
        for file in change.writes:
            if file.path != CARD:
                blob_id = None if file.path in data else file.blob_id()
                files[file.path] = ListedFile(file.size, file.sha256, blob_id)
        return replace(self, commit=commit, files=files)

    def create(self) -> None:
        """Create the repo and the branch, where they do not exist."""
        to = self.destination
        if self.commit is None:
            private = to.private or None
            to.hub.retrying(
                lambda: to.hub.api.create_repo(to.repo_id, repo_type=DATASET, private=private, exist_ok=True)
            )
        if to.revision != MAIN:
            to.hub.retrying(
                lambda: to.hub.api.create_branch(
                    to.repo_id, branch=to.revision, repo_type=DATASET, exist_ok=True
                )
            )

    def _lost(self, files: Sequence[OutgoingFile]) -> list[str]:
        """Returns those of the uploaded files that the Hub does not have."""
        to = self.destination
        infos = [addition_of_upload(file).upload_info for file in files]
        objects, _, _ = to.hub.retrying(
            lambda: post_lfs_batch_info(
                infos, to.token, DATASET, to.repo_id, to.revision, endpoint=to.hub.api.endpoint
            )
        )
        wanted = {each["oid"] for each in objects if each.get("actions")}
        return [file.path for file in files if file.sha256 in wanted]

    def _commit(
        self, operations: Sequence[CommitOperationAdd | CommitOperationDelete], summary: str, parent: str
    ) -> str:
        to = self.destination
        try:
            with without_client_bars():
                info = to.hub.retrying(
                    lambda: to.hub.api.create_commit(
                        to.repo_id,
                        operations,
                        commit_message=summary,
                        repo_type=DATASET,
                        revision=to.revision,
                        parent_commit=parent,
                    )
                )
        except RequestFailedError as error:
            if status_of(error) == 412:
                raise DestinationChangedError from None
            if status_of(error) == 413:
                card = next((each for each in operations if each.path_in_repo == CARD), None)
                size = size_text(card.upload_info.size) if isinstance(card, CommitOperationAdd) else "no"
                raise OutputError(
                    f"{to.address}: the Hub refused the commit as too large (413), with {size} of {CARD}; "
                    f"publish each game to a repo of its own, with {{game}} in --repo-id"
                ) from None
            if isinstance(error.cause, ValueError) and isinstance(error.cause.__cause__, HfHubHTTPError):
                said = first_words(error.cause)
                raise OutputError(f"{to.address}: the Hub refused the card ({said})") from None
            raise
        return info.oid


def _listed(entry: Mapping[str, Any]) -> ListedFile:
    """Returns what the Hub lists about a file."""
    large = entry.get("lfs")
    return ListedFile(entry["size"], large["oid"] if large else None, entry["oid"])
