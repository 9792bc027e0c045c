"""Names the files and splits of a dataset repo, which are the same in a folder and on the Hub."""

CARD = "README.md"
DATA_FOLDERS = ("data", "episodes", "manifests")
"""The folders of a dataset repo: the steps, the tables of episodes, and the manifests."""
PAGES = "games"
"""The folder of the games' pages, which the card links, and of their pictures."""
GAME_FOLDERS = (*DATA_FOLDERS, PAGES)
"""The folders of a dataset repo in which each game has a folder of its own."""
POLITE_CARD_BYTES = 200_000
"""Bytes of a card beyond which the Hub may refuse it; the card of the whole collection has fewer."""
MOST_CHECKPOINT = 99
"""The largest checkpoint number: folder names have two digits, so that they sort in order of play."""


def split_name(run: int) -> str:
    """Returns the name of a run's split: `run_1`."""
    return f"run_{run}"


def page_path(slug: str) -> str:
    """Returns the path of a game's page: `games/pong/README.md`."""
    return f"{PAGES}/{slug}/{CARD}"
