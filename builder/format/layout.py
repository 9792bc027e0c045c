"""Names of the files and splits of a dataset repo; the same in a folder and on the Hub."""

CARD = "README.md"
MANIFEST = "manifest.json"
MOST_CHECKPOINT = 99
"""Folders are named with two digits, so that their order is the order of play."""


def split_name(run: int) -> str:
    """Returns the name of a run's split: `run_1`."""
    return f"run_{run}"
