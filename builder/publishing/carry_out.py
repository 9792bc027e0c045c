"""Carries out a change to a destination, and reports what was done."""

import random
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..errors import OutputError
from ..format.games import Game
from ..format.layout import CARD, POLITE_CARD_BYTES
from ..repos.destination import Change, Destination, DestinationChangedError, Snapshot
from ..terminal.sizes import size_text

ATTEMPTS = 20
"""How often a change is planned again because someone else changed the destination in between."""
LONGEST_WAIT = 10.0
"""Longest wait between two attempts, in seconds."""


@dataclass(frozen=True)
class Publication:
    """What publishing did, or would do; its text is what the command line prints."""

    destination: str
    """A path or a URL."""
    files: Mapping[str, int]
    """The size in bytes of each uploaded file, by its path in the repo."""
    deleted: Sequence[str]
    """Files that were deleted: those of earlier builds of the same checkpoints, or of removed games."""
    commit: str | None
    """The commit that holds the dataset, on the Hub."""
    dry_run: bool
    """Whether nothing was changed: `files` would be uploaded and `deleted` would be deleted."""
    unchanged: int | None = None
    """Number of files that were already there; None if they were not counted."""
    previews: Mapping[Game, int] = field(default_factory=dict)
    """The number of episodes in the previews that a dry run has not chosen yet."""
    snapshot: Snapshot | None = field(default=None, repr=False, compare=False)
    """What the destination then holds of the games, if it need not be asked."""

    def followed_by(self, later: "Publication") -> "Publication":
        """Returns both publications as one."""
        return replace(later, files={**self.files, **later.files}, deleted=[*self.deleted, *later.deleted])

    @property
    def bytes(self) -> int:
        """The total size of the uploaded files in bytes."""
        return sum(self.files.values())

    @property
    def nothing_to_do(self) -> bool:
        """Whether the destination already held everything."""
        return not self.files and not self.deleted

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        if self.dry_run:
            yield from (f"would write   {size_text(size):>8}  {path}" for path, size in self.files.items())
            yield from (f"would delete            {path}" for path in self.deleted)
        if self.nothing_to_do:
            holds = f" holds all {self.unchanged} files" if self.unchanged else " is as it should be"
            yield f"nothing to do: {self.destination}{holds}"
        else:
            wrote, deleted = ("would write", "delete") if self.dry_run else ("wrote", "deleted")
            left = "" if self.unchanged is None else f", left {self.unchanged} as they were"
            yield (
                f"{wrote} {len(self.files)} files ({size_text(self.bytes)}), "
                f"{deleted} {len(self.deleted)}{left}: {self.destination}"
            )
        for game, episodes in self.previews.items():
            yield would_preview([game], episodes)
        if self.dry_run and self.files.get(CARD, 0) > POLITE_CARD_BYTES:
            yield (
                f"warning: the card would have {size_text(self.files[CARD])}; the Hub refuses large ones: "
                "give each game a repo of its own, with {game} in --repo-id"
            )
        if self.commit and not self.dry_run:
            yield f"commit {self.commit}"


def would_preview(games: Iterable[Game], episodes: int) -> str:
    """Returns what a dry run says about the previews of some games."""
    named = ", ".join(game.slug for game in games)
    if not episodes:
        return f"would take {named} out of the config preview"
    return f"would then show up to {episodes} short episodes of {named} in the config preview"


def carry_out(
    plan: Callable[[Snapshot], Change],
    destination: Destination,
    games: Collection[Game],
    *,
    snapshot: Snapshot | None = None,
    dry_run: bool = False,
) -> Publication:
    """Make the change that a snapshot of the games calls for; plan it again if someone else's comes between.

    Args:
        plan: returns the change to make to what a snapshot shows.
        destination: the destination to change.
        games: the games that the snapshots must show.
        snapshot: one that was just taken, to start with.
        dry_run: only report what would be done.

    Raises:
        UploadLostError: files that were uploaded ahead are gone.
        OutputError: the change cannot be made.
    """
    interrupted: Change | None = None
    for attempt in range(ATTEMPTS):
        snapshot = snapshot or destination.snapshot(games)
        change = plan(snapshot)
        commit = None
        try:
            if not dry_run:
                commit = snapshot.apply(change)
        except DestinationChangedError:
            # The change may be our own commit, if only the reply to it was lost.
            interrupted = interrupted or change
            snapshot = None
            time.sleep(random.uniform(0, min(LONGEST_WAIT, 0.1 * 2**attempt - 0.1)))
            continue
        done = change if change.writes or change.deletions else interrupted or change
        sizes = {file.path: file.size for file in done.writes}
        after = None if dry_run else snapshot.after(change, commit)
        return Publication(destination.address, sizes, done.deletions, commit, dry_run, snapshot=after)
    raise OutputError(f"{destination.address}: others keep changing it; publish again when they are done")
