"""Repeats what failed because of the Hub or the network, by the policy of all requests."""

import time
from collections.abc import Callable
from typing import TypeVar

import pyarrow as pa

from ..builder.network.retrying import Attempts, RequestFailedError, RetryPolicy

T = TypeVar("T")

TO_OPEN = RetryPolicy(seconds=4.0)
"""For what is asked first: a wrong name, or no network, is likelier than a bad one."""

TO_READ = RetryPolicy()
"""For what is read later: a training need not end because the Hub is busy or the network away for a while."""

DAMAGE_WAITS = (0.25, 0.5, 1.0)
"""Seconds before further attempts at what looks damaged, as an answer that was cut short does, too."""


def patiently(call: Callable[[], T], policy: RetryPolicy = TO_READ) -> T:
    """Call a function, and again after a while if it fails and that may pass.

    Raises:
        Exception: what the last call has raised.
    """
    attempts, damage_waits = Attempts(policy), iter(DAMAGE_WAITS)
    while True:
        try:
            return call()
        except Exception as error:
            if not looks_damaged(error):
                _wait(attempts, error)
            elif (seconds := next(damage_waits, None)) is not None:
                time.sleep(seconds)
            else:
                raise


def _wait(attempts: Attempts, error: Exception) -> None:
    try:
        attempts.failed(error)
    except RequestFailedError:
        raise error from None


def looks_damaged(error: Exception) -> bool:
    """Returns whether pyarrow could not read a file: it raises OSErrors of its own, without an errno, too."""
    return isinstance(error, pa.ArrowException) or (type(error) is OSError and error.errno is None)
