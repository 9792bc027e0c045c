"""Names the files and splits of a dataset repo, which are the same in a folder and on the Hub."""

CARD = "README.md"
DATA_FOLDERS = ("data", "episodes", "manifests")
"""The folders of a dataset repo: the steps, the tables of episodes, and the manifests."""
MOST_CHECKPOINT = 99
"""The largest checkpoint number: folder names have two digits, so that they sort in order of play."""


def split_name(run: int) -> str:
    """Returns the name of a run's split: `run_1`."""
    return f"run_{run}"
