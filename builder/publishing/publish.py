"""Publishing: uploads what a destination lacks of a built folder, and brings its card up to date."""

import functools
import posixpath
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..card.card import games_on_card, merge_card
from ..card.front_matter import check_readme, decode_readme
from ..card.licenses import check_license
from ..format.checkpoint_id import CheckpointId
from ..format.games import Game
from ..format.layout import CARD
from ..format.manifest import check_one_log
from ..format.preview import Preview, preview_record_path
from ..repos.built_folder import BuiltCheckpoint, read_built_folder
from ..repos.destination import Change, CheckpointChange, Destination, Snapshot
from ..repos.repo_folder import read_repo_file
from ..terminal.progress import progress_bar
from .beside_data import update_beside_data
from .carry_out import Publication, carry_out
from .pages import card_file, changed_pages, find_pictures, find_previews
from .preview import wanted_previews
from .published_manifests import published_manifests, remember

COMMIT_FILES = 99
"""Files per commit besides the card; the Hub advises fewer than 100."""
COMMIT_BYTES = 10 * 10**9
"""Bytes per commit, which also bounds what an interruption costs."""


def publish(
    folder: Path,
    destination: Destination,
    *,
    dry_run: bool = False,
    license: str | None = None,
    preview: int | None = None,
) -> Publication:
    """Copy a built dataset to another folder or to a repo on the Hub.

    Only what is missing or different is uploaded, so an interrupted publication continues when it is run
    again, and a complete one has nothing to do. Everything else at the destination stays: other games,
    other checkpoints, people's own text on the card.

    Args:
        folder: a dataset as `build` writes it; every file is checked against its manifest first.
        destination: where it is published.
        dry_run: only report what would be done.
        license: the license for the card to name, as the Hub spells it (`cc-by-4.0`); None keeps its own.
        preview: the number of episodes of each game in the config `preview`; 0 removes these games from it;
            None keeps what the destination has, or takes over what the folder has.

    Raises:
        UnknownNameError: the Hub knows no such license.
        OutputError: the folder is not a complete dataset, or the destination cannot take it.
    """
    if license is not None:
        check_license(license)
    destination.check(folder)
    checkpoints = read_built_folder(folder)
    built_card = (folder / CARD).read_bytes()
    games = _games(checkpoints)
    wanted = built_previews(folder, games) if preview is None else wanted_previews(games, preview)
    done = put(checkpoints, built_card, destination, dry_run=dry_run, license=license)
    if dry_run:
        return replace(done, previews=wanted)
    beside = update_beside_data(destination, games, previews=wanted, snapshot=done.snapshot)
    return replace(done.followed_by(beside), unchanged=done.unchanged) if beside else done


def put(
    checkpoints: Sequence[BuiltCheckpoint],
    built_card: bytes | None,
    destination: Destination,
    *,
    dry_run: bool = False,
    license: str | None = None,
    following: Collection[CheckpointId] = (),
) -> Publication:
    """Copy checkpoints to another folder or to a repo on the Hub, as `publish` does.

    Many checkpoints take several commits; after each one, the destination is a complete dataset.

    Args:
        checkpoints: the checkpoints; their files' content may have been uploaded ahead.
        built_card: the card for a destination that has none yet, with what people wrote there.
        destination: where they are published.
        dry_run: only report what would be done.
        license: the license for the card to name, as the Hub spells it; None keeps what the card names.
        following: checkpoints there that later calls will replace with those of another log.

    Raises:
        UnknownNameError: the Hub knows no such license.
        UploadLostError: files that were uploaded ahead are gone.
        OutputError: the destination cannot take them.
    """
    if license is not None:
        check_license(license)
    for each in checkpoints:
        remember(each, destination)
    games = _games(checkpoints)
    snapshot = destination.snapshot(games)
    progress = progress_bar(checkpoints, description="comparing", unit=" checkpoints")
    changes = changes_to(progress, snapshot)
    lacking = [each for each, change in zip(checkpoints, changes, strict=True) if change.is_needed]
    batches = [lacking] if dry_run else [*batches_of(lacking)] or [[]]
    done: Publication | None = None
    for place, batch in enumerate(batches):
        pending = [each for later in batches[place:] for each in later]
        plan = functools.partial(
            plan_change, batch, pending, built_card, destination, license, following=following
        )
        publication = carry_out(
            plan,
            destination,
            games if batch is batches[-1] else _games(batch),
            snapshot=snapshot if len(batches) == 1 else None,
            dry_run=dry_run,
        )
        done = done.followed_by(publication) if done else publication
    assert done is not None
    files = sum(len(each.files) for each in checkpoints) + len(games) + 1
    return replace(done, unchanged=files - len(done.files))


def plan_change(
    checkpoints: Sequence[BuiltCheckpoint],
    pending: Sequence[BuiltCheckpoint],
    built_card: bytes | None,
    destination: Destination,
    license: str | None,
    snapshot: Snapshot,
    *,
    following: Collection[CheckpointId] = (),
) -> Change:
    """Returns the change that brings the checkpoints to the destination, and its card up to date.

    If it has no card yet, it receives that of the built folder, with what people wrote there.

    Args:
        checkpoints: the checkpoints of this change.
        pending: these and the checkpoints that follow: the card does not mention what they will replace,
            which may be of another log.
        built_card: the card for a destination that has none yet.
        destination: where they are published.
        license: the license for the card to name.
        snapshot: what the destination holds.
        following: checkpoints that will be replaced still later.

    Raises:
        OutputError: a manifest at the destination, or its card, cannot be read.
    """
    changes = changes_to(checkpoints, snapshot)
    replaced = {each.id for each in pending}.union(following)
    others = published_manifests(snapshot, destination, without=replaced)
    manifests = sorted([*others, *(each.manifest for each in checkpoints)], key=lambda manifest: manifest.id)
    check_one_log(manifests, destination.address)
    present = snapshot.read(CARD)
    name = destination.name_on_hub
    if present is None:
        text = None if built_card is None else decode_readme(built_card, destination.address)
        absent = [] if text is None else games_on_card(text)
    else:
        text, absent = decode_readme(present, destination.address), _games(pending)
    there = {manifest.find_game() for manifest in manifests}
    pictures, previews = find_pictures(snapshot, there), find_previews(snapshot, there)
    card = merge_card(
        text, manifests, absent=absent, pictures=pictures, previews=previews, license=license, repo_id=name
    ).encode()
    interim = present
    if present is not None and any(_replaces(each, snapshot) for each in changes):
        interim = merge_card(
            text, others, absent=_games(pending), pictures=pictures, previews=previews, repo_id=name
        ).encode()
    games = ", ".join(game.slug for game in _games(checkpoints))
    return Change(
        summary=f"Publish {games}: {sum(each.is_needed for each in changes)} checkpoints",
        checkpoints=tuple(each for each in changes if each.is_needed),
        card=None if card == interim == present else card_file(card, destination.address),
        interim_card=None
        if interim is None or interim == present
        else card_file(interim, destination.address),
        pages=changed_pages(snapshot, manifests, pictures),
    )


def built_previews(folder: Path, games: Iterable[Game]) -> dict[Game, int]:
    """Returns the number of episodes in the preview of each game of a built folder that has one.

    Raises:
        OutputError: the record of one is damaged, or cannot be read.
    """
    paths = {game: folder / preview_record_path(game) for game in games}
    return {
        game: Preview.from_json(read_repo_file(path), game, str(path)).most_episodes
        for game, path in paths.items()
        if path.exists()
    }


def check_card(snapshot: Snapshot, destination: Destination) -> None:
    """Reject a destination whose card cannot be brought up to date, before anything is made for it.

    Raises:
        OutputError: the card's YAML or its marks are damaged.
    """
    card = snapshot.read(CARD)
    if card is not None:
        text = decode_readme(card, destination.address)
        games_on_card(text)
        check_readme(text, destination.address)


def _games(checkpoints: Sequence[BuiltCheckpoint]) -> list[Game]:
    return list(dict.fromkeys(each.id.game for each in checkpoints))


def _by_folder(paths: Collection[str]) -> dict[str, list[str]]:
    folders: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        folders[posixpath.dirname(path)].append(path)
    return folders


def changes_to(checkpoints: Iterable[BuiltCheckpoint], snapshot: Snapshot) -> list[CheckpointChange]:
    """Returns for each of the checkpoints what brings a destination up to date, given what it holds."""
    there = _by_folder(snapshot.paths)
    return [_change_of(each, snapshot, there) for each in checkpoints]


def _change_of(
    checkpoint: BuiltCheckpoint, snapshot: Snapshot, there: Mapping[str, Sequence[str]]
) -> CheckpointChange:
    named = {file.path for file in checkpoint.files}
    return CheckpointChange(
        data=tuple(file for file in checkpoint.data if not snapshot.holds(file)),
        deletions=tuple(sorted(set(there.get(checkpoint.id.folder, ())) - named)),
        manifest=None if snapshot.holds(checkpoint.manifest_file) else checkpoint.manifest_file,
    )


def _replaces(change: CheckpointChange, snapshot: Snapshot) -> bool:
    """Returns whether data that a card may mention is removed."""
    touched = (*(file.path for file in change.data), *change.deletions)
    return any(path.endswith(".parquet") and path in snapshot.paths for path in touched)


def batches_of(checkpoints: Sequence[BuiltCheckpoint]) -> Iterator[list[BuiltCheckpoint]]:
    """Yield the checkpoints in order, as many at once as one commit should hold."""
    batch: list[BuiltCheckpoint] = []
    for each in checkpoints:
        files = [file for member in (*batch, each) for file in member.files]
        pages = len({member.id.game for member in (*batch, each)})
        if batch and (len(files) + pages > COMMIT_FILES or sum(file.size for file in files) > COMMIT_BYTES):
            yield batch
            batch = []
        batch.append(each)
    if batch:
        yield batch
