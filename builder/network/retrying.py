"""How often and how long a failing store is tried again."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ..errors import SourceError, UnreachableError
from .errors import describe_error, is_final, retry_after

Result = TypeVar("Result")


@dataclass(frozen=True)
class Patience:
    """When to give up. The option `patience=SECONDS` of a source sets the first."""

    seconds: float = 120.0
    """Without a byte, or an answer."""
    first_wait: float = 0.25
    """Seconds before the second attempt; doubled for each one after that, and shortened at random."""
    longest_wait: float = 20.0
    """Seconds."""
    failures: int = 200
    """At one file, however much arrives in between."""


class Attempts:
    """The attempts to get one thing: waits between them, and gives up in the end.

    Args:
        where: what is tried, for the message.
        patience: when to give up.
        stop: ends a wait when another thread sets it.
    """

    def __init__(self, where: str, patience: Patience, stop: threading.Event | None = None) -> None:
        self._where = where
        self._patience = patience
        self._stop = stop or threading.Event()
        self._failures = 0
        self._in_a_row = 0
        self._since = time.monotonic()

    def succeeded(self) -> None:
        """Something arrived: patience begins anew."""
        self._in_a_row = 0
        self._since = time.monotonic()

    def failed(self, error: Exception, what: str = "") -> None:
        """Wait before the next attempt, as long as the server asks for if it does.

        Raises:
            SourceError: trying again would not help, or patience is at an end.
        """
        if is_final(error):
            raise SourceError(
                f"{self._where}: cannot be read ({describe_error(error)}); check that you may read it"
            ) from None
        self._failures += 1
        self._in_a_row += 1
        wait = self._wait(error)
        elapsed = time.monotonic() - self._since
        if self._failures >= self._patience.failures or elapsed + wait > self._patience.seconds:
            asked = retry_after(error)
            asks = f"; the server asks to come back in {asked:,.0f} s" if asked else ""
            raise UnreachableError(
                f"{self._where}: given up{what} after {self._failures} failures, {elapsed:.0f} s without "
                f"an answer ({describe_error(error)}{asks}); try the same command again later: finished "
                f"checkpoints stay"
            ) from None
        self._stop.wait(wait)

    def _wait(self, error: Exception) -> float:
        wait = min(self._patience.longest_wait, self._patience.first_wait * 2.0 ** (self._in_a_row - 1))
        return max(retry_after(error) or 0.0, wait * random.uniform(0.5, 1.0))


def patiently(action: Callable[[], Result], where: str, patience: Patience) -> Result:
    """What the action gives, tried again while its failures may pass.

    Raises:
        FileNotFoundError: the action raised it.
        SourceError: its failure is final, or patience is at an end.
    """
    attempts = Attempts(where, patience)
    while True:
        try:
            return action()
        except (FileNotFoundError, NotADirectoryError, SourceError):
            raise
        except Exception as error:
            attempts.failed(error)
