"""Downloads a part of a published dataset into a folder, which is then a dataset of its own."""

import contextlib
import functools
import itertools
import os
from collections import defaultdict
from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..card.front_matter import FrontMatter, decode_readme
from ..card.licenses import LICENSES
from ..errors import OutputError, UnknownNameError
from ..files import sha256_of
from ..format.checkpoint_id import CheckpointId
from ..format.games import Game, find_game
from ..format.layout import CARD
from ..format.numbers import describe_numbers
from ..network.at_once import at_once
from ..network.hub import without_client_bars
from ..repos.built_folder import BuiltCheckpoint
from ..repos.disk_space import require_space
from ..repos.folder_destination import FolderDestination, uploaded
from ..repos.folder_reader import FolderReader
from ..repos.hub_reader import MAIN, HubReader
from ..repos.outgoing_file import OutgoingFile
from ..repos.repo_folder import find_manifests
from ..repos.repo_reader import NoDatasetError, RepoReader, UnreadableFileError
from ..terminal.progress import no_bars, progress_bar
from .carry_out import Publication, carry_out
from .publish import batches_of, changes_to, plan_change, put

CONNECTIONS = 4
"""Number of files that are downloaded at once."""


@dataclass(frozen=True)
class Download:
    """What was downloaded, or would be; its text is what the command line prints."""

    publication: Publication
    """The files that were written into the folder."""
    failures: Mapping[CheckpointId, str] = field(default_factory=dict)
    """Why some checkpoints could not be downloaded; the others were."""

    @property
    def ok(self) -> bool:
        """Whether everything that was requested is there."""
        return not self.failures

    def __str__(self) -> str:
        failed = [f"{checkpoint}: {reason}" for checkpoint, reason in self.failures.items()]
        again = ["run the same command again to download what is missing"] if failed else []
        return "\n".join([str(self.publication), *failed, *again])


def download(
    dataset: str | os.PathLike[str],
    games: str | Sequence[str],
    out: str | os.PathLike[str],
    *,
    runs: Collection[int] | None = None,
    checkpoints: Collection[int] | None = None,
    revision: str | None = None,
    token: str | None = None,
    dry_run: bool = False,
) -> Download:
    """Download games of a published dataset, or some of their runs and checkpoints, into a folder.

    The folder is then a dataset of its own, with a card that lists what is there, so plain `load_dataset`
    reads it. Every file is checked against its checkpoint's manifest. Killed at any moment and called again,
    it goes on with what is missing; later downloads into the same folder add to it.

    Args:
        dataset: a repo on the Hub (`user/name`), or a folder that holds a dataset.
        games: one or several games in any spelling, or `all`.
        out: the folder to write to.
        runs: the runs to download; None means all.
        checkpoints: the checkpoints to download of each run; None means all.
        revision: a branch, tag or commit of the repo; None means main.
        token: the token for a private repo; None uses the usual locations.
        dry_run: write nothing, and report what would be written.

    Returns:
        The files that were written, and why checkpoints could not be downloaded, if any.

    Raises:
        UnknownNameError: there is no such game, or the dataset has no such game, run or checkpoint.
        OutputError: there is no such dataset, it cannot be read, or the folder cannot be written.

    Example:

    ```python
    >>> from atari_dqn_replay import download
    >>> print(download("me/atari-dqn-replay", "pong", "part", runs=[1], checkpoints=range(40, 50)))
    ```
    """
    repo = _open(dataset, revision, token)
    destination = FolderDestination(Path(out).expanduser())
    destination.check(repo.folder if isinstance(repo, FolderReader) else None)
    found = find_manifests(repo.files())
    if not found:
        raise NoDatasetError(f"{repo.address}: holds no dataset that this tool has published")
    selected = _select(found, games, runs, checkpoints, repo.address)
    return _Downloader(repo, destination, {each: found[each] for each in selected}).run(dry_run=dry_run)


def _open(dataset: str | os.PathLike[str], revision: str | None, token: str | None) -> RepoReader:
    name = os.fspath(dataset)
    folder = Path(name).expanduser()
    if not folder.is_dir() and name.count("/") == 1 and isinstance(dataset, str):
        return HubReader(name, revision or MAIN, token)
    if revision is not None:
        raise OutputError(f"{name}: is a folder, which has no revisions; leave the revision out")
    return FolderReader(folder)


def _select(
    found: Collection[CheckpointId],
    games: str | Sequence[str],
    runs: Collection[int] | None,
    checkpoints: Collection[int] | None,
    where: str,
) -> list[CheckpointId]:
    """Returns the checkpoints that were requested, in order.

    Raises:
        UnknownNameError: some of them are not among those that were found.
    """
    there: dict[Game, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for each in sorted(found):
        there[each.game][each.run].append(each.number)
    names = [games] if isinstance(games, str) else games
    chosen = list(there) if "all" in names else sorted({find_game(name) for name in names})
    selected = []
    for game in chosen:
        if game not in there:
            raise UnknownNameError(f"{where}: holds no {game}; it has {', '.join(map(str, there))}")
        for run in sorted(there[game] if runs is None else set(runs)):
            if run not in there[game]:
                listed = describe_numbers(there[game])
                raise UnknownNameError(f"{where}: holds no run {run} of {game}; it has {listed}")
            numbers = there[game][run]
            if missing := sorted(set(checkpoints or ()).difference(numbers)):
                raise UnknownNameError(
                    f"{where}: holds no checkpoint {describe_numbers(missing)} of {game} run {run}; it has "
                    f"{describe_numbers(numbers)}"
                )
            wanted = numbers if checkpoints is None else sorted(set(checkpoints))
            selected += [CheckpointId(game, run, number) for number in wanted]
    return selected


class _Downloader:
    """Downloads the checkpoints whose manifests have these paths in a repo."""

    def __init__(
        self, repo: RepoReader, destination: FolderDestination, paths: Mapping[CheckpointId, str]
    ) -> None:
        self._repo, self._destination, self._paths = repo, destination, paths
        self._failures: dict[CheckpointId, str] = {}

    def run(self, *, dry_run: bool) -> Download:
        checkpoints = self._read_manifests()
        card = self._first_card()
        if dry_run:
            would = put(checkpoints, card, self._destination, dry_run=True)
            return Download(would, self._failures)
        with self._destination.uploading_alone():
            publication = self._download(checkpoints, card)
            self._destination.discard_uploads()
        return Download(publication, self._failures)

    def _read_manifests(self) -> list[BuiltCheckpoint]:
        paths = list(self._paths.values())
        contents = at_once(self._read, paths, 2 * CONNECTIONS)
        bar = progress_bar(contents, description="manifests", unit=" files", total=len(paths), leave=False)
        checkpoints = []
        for (checkpoint, path), content in zip(self._paths.items(), bar, strict=True):
            try:
                if isinstance(content, UnreadableFileError):
                    raise OutputError(f"{path}: cannot be read ({content})")
                checkpoints.append(BuiltCheckpoint.from_manifest(content, path, self._repo.address))
            except OutputError as error:
                self._failures[checkpoint] = str(error)
        return checkpoints

    def _read(self, path: str) -> bytes | UnreadableFileError:
        try:
            return self._repo.read(path)
        except UnreadableFileError as error:
            return error

    def _download(self, checkpoints: Sequence[BuiltCheckpoint], card: bytes | None) -> Publication:
        games = sorted({each.id.game for each in checkpoints})
        compared = progress_bar(checkpoints, description="comparing", unit=" checkpoints", leave=False)
        changes = changes_to(compared, self._destination.snapshot(games))
        missing = {
            each.id: change.data
            for each, change in zip(checkpoints, changes, strict=True)
            if change.is_needed
        }
        files = [file for data in missing.values() for file in data]
        require_space(self._destination.folder, sum(file.size for file in files))
        done: list[Publication] = []
        with without_client_bars(), contextlib.closing(self._fetch_all(files)) as fetched:
            for batch in batches_of([each for each in checkpoints if each.id in missing]):
                for each in batch:
                    if reasons := [*filter(None, itertools.islice(fetched, len(missing[each.id])))]:
                        self._failures[each.id] = "; ".join(reasons)
                whole = [each for each in batch if each.id not in self._failures]
                with no_bars():
                    done.append(put(whole, card, self._destination))
        # Also if a kill came between the last checkpoint and the card.
        plan = functools.partial(plan_change, [], [], card, self._destination, None)
        done.append(carry_out(plan, self._destination, games))
        publication = functools.reduce(Publication.followed_by, done)
        there = [each for each in checkpoints if each.id not in self._failures]
        count = sum(len(each.files) for each in there) + len({each.id.game for each in there}) + 1
        return replace(publication, unchanged=count - len(publication.files))

    def _fetch_all(self, files: Sequence[OutgoingFile]) -> Generator[str | None]:
        """Download the files, several at once; yield for each in turn why it is impossible, or None.

        Threads go on with the files that follow while the caller works.
        """
        total = sum(file.size for file in files)
        with progress_bar(description="downloading", unit="B", total=total) as bar:
            for file, reason in zip(files, at_once(self._fetch, files, CONNECTIONS), strict=True):
                bar.update(file.size)
                yield reason

    def _fetch(self, file: OutgoingFile) -> str | None:
        """Download a file to where the destination finds it, or return why that is impossible."""
        place = uploaded(self._destination.folder, file)
        if place.is_file() and place.stat().st_size == file.size:
            return None  # It got this name when it was whole and checked.
        try:
            with self._repo.fetch(file.path) as content:
                size = content.stat().st_size
                if size != file.size:
                    return f"{file.path}: found {size:,} bytes, expected {file.size:,} by its manifest"
                if sha256_of(content) != file.sha256:
                    return f"{file.path}: damaged, its SHA-256 is not that in its manifest"
                self._destination.upload([replace(file, content=content)])
        except UnreadableFileError as error:
            return f"{file.path}: cannot be read ({error})"
        return None

    def _first_card(self) -> bytes | None:
        """Returns the card to begin with: the license of the whole dataset, and where this part is from."""
        front, text = FrontMatter(""), ""
        with contextlib.suppress(UnreadableFileError, OutputError):  # Only what is downloaded matters.
            front, _ = FrontMatter.split(decode_readme(self._repo.read(CARD), self._repo.address))
        if front.get("license") in LICENSES:
            text = f"---\nlicense: {front.get('license')}\n---\n"
        if isinstance(self._repo, HubReader):
            text += f"\nA part of {self._repo.address}, downloaded with `atari-dqn-replay download`.\n"
        return text.encode() or None
