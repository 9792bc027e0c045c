"""Compares what lies in a folder with what is to be collected into it."""

from pathlib import Path

from ..errors import AtariReplayError, OutputError
from ..format.provenance import FILE_NAME, Provenance

_UNCOMPARED = ("collector",)
"""Details in which a run may differ from the current settings and still be the same collection."""
_ADVICE = "choose another --out or --run, or remove it"


def is_there(folder: Path, provenance: Provenance) -> bool:
    """Returns whether a folder holds the run of this provenance.

    Raises:
        OutputError: something else is in its place.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    try:
        text = (folder / FILE_NAME).read_text(encoding="utf-8")
        there = Provenance.from_json(text, str(folder / FILE_NAME)).details
    except (OSError, ValueError, AtariReplayError):
        raise OutputError(f"{folder} holds something that was not collected here: {_ADVICE}") from None
    wanted = provenance.details
    keys = sorted({*there, *wanted}.difference(_UNCOMPARED))
    if differing := [key for key in keys if there.get(key) != wanted.get(key)]:
        raise OutputError(f"{folder} was collected with other settings ({', '.join(differing)}): {_ADVICE}")
    return True
