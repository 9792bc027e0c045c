"""A folder that holds a dataset repo, or nothing yet."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..card.front_matter import decode_readme
from ..errors import OutputError
from ..files import TEMPORARY_SUFFIX, read_small
from ..format.checkpoint_id import CheckpointId
from ..format.games import ALL_GAMES, Game
from ..format.layout import CARD, GAME_FOLDERS
from ..format.manifest import Manifest

HUB_ATTRIBUTES = ".gitattributes"
"""A file in every clone of a Hub repo, even if its owner has only begun the card."""

_EVERYWHERE = (".DS_Store", ".cache")
"""Names that programs leave in any folder; names that begin with `.git` are also allowed."""

_PATTERN = re.compile(r"\[[^/]*\]|::")
"""What `datasets` does not take literally in the path of a folder."""

_GENERATED = "<!-- generated:"
"""The beginning of the marks on our cards."""


def check_repo_folder(folder: Path) -> None:
    """Reject a folder that holds something other than a dataset of ours.

    In a folder that has a manifest of ours, people may keep hidden files and files such as a LICENSE.

    Raises:
        OutputError: it holds something else, it is not a folder, its name is one that `datasets` cannot load
            from, or its card is not UTF-8.
    """
    _check_name(folder)
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file; name a folder")
    if others := _others(folder):
        raise OutputError(
            f"{folder}: holds {', '.join(others[:3])}, so it is not a dataset that this tool wrote; "
            f"name an empty folder, or one that holds such a dataset"
        )
    card = folder / CARD
    if not card.exists():
        return
    text = decode_readme(read_repo_file(card), str(folder))
    if _GENERATED not in text and not _has_manifest(folder) and not (folder / HUB_ATTRIBUTES).exists():
        raise OutputError(
            f"{folder}: holds a {CARD} but no dataset, so it looks like another project; name another folder"
        )


def _check_name(folder: Path) -> None:
    """Reject a place at which a dataset could be built and never loaded."""
    name = str(folder.resolve())
    try:
        name.encode()
    except UnicodeEncodeError:
        raise OutputError(
            f"{name!a}: a folder whose name is not UTF-8, from which `datasets` loads nothing; "
            f"name another folder"
        ) from None
    if taken := _PATTERN.search(name):
        raise OutputError(
            f"{folder}: `datasets` takes {taken[0]!r} in {name} for a pattern, and finds no files there; "
            f"name another folder"
        )


def read_repo_file(path: Path) -> bytes:
    """Returns the content of a manifest or a card.

    Raises:
        OutputError: it cannot be read, or is not a small file.
    """
    try:
        return read_small(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be read ({error.strerror})") from None


def read_manifests(folder: Path, game: Game) -> list[Manifest]:
    """Returns the manifests of a game's checkpoints, by run and checkpoint.

    Raises:
        OutputError: one cannot be read, or lies in another checkpoint's place.
    """
    found = find_manifests(_manifest_paths(folder, game.slug))
    return [
        read_manifest(read_repo_file(folder / path), path, str(folder)) for _, path in sorted(found.items())
    ]


def find_manifests(paths: Iterable[str]) -> dict[CheckpointId, str]:
    """Returns the path of each checkpoint's manifest among the paths of a repo's files.

    If a checkpoint has manifests of two formats, the one of the newer format counts: the other one is left
    of a publication that was stopped.
    """
    found: dict[CheckpointId, str] = {}
    for path in paths:
        checkpoint = CheckpointId.of_manifest(path)
        if checkpoint is not None and (checkpoint not in found or path == checkpoint.manifest):
            found[checkpoint] = path
    return found


def manifests_first(paths: Iterable[str]) -> list[str]:
    """Returns the paths in the order in which to delete them: no manifest vouches for files that are gone."""
    return sorted(paths, key=lambda path: (CheckpointId.of_manifest(path) is None, path))


def read_manifest(content: bytes, path: str, where: str) -> Manifest:
    """Returns a manifest that is where it belongs and names only files of its checkpoint.

    Args:
        content: the file's bytes.
        path: the file's path in the repo.
        where: the repo's name, for messages.

    Raises:
        OutputError: it is not a manifest, or it belongs elsewhere.
    """
    manifest = Manifest.from_json(content, f"{where}/{path}")
    if path != manifest.path or not manifest.is_of(manifest.id):
        raise OutputError(
            f"{where}/{path}: names files that do not belong to this checkpoint; remove it and publish this "
            f"checkpoint again"
        )
    return manifest


def _has_manifest(folder: Path) -> bool:
    return bool(find_manifests(_manifest_paths(folder, "*")))


def _manifest_paths(folder: Path, slug: str) -> Iterator[str]:
    for pattern in (
        f"manifests/{slug}/run_*/checkpoint_*.json",
        f"data/{slug}/run_*/checkpoint_*/manifest.json",
    ):
        yield from (path.relative_to(folder).as_posix() for path in folder.glob(pattern))


def _others(folder: Path) -> list[str]:
    """Returns what no dataset of ours holds."""
    is_ours = _has_manifest(folder)
    slugs = {game.slug for game in ALL_GAMES}
    others = []
    for path in sorted(folder.iterdir()) if folder.exists() else []:
        if path.name in GAME_FOLDERS:
            inside = sorted(each.name for each in path.iterdir()) if path.is_dir() else [""]
            others += [f"{path.name}/{name}" for name in inside if name not in slugs and name[:1] != "."]
        elif not (_is_anywhere(path) or (is_ours and (path.name.startswith(".") or path.is_file()))):
            others.append(path.name)
    return others


def _is_anywhere(path: Path) -> bool:
    """Returns whether a folder without a dataset may hold this."""
    named = path.name == CARD or path.name in _EVERYWHERE
    return named or path.name.startswith(".git") or path.suffix == TEMPORARY_SUFFIX
