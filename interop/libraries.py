"""What a face says when the library that it stands in for is missing or too old."""

from importlib.metadata import PackageNotFoundError, version

from ..builder.errors import AtariReplayError


class LibraryError(AtariReplayError, ImportError):
    """A library is not installed, or its version is older than this package needs."""


def require(library: str, least: str, extra: str) -> None:
    """Check that a library is installed, without importing it.

    Args:
        library: its name on PyPI.
        least: the oldest version that will do, e.g. "0.14".
        extra: of this package, which installs it.

    Raises:
        LibraryError: it is missing or older.
    """
    advice = f"pip install 'atari-dqn-replay[{extra}]'"
    try:
        found = version(library)
    except PackageNotFoundError:
        raise LibraryError(
            f"{library} is not installed; expected {library} {least} or newer: {advice}"
        ) from None
    if _numbers(found) < _numbers(least):
        raise LibraryError(f"{library} {found} is too old; expected {library} {least} or newer: {advice}")


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("+")[0].split(".") if part.isdecimal())
