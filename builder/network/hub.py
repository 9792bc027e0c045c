"""Requests to the Hub: patient while it is too busy, with errors that advise what to do."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import quote

from huggingface_hub import HfApi, get_token
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RepositoryNotFoundError
from huggingface_hub.utils import (
    are_progress_bars_disabled,
    build_hf_headers,
    disable_progress_bars,
    enable_progress_bars,
    get_session,
    hf_raise_for_status,
    validate_repo_id,
)

from ..errors import OutputError
from .errors import status_of
from .retrying import RequestFailedError, Result, RetryPolicy

MOST_FAILURES = 30
"""Consecutive failures at one request after which it is given up."""
FIRST_WAIT = 0.5
"""Seconds before the second attempt; doubled for each one after that, and randomly shortened."""
LONGEST_WAIT = 60.0
"""Longest wait in seconds, unless the Hub asks for more."""


_UNEXPECTED = (json.JSONDecodeError, UnicodeDecodeError, AttributeError, KeyError, TypeError)
"""What the client raises about an answer that is not the JSON that it expects."""

_last = threading.local()
"""The last response of the client in each thread."""


def _remember(response: Any) -> None:
    _last.response = response


@dataclass(frozen=True)
class HubRequests:
    """Sends requests to the Hub, and does not give up at once.

    The client itself repeats some requests, for half a minute at most, and waits forever for an answer.
    """

    page: str
    """The path of the page that the requests are about."""
    token: str | None = field(repr=False)
    endpoint: str | None
    patience: float
    """Seconds that a request may take, including all its attempts."""
    silence: float
    """Seconds without a byte after which an attempt has failed."""

    @cached_property
    def api(self) -> HfApi:
        """The client."""
        return HfApi(endpoint=self.endpoint, token=self.token)

    @property
    def address(self) -> str:
        """The page's URL."""
        return f"{self.api.endpoint}/{self.page}"

    def retrying(self, call: Callable[[], Result]) -> Result:
        """Returns what `call` returns, called again while the Hub is too busy or the network fails.

        Raises:
            RequestFailedError: the Hub refused, or did not answer for as long as `patience`.
            OutputError: a file on this machine cannot be read.
        """

        def attempt() -> Result:
            self._prepare_client()
            try:
                return call()
            except _UNEXPECTED:
                # The client takes some answers for JSON before it looks at their status, which counts.
                response = getattr(_last, "response", None)
                if response is not None and response.is_error:
                    raise HfHubHTTPError(response.reason_phrase, response=response) from None
                raise
            except OSError as error:
                if error.errno is None or isinstance(error, ConnectionError | TimeoutError):
                    raise
                raise OutputError(
                    f"{error.filename or self.address}: cannot be read ({error.strerror or error})"
                ) from None

        policy = RetryPolicy(self.patience, FIRST_WAIT, LONGEST_WAIT, MOST_FAILURES)
        return policy.call(attempt)

    def _prepare_client(self) -> None:
        client = get_session()
        if client.timeout.read is None:
            client.timeout = self.silence
        if _remember not in client.event_hooks["response"]:
            client.event_hooks["response"].append(_remember)

    def get(self, path: str, headers: Mapping[str, str] | None = None, **query: str | bool) -> Any:
        """Returns the answer to a GET request: an httpx Response, or what replaces it.

        Raises:
            FileNotFoundError: the repo has no such file or folder.
        """
        url = path if "://" in path else f"{self.api.endpoint}{path}"

        def attempt() -> Any:
            response = get_session().get(
                url, params=query or None, headers=build_hf_headers(token=self.token) | {**(headers or {})}
            )
            hf_raise_for_status(response)
            return response

        try:
            return self.retrying(attempt)
        except RequestFailedError as error:
            if isinstance(error.cause, EntryNotFoundError):
                raise FileNotFoundError(path) from None
            raise

    def tree(self, repo_id: str, commit: str, folder: str, *, recursive: bool) -> Iterator[dict[str, Any]]:
        """Yield the entries of a folder of a dataset repo, also those below it if recursive, page by page."""
        path = f"/api/datasets/{repo_id}/tree/{commit}/{quote(folder, safe='')}"
        response = self.get(path, recursive=recursive)
        while True:
            yield from response.json()
            following = response.links.get("next", {}).get("url")
            if following is None:
                return
            response = self.get(following)

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Turn a failed request into an error that advises what to do, without the token.

        Raises:
            OutputError: raised instead of RequestFailedError.
        """
        try:
            yield
        except RequestFailedError as error:
            message = self._explain(error)
            token = self.token or get_token()
            raise OutputError(message.replace(token, "…") if token else message) from None

    def _explain(self, error: RequestFailedError) -> str:
        status = status_of(error)
        if status == 401 and (self.token or get_token()):
            return (
                f"{self.address}: the Hub does not accept the token; make a new one and run `hf auth login`"
            )
        if status == 401:
            return f"{self.address}: the Hub wants a token; run `hf auth login`, or set HF_TOKEN"
        if status == 403:
            return f"{self.address}: the token may not write there; use one with write permission"
        if isinstance(error.cause, RepositoryNotFoundError):
            return f"{self.address}: no such repo, or the token may not see it"
        if error.is_final and status is not None:
            said = getattr(error.cause, "server_message", None) or type(error.cause).__name__
            return f"{self.address}: the Hub refused ({status}: {said})"
        asked = error.retry_after
        reason = f"{status or error}{f', come back in {asked:,.0f} s' if asked else ''}"
        return f"{self.address}: the Hub does not answer ({reason}); publish again to go on from here"


@contextlib.contextmanager
def without_client_bars() -> Iterator[None]:
    """Suppress the client's progress bar for each file."""
    were_disabled = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not were_disabled:
            enable_progress_bars()


def check_repo_id(repo_id: str) -> None:
    """Check that this can be a repo's full name.

    Raises:
        OutputError: it cannot.
    """
    try:
        validate_repo_id(repo_id)
    except ValueError as error:
        raise OutputError(f"{repo_id!r} cannot be a repo's name: {error}") from None
    if repo_id.count("/") != 1:
        raise OutputError(f"{repo_id!r} is not a repo's full name: expected USER/NAME")
