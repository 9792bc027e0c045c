"""Finds the files of a dataset, in a folder or in a repo on the Hub, and those of a config's split."""

import os
import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem
from fsspec.utils import glob_translate

from ..builder.files import MOST_SMALL_BYTES, read_small
from ..builder.format.configs import ConfigName, select_checkpoints
from ..builder.format.layout import CARD
from .card import CardConfig, choose_splits, read_config
from .errors import DatasetError
from .patience import TO_OPEN, patiently

_REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Repository:
    """A tree of files in a repo's layout."""

    name: str
    """The name as given by the user."""
    file_system: Any
    root: str
    """The root path within the file system."""
    offline: str | None = None
    """Why the cached copy of a repo is used instead of the repo; None if it is not."""

    def url(self, path: str) -> str:
        """Returns the URL at which a file of the tree is read."""
        local = isinstance(self.file_system, LocalFileSystem)
        return f"{'' if local else 'hf://'}{self.root}/{path}"

    def read(self, path: str) -> bytes | None:
        """Returns a small file's content, or None if the file does not exist.

        Raises:
            DatasetError: it cannot be read, is not a regular file, or is too large.
        """
        try:
            if isinstance(self.file_system, LocalFileSystem):
                return read_small(Path(self.root, path))
            content = patiently(lambda: self._fetch(path))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DatasetError(f"{self.url(path)}: cannot be read ({error})") from None
        if len(content) > MOST_SMALL_BYTES:
            raise DatasetError(f"{self.url(path)}: is larger than {MOST_SMALL_BYTES:,} bytes")
        return content

    def _fetch(self, path: str) -> bytes:
        from huggingface_hub.errors import EntryNotFoundError

        try:
            with self.file_system.open(f"{self.root}/{path}", "rb", block_size=0) as file:
                return file.read(MOST_SMALL_BYTES + 1)
        except EntryNotFoundError:
            raise FileNotFoundError(path) from None

    def files_below(self, folder: str) -> list[str]:
        """Returns the regular files below a folder, relative to the root, ascending; none without it."""
        top = f"{self.root}/{folder}".rstrip("/")
        local = isinstance(self.file_system, LocalFileSystem)
        find: Callable[[], dict[str, Any]] = lambda: self.file_system.find(top, detail=True)  # noqa: E731
        found = find() if local else patiently(find)
        start = len(self.root) + 1
        # The Hub's cache contains links to files.
        return sorted(
            path[start:]
            for path, info in found.items()
            if info["type"] == "file" or (info.get("islink") and Path(path).is_file())
        )

    def match(self, patterns: Iterable[str]) -> list[str]:
        """Returns the Parquet files that match globs, in order of the globs, as `datasets` matches them."""
        listed: dict[str, list[str]] = {}
        files: dict[str, None] = {}
        for pattern in patterns:
            pattern = pattern.removeprefix("./")
            literal = _MAGIC.split(pattern, maxsplit=1)[0].rpartition("/")[0]
            if literal not in listed:
                listed[literal] = self.files_below(literal)
            matches = re.compile(glob_translate(pattern)).fullmatch
            hidden = _hidden_parts(pattern)
            files.update(
                dict.fromkeys(
                    path for path in listed[literal] if matches(path) and _hidden_parts(path) == hidden
                )
            )
        return list(files)


def _hidden_parts(path: str) -> int:
    return sum(part.startswith((".", "__")) for part in path.split("/"))


def find_files(
    dataset: str | os.PathLike[str],
    name: ConfigName,
    split: str,
    revision: str | None,
    token: str | bool | None,
) -> tuple[list[str], int | None]:
    """Returns the locations of a split's files, and the number of steps that the card states for them.

    Raises:
        DatasetError: the dataset, config or split does not exist, or none of its files do.
    """
    repository = open_repository(dataset, revision, token)
    card = repository.read(CARD)
    if card is None:
        config = _config_by_layout(repository, name)
    else:
        config = read_config(card, f"{repository.name}: {CARD}", str(name))
    where = f"{repository.name}: {name}"
    splits = choose_splits(split, list(config.patterns), where)
    files = {each: repository.match(config.patterns[each]) for each in splits}
    for each, found in files.items():
        if not found and (split != "all" or not any(files.values())):
            raise DatasetError(f"{where}: the card lists {each}, but {_how_to_get(repository)}")
    counts = [config.steps.get(each) for each in splits]
    total = None if None in counts else sum(count for count in counts if count is not None)
    return [repository.url(path) for found in files.values() for path in found], total


def _how_to_get(repository: Repository) -> str:
    if repository.offline is None:
        return "none of its files is there; fetch them, as `atari-dqn-replay download` does"
    return (
        f"{repository.offline}, and the cache of the Hub holds none of its files; go online, or give what "
        f"load_dataset prepared before, or the folder of huggingface_hub.snapshot_download"
    )


def warn_of_part(dataset: Any, counted: int | None, found: int) -> None:
    """Warn that a selection has more or fewer steps than the card states, e.g. because a part was copied."""
    if counted is not None and counted != found:
        warnings.warn(
            f"{dataset}: the card counts {counted:,} steps in this selection, its files here hold {found:,}; "
            f"reading those that are here",
            stacklevel=2,
        )


def open_repository(
    dataset: str | os.PathLike[str], revision: str | None, token: str | bool | None
) -> Repository:
    """Open a folder, or a repo on the Hub at its current revision.

    Raises:
        DatasetError: neither exists.
    """
    name = os.fspath(dataset)
    try:
        path = Path(name).expanduser()
    except RuntimeError:
        path = Path(name)
    if path.is_dir():
        return Repository(name, LocalFileSystem(), path.resolve().as_posix())
    if path.exists():
        raise DatasetError(f"{name}: is a file; name the folder or the repo of a built dataset")
    if not isinstance(dataset, str) or not _REPO_ID.fullmatch(name):
        raise DatasetError(
            f"{name}: there is no such folder, and a repo on the Hub has a name like user/name"
        )
    return _open_on_hub(name, revision, token)


def _open_on_hub(name: str, revision: str | None, token: str | bool | None) -> Repository:
    # Imported late: a folder is read without it.
    from huggingface_hub import HfApi, HfFileSystem
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HTTPError,  # pyright: ignore[reportPrivateImportUsage]  Each version has its own HTTP library.
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    api = HfApi(token=token)
    try:
        info = patiently(lambda: api.repo_info(name, repo_type="dataset", revision=revision), TO_OPEN)
        return Repository(name, HfFileSystem(token=token), f"datasets/{name}@{info.sha}")
    except GatedRepoError:
        reason = "its owner must grant you access; ask on its page, then give a token"
    except RepositoryNotFoundError:
        reason = "there is no such folder, and no such dataset on the Hub; if it is private, give token="
    except RevisionNotFoundError:
        reason = f"it has no revision {revision!r}"
    except HfHubHTTPError as error:
        reason = f"the Hub refuses ({error.response.status_code} {error.response.reason_phrase})"
    except OfflineModeIsEnabled:
        return _open_cached(name, revision, "HF_HUB_OFFLINE is set")
    except (HTTPError, ConnectionError, TimeoutError) as error:
        return _open_cached(name, revision, f"the Hub cannot be reached ({type(error).__name__}: {error})")
    except Exception as error:  # A name or a token that cannot be, for one.
        reason = f"cannot be opened on the Hub ({type(error).__name__}: {error})"
    raise DatasetError(f"{name}: {reason}")


def _open_cached(name: str, revision: str | None, reason: str) -> Repository:
    """Open what load_dataset or snapshot_download cached of a repo, with a warning that says so.

    Raises:
        DatasetError: nothing is cached.
    """
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(name, repo_type="dataset", revision=revision, local_files_only=True)
    except (OSError, ValueError):
        raise DatasetError(
            f"{name}: {reason}, and the cache of the Hub holds nothing of it; go online, or give what "
            f"load_dataset prepared before, or the folder of huggingface_hub.snapshot_download"
        ) from None
    warnings.warn(
        f"{name}: {reason}; reading what the cache of the Hub holds, of commit {Path(folder).name}",
        stacklevel=2,
    )
    # Its files are links to the cache's content.
    return Repository(name, LocalFileSystem(), Path(folder).resolve().as_posix(), reason)


def _config_by_layout(repository: Repository, name: ConfigName) -> CardConfig:
    """Returns a config of a tree without a card, from the locations of its files.

    Raises:
        DatasetError: the config has no files.
    """
    patterns: dict[str, list[str]] = {}
    top = f"data/{name.game.slug}"
    found: dict[str, set[int]] = {}
    for path in repository.files_below(top):
        place = re.fullmatch(rf"{re.escape(top)}/(run_\d+)/checkpoint_(\d\d)/[^/]+\.parquet", path)
        if place is not None:
            found.setdefault(place[1], set()).add(int(place[2]))
    for split, numbers in sorted(found.items()):
        if name.view == "expert":
            raise DatasetError(
                f"{repository.name}: has no card to say which checkpoint is the last; render it"
            )
        chosen = select_checkpoints(name.view, numbers, [])
        if chosen:
            patterns[split] = [f"{top}/{split}/checkpoint_{number:02d}/*.parquet" for number in chosen]
    if not patterns:
        raise DatasetError(_nothing_there(repository, name))
    return CardConfig(patterns, {})


def _nothing_there(repository: Repository, name: ConfigName) -> str:
    root = repository.root
    if isinstance(repository.file_system, LocalFileSystem):
        for depth in ("", "*/", "*/*/", "*/*/*/"):
            if next(Path(root).glob(f"{depth}$store$_*"), None) or next(
                Path(root).glob(f"{depth}replay_logs"), None
            ):
                return (
                    f"{repository.name}: these are replay logs; build a dataset of them first "
                    f"(atari-dqn-replay build {name.game.slug} --source {repository.name} --out FOLDER)"
                )
    return f"{repository.name}: has no card (README.md) and no steps of {name.game.slug}; was it built?"
