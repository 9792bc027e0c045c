"""Reads a dataset repo on the Hugging Face Hub, at one revision."""

import contextlib
import errno
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, hf_hub_download, hf_hub_url
from huggingface_hub.constants import HF_HUB_DOWNLOAD_TIMEOUT
from huggingface_hub.errors import (
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoFile as HubFile
from huggingface_hub.utils import (
    build_hf_headers,
    get_session,
    hf_raise_for_status,
    validate_repo_id,
)

from ..errors import OutputError, SourceError
from ..network.errors import is_denied, status_of
from ..network.hub import without_client_bars
from ..network.retrying import RequestFailedError, Result, RetryPolicy
from .repo_reader import ListedFile, NoDatasetError, RepoReader, UnreadableFileError

DATASET = "dataset"
MAIN = "main"


class _MissingError(SourceError):
    """The repo or revision does not exist, or is hidden from this user: asking again would not help."""


@dataclass(frozen=True)
class HubReader(RepoReader):
    """A dataset repo on the Hub.

    The revision is looked up once: later commits do not show. Files are downloaded one at a time and removed
    again.
    """

    repo_id: str
    """`user/name`."""
    revision: str = MAIN
    """A branch, a tag or a commit."""
    token: str | None = field(default=None, repr=False)
    """The token; None takes the one from HF_TOKEN or `hf auth login`."""
    patience: float = 120.0
    """Seconds without an answer after which to give up."""

    @property
    def address(self) -> str:
        """The repo's page."""
        page = f"{self._api.endpoint}/datasets/{self.repo_id}"
        return page if self.revision == MAIN else f"{page}/tree/{self.revision}"

    @property
    def load_arguments(self) -> dict[str, Any]:
        """The repo at its commit, as `load_dataset` takes it."""
        return {"path": self.repo_id, "revision": self.commit, "token": self.token}

    @property
    def url(self) -> str:
        """The commit's URL.

        Raises:
            NoDatasetError: there is no such repo or revision.
            OutputError: the Hub does not permit reading, or does not answer.
        """
        return f"hf://datasets/{self.repo_id}@{self.commit}"

    @property
    def storage_options(self) -> dict[str, Any]:
        """The token, if one was given, and the patience."""
        return {"patience": self.patience, **({} if self.token is None else {"token": self.token})}

    @cached_property
    def commit(self) -> str:
        """The commit that is read.

        Raises:
            NoDatasetError: there is no such repo or revision.
            OutputError: the Hub does not permit reading, or does not answer.
        """
        return self._current_commit()

    def files(self) -> dict[str, ListedFile]:
        """Returns all files of the commit.

        Raises:
            NoDatasetError: there is no such repo or revision.
            OutputError: the Hub does not permit reading, or does not answer.
        """
        commit = self.commit
        return self._ask(lambda: dict(self._list(commit)))

    def read(self, path: str) -> bytes:
        """Returns the content of a small file."""
        url = hf_hub_url(
            self.repo_id, path, repo_type=DATASET, revision=self.commit, endpoint=self._api.endpoint
        )

        def get() -> bytes:
            headers = build_hf_headers(token=self.token)
            response = get_session().get(url, headers=headers, timeout=HF_HUB_DOWNLOAD_TIMEOUT)
            hf_raise_for_status(response)
            return response.content

        return self._get(get, path)

    @contextlib.contextmanager
    def fetch(self, path: str) -> Iterator[Path]:
        """Yield the path of the downloaded file."""
        with tempfile.TemporaryDirectory(prefix="verify-") as folder:
            yield Path(self._get(lambda: self._download(path, folder), path))

    def require_answer(self) -> None:
        """Check that the Hub still answers which commit it has."""
        self._current_commit()

    def path_in_repo(self, url: str) -> str:
        """Returns the path below the repo of an hf:// URL."""
        return url.removeprefix(f"hf://datasets/{self.repo_id}@{self.commit}/")

    @cached_property
    def _api(self) -> HfApi:
        return HfApi(token=self.token)

    def _download(self, path: str, folder: str) -> str:
        try:
            with without_client_bars():
                return hf_hub_download(
                    self.repo_id,
                    path,
                    repo_type=DATASET,
                    revision=self.commit,
                    token=self.token,
                    local_dir=folder,
                )
        except LocalEntryNotFoundError as error:
            # The client raises this if the Hub does not answer; an answer that it did give is the cause.
            raise ConnectionError("no answer") from error.__cause__
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise SourceError(
                f"no room for it in {Path(folder).parent}; make some, or set TMPDIR to a folder that has it"
            ) from None

    def _current_commit(self) -> str:
        try:
            validate_repo_id(self.repo_id)
        except ValueError as error:
            raise OutputError(f"{self.repo_id!r} cannot be a repo's name: {error}") from None
        info = self._ask(
            lambda: self._api.dataset_info(
                self.repo_id, revision=self.revision, expand=["sha"], timeout=HF_HUB_DOWNLOAD_TIMEOUT
            )
        )
        return str(info.sha)

    def _list(self, commit: str) -> Iterator[tuple[str, ListedFile]]:
        entries = self._api.list_repo_tree(self.repo_id, recursive=True, revision=commit, repo_type=DATASET)
        for entry in entries:
            if isinstance(entry, HubFile):
                yield entry.path, ListedFile(entry.size, entry.lfs.sha256 if entry.lfs else None)

    def _ask(self, question: Callable[[], Result]) -> Result:
        """Returns the Hub's answer, asked again while its failures may pass."""

        def ask() -> Result:
            try:
                return question()
            except RevisionNotFoundError:
                raise _MissingError(f"{self.repo_id}: has no revision {self.revision!r}") from None
            except (RepositoryNotFoundError, HfHubHTTPError) as error:
                is_missing = isinstance(error, RepositoryNotFoundError)
                if is_missing or is_denied(error):
                    raise (_MissingError if is_missing else SourceError)(
                        f"{self.address}: no such repo, or the token may not see it ({status_of(error)}); "
                        f"check the name, or run `hf auth login`"
                    ) from None
                raise

        try:
            return RetryPolicy(seconds=self.patience).call(ask)
        except RequestFailedError as error:
            raise OutputError(f"{self.address}: {_failure(error)}") from None
        except _MissingError as error:
            raise NoDatasetError(str(error)) from None
        except SourceError as error:
            raise OutputError(str(error)) from None

    def _get(self, get: Callable[[], Result], path: str) -> Result:
        """Returns what is at a path, asked for again while failures may pass."""

        def get_if_there() -> Result:
            try:
                return get()
            except RemoteEntryNotFoundError as error:
                raise FileNotFoundError(path) from error

        try:
            return RetryPolicy(seconds=self.patience).call(get_if_there, FileNotFoundError)
        except FileNotFoundError:
            raise UnreadableFileError("the Hub lists it but does not have it") from None
        except RequestFailedError as error:
            self.require_answer()
            raise UnreadableFileError(_failure(error)) from None
        except SourceError as error:
            raise UnreadableFileError(str(error)) from None


def _failure(error: RequestFailedError) -> str:
    if error.is_final:
        return f"the Hub refused ({error})"
    return (
        f"the Hub does not answer ({error.failures} failures in {error.seconds:.0f} s, {error.reason}); "
        f"try the same command again later"
    )
