"""When a failed request is tried again, and when it is given up."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from .errors import describe_error, is_final, is_network_failure, retry_after

Result = TypeVar("Result")


class RequestFailedError(Exception):
    """A request failed for good: it was refused, or tried again until patience ended.

    It states what happened and leaves the wording to the caller, who knows what the request was for. The
    failure that it reports is also its `__cause__`, so that `status_of` and `is_denied` see through it.
    """

    def __init__(self, cause: Exception, failures: int = 1, seconds: float = 0.0) -> None:
        super().__init__(describe_error(cause))
        self.__cause__ = self.cause = cause
        """The last failure."""
        self.failures = failures
        """Number of failures."""
        self.seconds = seconds
        """Time since the last success, or since the first attempt."""

    @property
    def is_final(self) -> bool:
        """Whether the request was refused, so that trying again would not help."""
        return is_final(self.cause)

    @property
    def retry_after(self) -> float | None:
        """Seconds for which the server asks not to be called; None if it does not say."""
        return retry_after(self.cause)

    @property
    def reason(self) -> str:
        """The last failure in one short line, without credentials."""
        asked = self.retry_after
        return str(self) + (f"; the server asks to come back in {asked:,.0f} s" if asked else "")


@dataclass(frozen=True)
class RetryPolicy:
    """How long and how often a request is tried while its failures may pass."""

    seconds: float = 120.0
    """Time without a byte, or an answer, after which a request is given up."""
    first_wait: float = 0.25
    """Seconds before the second attempt; doubled for each one after that, and randomly shortened."""
    longest_wait: float = 20.0
    """Longest wait in seconds, unless the server asks for more."""
    failures: int = 200
    """Failures of one request after which it is given up, however much arrives in between."""

    def call(self, request: Callable[[], Result], *answers: type[Exception]) -> Result:
        """Returns what the request returns, tried again while its failures may pass.

        Args:
            request: called without arguments.
            answers: exceptions that are answers rather than failures. They are raised as they are, like
                those that do not come from a network, a server or a disk.

        Raises:
            RequestFailedError: the request was refused or given up.
        """
        attempts = Attempts(self)
        while True:
            try:
                return request()
            except answers:
                raise
            except Exception as error:
                if not is_network_failure(error):
                    raise
                attempts.failed(error)


class Attempts:
    """The attempts at one request, of which parts may succeed.

    Args:
        policy: when to give up.
        stop: ends a wait when another thread sets it.
    """

    def __init__(self, policy: RetryPolicy, stop: threading.Event | None = None) -> None:
        self._policy = policy
        self._stop = stop or threading.Event()
        self._failures = 0
        self._in_a_row = 0
        self._since = time.monotonic()

    def succeeded(self) -> None:
        """Record that something arrived: the time without an answer starts again."""
        self._in_a_row = 0
        self._since = time.monotonic()

    def failed(self, error: Exception) -> None:
        """Wait before the next attempt, for as long as the server asks if it does.

        Raises:
            RequestFailedError: trying again would not help, or this was the last attempt.
        """
        self._failures += 1
        self._in_a_row += 1
        elapsed = time.monotonic() - self._since
        wait = self._wait(error)
        is_last = self._failures >= self._policy.failures or elapsed + wait > self._policy.seconds
        if is_last or is_final(error):
            raise RequestFailedError(error, self._failures, elapsed) from error
        self._stop.wait(wait)

    def _wait(self, error: Exception) -> float:
        # A larger power would overflow a float after a thousand failures.
        doublings = min(self._in_a_row - 1, 32)
        wait = min(self._policy.longest_wait, self._policy.first_wait * 2.0**doublings)
        return max(retry_after(error) or 0.0, wait * random.uniform(0.5, 1.0))
