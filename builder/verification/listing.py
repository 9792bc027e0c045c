"""A repo's listing against its manifests: files that are missing, have another size, or are unknown."""

import posixpath
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from ..card.pictures.names import paths_beside_data
from ..files import TEMPORARY_SUFFIX, sha256_of
from ..format.checkpoint_id import CheckpointId
from ..format.games import ALL_GAMES, Game
from ..format.layout import CARD, DATA_FOLDERS, GAME_FOLDERS, PAGES
from ..format.manifest import Manifest
from ..repos.repo_reader import ListedFile, RepoReader, UnreadableFileError
from .manifests import place_of, redo
from .report import Difference

_PAGE_FILES = frozenset(path for game in ALL_GAMES for path in paths_beside_data(game))


def check_listed(manifest: Manifest, files: Mapping[str, ListedFile]) -> Iterator[Difference]:
    """Check that all files that the manifest names are there, as far as a listing shows."""
    for record in manifest.files():
        listed = files.get(record.path)
        if listed is None:
            yield Difference(record.path, f"missing, though its manifest names it; {redo(manifest)}")
        elif listed.size != record.size:
            yield Difference(
                record.path, f"found {listed.size:,} bytes, expected {record.size:,}; {redo(manifest)}"
            )
        elif listed.sha256 not in (None, record.sha256):
            yield Difference(
                record.path, f"found SHA-256 {listed.sha256}, expected {record.sha256}; {redo(manifest)}"
            )


def check_hashes(
    manifest: Manifest,
    files: Mapping[str, ListedFile],
    repo: RepoReader,
    progress: Callable[[int], object] = lambda size: None,
) -> Iterator[Difference]:
    """Check the SHA-256 of all files of the right size whose listing has none, as in a folder.

    Args:
        manifest: the manifest of the checkpoint.
        files: the repo's listing.
        repo: the repo that holds the files.
        progress: called with the number of bytes read since the last call.
    """
    for record in manifest.files():
        listed = files.get(record.path)
        if listed is None or listed.size != record.size or listed.sha256 is not None:
            continue
        try:
            with repo.fetch(record.path) as path:
                found = sha256_of(path)
        except (UnreadableFileError, OSError) as error:
            yield Difference(record.path, f"cannot be read ({error}); {redo(manifest)}")
            continue
        progress(record.size)
        if found != record.sha256:
            yield Difference(
                record.path, f"found SHA-256 {found}, expected {record.sha256}; {redo(manifest)}"
            )


def find_strays(
    files: Collection[str], manifests: Sequence[Manifest], unusable: Collection[str]
) -> Iterator[Difference]:
    """Yield the files that no manifest names.

    Args:
        files: all files of the repo, or of some games.
        manifests: the manifests that could be read.
        unusable: paths of the others; files of their checkpoints have already been reported.
    """
    known = {path for each in manifests for path in (place_of(each), *(file.path for file in each.files()))}
    pardoned = set(map(CheckpointId.of_file, unusable))
    with_manifest = {manifest.id for manifest in manifests}
    without: dict[str, list[str]] = defaultdict(list)
    for leftover in dict.fromkeys(filter(None, map(_leftover, sorted(files)))):
        yield Difference(
            leftover, "left by a build or publication that was stopped; run it to its end, or remove it"
        )
    for path in sorted(files):
        checkpoint = CheckpointId.of_file(path)
        if _leftover(path):
            continue
        if path in known or _is_free(path) or (checkpoint is not None and checkpoint in pardoned):
            continue
        folder = posixpath.dirname(path)
        if folder.startswith("data/") and checkpoint not in with_manifest:
            without[folder].append(posixpath.basename(path))
        else:
            yield Difference(path, "found a file that no manifest names; remove it")
    for folder, names in without.items():
        yield Difference(
            folder,
            f"found {', '.join(names)} without a manifest; publish this checkpoint again, or remove it",
        )


def check_home(files: Collection[str], home: Game) -> Iterator[Difference]:
    """Check that a game's place holds that game and no other."""
    if not any(is_of(path, [home]) for path in files):
        yield Difference(f"data/{home.slug}", f"missing; this is the place of {home}: publish it again")
    for game in ALL_GAMES:
        if game != home and any(is_of(path, [game]) for path in files):
            yield Difference(
                f"data/{game.slug}",
                f"found {game} in the place of {home}; remove it there, and publish it to its own",
            )


def is_of(path: str, games: Sequence[Game] | None) -> bool:
    """Returns whether a file belongs to the data of these games, or of any game if None."""
    top, _, below = path.partition("/")
    return top in DATA_FOLDERS and (games is None or below.partition("/")[0] in {game.slug for game in games})


def own_files(files: Collection[str]) -> list[str]:
    """Returns what people keep at a dataset's root and beside games' pages, except hidden files."""
    tops = {path.partition("/")[0] + "/" * ("/" in path) for path in files}
    ours = {*(f"{top}/" for top in GAME_FOLDERS), CARD}
    beside = [path for path in files if path.startswith(f"{PAGES}/") and path not in _PAGE_FILES]
    names = [*(top for top in tops - ours if top[0] != "."), *(path for path in beside if "/." not in path)]
    return sorted(name for name in names if not _leftover(name))


def _is_free(path: str) -> bool:
    """Returns whether a file is irrelevant to a dataset: outside its folders, or hidden."""
    return path.partition("/")[0] not in DATA_FOLDERS or "/." in path


def _leftover(path: str) -> str | None:
    """Returns the temporary file or folder of ours that the path is or lies in, if any."""
    parts = path.split("/")
    for place, part in enumerate(parts):
        is_ours = parts[0] in GAME_FOLDERS or part.startswith((".", CARD))
        if part.endswith(TEMPORARY_SUFFIX) and is_ours:
            return "/".join(parts[: place + 1])
    return None
