"""Repeats what failed because of a network."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

WAITS = (0.25, 0.5, 1, 2)
"""The seconds to wait before each further attempt at a remote read."""


def patiently(call: Callable[[], T]) -> T:
    """Call a function, and again after a while if the Hub or the network fails temporarily."""
    for wait in WAITS:
        try:
            return call()
        except Exception as error:
            if _is_lasting(error):
                raise
        time.sleep(wait)
    return call()


def _is_lasting(error: Exception) -> bool:
    """Returns whether another attempt would fail in the same way, as far as that is known."""
    # Imported late: a folder is read without it.
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    if isinstance(error, HfHubHTTPError):
        return error.response.status_code < 500 and error.response.status_code != 429
    # Each network library has its own errors, and an answer that was cut short looks like a damaged file.
    return isinstance(error, FileNotFoundError | HFValidationError | OfflineModeIsEnabled)
