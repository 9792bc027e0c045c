"""A folder that holds a dataset repo, or nothing yet."""

from pathlib import Path

from .errors import OutputError
from .files import TEMPORARY_SUFFIX
from .games import GAMES, Game
from .layout import CARD, MANIFEST
from .manifest import Manifest

DATA_FOLDERS = ("data", "episodes")
"""Where a dataset repo's Parquet files and manifests lie."""


def check_repo_folder(folder: Path) -> None:
    """Refuse a folder that holds something else than a dataset of ours.

    Raises:
        OutputError: it does, or it is no folder.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file; name a folder")
    if others := _others(folder):
        raise OutputError(
            f"{folder}: holds {', '.join(others[:3])}, so it is not a dataset of ours; "
            f"name an empty folder, or one that holds such a dataset"
        )


def read_manifests(folder: Path, game: Game) -> list[Manifest]:
    """The manifests of a game's checkpoints, by run and checkpoint.

    Raises:
        OutputError: one cannot be read.
    """
    paths = sorted((folder / "data" / game.slug).glob(f"run_*/checkpoint_*/{MANIFEST}"))
    manifests = [
        Manifest.from_json(path.read_bytes(), str(path)) for path in paths if path.parent.suffix == ""
    ]
    return sorted(manifests, key=lambda manifest: (manifest.run, manifest.checkpoint))


def _others(folder: Path) -> list[str]:
    """What no dataset of ours holds."""
    slugs = {game.slug for game in GAMES}
    others = []
    for path in sorted(folder.iterdir()) if folder.exists() else []:
        if path.name in DATA_FOLDERS:
            inside = sorted(each.name for each in path.iterdir()) if path.is_dir() else [""]
            others += [f"{path.name}/{name}" for name in inside if name not in slugs and name[:1] != "."]
        elif path.name != CARD and not path.name.startswith(".git") and path.suffix != TEMPORARY_SUFFIX:
            others.append(path.name)
    return others
