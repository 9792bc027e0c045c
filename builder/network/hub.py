"""Requests to the Hub: patient while it is too busy, with errors that say what to do."""

import contextlib
import json
import random
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import quote

from huggingface_hub import HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled, RepositoryNotFoundError
from huggingface_hub.utils import (
    are_progress_bars_disabled,
    build_hf_headers,
    disable_progress_bars,
    enable_progress_bars,
    get_session,
    hf_raise_for_status,
)

from ..errors import OutputError
from .errors import PASSING, describe_error, retry_after

MOST_FAILURES = 30
"""In a row, at one request."""
FIRST_WAIT = 0.5
"""Seconds before the second attempt; doubled for each one after that, and shortened at random."""
LONGEST_WAIT = 60.0
"""Seconds, unless the Hub asks for more."""

# Of whichever HTTP library huggingface_hub uses; all that it raises descends from this.
_HTTPError: type[Exception] = HfHubHTTPError.__bases__[0]
_ON_THE_WAY = (_HTTPError, json.JSONDecodeError, ConnectionError, TimeoutError)

_RESET = re.compile(r"\br\s*=\s*0\s*;\s*t\s*=\s*(\d+)")
"""The Hub's own header of a rate limit: nothing is left, and in t seconds there is."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class HubRequests:
    """The client, in hands that do not give up at once.

    The client itself repeats some requests, for half a minute at most, and waits for ever for an answer.
    """

    page: str
    """Of what the requests are about: the path of its address."""
    token: str | None = field(repr=False)
    endpoint: str | None
    patience: float
    """Seconds that a request may take, with all its attempts."""
    silence: float
    """Seconds without a byte after which an attempt has failed."""

    @cached_property
    def api(self) -> HfApi:
        """The client."""
        return HfApi(endpoint=self.endpoint, token=self.token)

    @property
    def address(self) -> str:
        """Of the page."""
        return f"{self.api.endpoint}/{self.page}"

    def retrying(self, call: Callable[[], Result]) -> Result:
        """What `call` returns, called again while the Hub is too busy or the network fails.

        Waits as long as the Hub asks for, if it does, unless patience ends before.
        """
        since = time.monotonic()
        for failures in range(1, MOST_FAILURES + 1):
            try:
                self._limit_silence()
                return call()
            except _ON_THE_WAY as error:
                wait = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** (failures - 1)) * random.uniform(0.5, 1.0)
                wait = max(wait, _asked_for(error) or 0.0)
                is_late = time.monotonic() - since + wait > self.patience
                if _is_final(error) or is_late or failures == MOST_FAILURES:
                    raise
                time.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def _limit_silence(self) -> None:
        client = get_session()
        if client.timeout.read is None:
            client.timeout = self.silence

    def get(self, path: str, **query: str | bool) -> Any:
        """The answer to a GET request: of httpx's Response or what takes its place."""
        url = path if "://" in path else f"{self.api.endpoint}{path}"

        def attempt() -> Any:
            headers = build_hf_headers(token=self.token)
            response = get_session().get(url, params=query or None, headers=headers)
            hf_raise_for_status(response)
            return response

        return self.retrying(attempt)

    def tree(self, repo_id: str, commit: str, folder: str, *, recursive: bool) -> Iterator[dict[str, Any]]:
        """What lies in a folder of a dataset repo, or also below, page by page."""
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
        """Turn the errors of the Hub and of the way there into one that says what to do, without the token.

        Raises:
            OutputError: instead of them.
        """
        try:
            yield
        except _ON_THE_WAY as error:
            message = self._explain(error)
            token = self.token or get_token()
            raise OutputError(message.replace(token, "…") if token else message) from None
        except OSError as error:
            raise OutputError(
                f"{error.filename or self.address}: cannot be read ({error.strerror or error})"
            ) from None

    def _explain(self, error: Exception) -> str:
        status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
        if status == 401 and (self.token or get_token()):
            return (
                f"{self.address}: the Hub does not accept the token; make a new one and run `hf auth login`"
            )
        if status == 401:
            return f"{self.address}: the Hub wants a token; run `hf auth login`, or set HF_TOKEN"
        if status == 403:
            return f"{self.address}: the token may not write there; use one with write permission"
        if isinstance(error, RepositoryNotFoundError):
            return f"{self.address}: no such repo, or the token may not see it"
        if status is not None and status not in PASSING:
            said = getattr(error, "server_message", None) or type(error).__name__
            return f"{self.address}: the Hub refused ({status}: {said})"
        asked = _asked_for(error)
        reason = f"{status or describe_error(error)}{f', come back in {asked:,.0f} s' if asked else ''}"
        return f"{self.address}: the Hub does not answer ({reason}); publish again to go on from here"


def _is_final(error: Exception) -> bool:
    if isinstance(error, OfflineModeIsEnabled):
        return True
    return isinstance(error, HfHubHTTPError) and error.response.status_code not in PASSING


def _asked_for(error: Exception) -> float | None:
    """Seconds that the Hub asks to be left alone."""
    if not isinstance(error, HfHubHTTPError):
        return None
    reset = _RESET.search(error.response.headers.get("RateLimit", ""))
    if error.response.status_code == 429 and reset:
        return float(reset[1])
    return retry_after(error)


@contextlib.contextmanager
def without_client_bars() -> Iterator[None]:
    """Without a progress bar of the client's for each file."""
    were_disabled = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not were_disabled:
            enable_progress_bars()
