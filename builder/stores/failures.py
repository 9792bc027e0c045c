"""Describes to a user why a source cannot be read."""

from ..errors import SourceError, UnreachableError
from ..network.retrying import RequestFailedError


def source_error(where: str, error: RequestFailedError, at: str = "") -> SourceError:
    """Returns the error for a file or folder of a source that cannot be read.

    Args:
        where: the name in messages.
        error: the failure.
        at: how far reading got, if it began: " at byte 8,192".
    """
    if error.is_final:
        return SourceError(f"{where}: cannot be read ({error}); check that you may read it")
    return UnreachableError(
        f"{where}: given up{at} after {error.failures} failures, {error.seconds:.0f} s without "
        f"an answer ({error.reason}); try the same command again later: finished checkpoints stay"
    )
