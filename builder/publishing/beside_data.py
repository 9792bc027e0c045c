"""Keeps what lies beside the data of published games up to date: their pictures and previews."""

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..card.card import Pictures, Previews, by_game, card_sections, merge_card
from ..card.front_matter import decode_readme
from ..card.sections import Section
from ..errors import OutputError
from ..format.games import Game
from ..format.layout import CARD
from ..format.manifest import Manifest
from ..format.preview import Preview, preview_path
from ..repos.destination import Change, Destination, Snapshot
from ..repos.outgoing_file import OutgoingFile
from .carry_out import Publication, carry_out
from .pages import card_file, changed_pages, find_pictures, find_previews
from .pictures import Drawn, plan_pictures
from .preview import plan_preview
from .published_manifests import published_manifests

COMMIT_GAMES = 16
"""Games of one commit: with pictures, preview and page of each, fewer than 100 files."""

NO_PREVIEWS: Mapping[Game, int] = {}


def update_beside_data(
    destination: Destination,
    games: Collection[Game],
    *,
    anew: bool = False,
    previews: Mapping[Game, int] = NO_PREVIEWS,
    snapshot: Snapshot | None = None,
) -> Publication | None:
    """Make the pictures and previews of games whose data has changed since, and let the card name them.

    They follow from the published data alone, so the order of publications does not show. A game whose data
    is too small has no pictures.

    Args:
        destination: the published dataset.
        games: the games.
        anew: make all of them; the same library versions give the same bytes.
        previews: the number of episodes in the preview of a game, 0 for none; others keep what they have.
        snapshot: what the destination holds of exactly these games, if it is known.

    Returns:
        What was done; None without games.

    Raises:
        OutputError: the data cannot be read, or the destination cannot be written.
    """
    update = _Update(destination, anew, previews)
    done: Publication | None = None
    ordered = sorted(games, key=str)
    for start in range(0, len(ordered), COMMIT_GAMES):
        known = snapshot if len(ordered) <= COMMIT_GAMES else None
        later = carry_out(update.plan, destination, ordered[start : start + COMMIT_GAMES], snapshot=known)
        done = done.followed_by(later) if done else later
    for error in update.failures:
        raise error
    return done


class _Update:
    """Plans the changes; what it has drawn once, it keeps for when the destination changes meanwhile."""

    def __init__(self, destination: Destination, anew: bool, previews: Mapping[Game, int]) -> None:
        self._destination, self._anew, self._previews = destination, anew, previews
        self._drawn: Drawn = {}
        self._failures: dict[tuple[Game, str], OutputError] = {}

    @property
    def failures(self) -> Collection[OutputError]:
        """Why pictures or previews could not be made; these games keep those that they have."""
        return self._failures.values()

    def plan(self, snapshot: Snapshot) -> Change:
        """Returns the change that brings the snapshot's games up to date."""
        present = snapshot.read(CARD)
        manifests = by_game(published_manifests(snapshot, self._destination))
        if present is None or not manifests:
            return Change("Draw no pictures", (), None, None)
        where = self._destination.address
        text = decode_readme(present, where)
        pictures, previews = find_pictures(snapshot, manifests), find_previews(snapshot, manifests)
        after = _Beside({**pictures}, {**previews})
        self._add_pictures(after, manifests, snapshot, card_sections(text))
        self._add_previews(after, manifests, snapshot)
        everything = [*itertools.chain(*manifests.values())]
        rewritten = {file.path for file in after.writes}
        kept = {game: each for game, each in previews.items() if preview_path(game) not in rewritten}

        def card(pictures: Pictures, previews: Previews, drawn_from: Mapping[Game, str]) -> bytes:
            return merge_card(
                text,
                everything,
                pictures=pictures,
                drawn_from=drawn_from,
                previews=previews,
                repo_id=self._destination.name_on_hub,
            ).encode()

        # A card that states how many rows a preview has must not see it replaced.
        interim = card(pictures, kept, {}) if len(kept) < len(previews) else None
        final = card(after.pictures, after.previews, after.drawn_from)
        return Change(
            summary=f"Draw pictures of {', '.join(game.slug for game in manifests)}",
            checkpoints=(),
            card=card_file(final, where) if interim or final != present else None,
            interim_card=card_file(interim, where) if interim else None,
            pages=(*after.writes, *changed_pages(snapshot, everything, after.pictures)),
            page_deletions=tuple(after.deletions),
        )

    def _add_pictures(
        self,
        after: "_Beside",
        manifests: Mapping[Game, Sequence[Manifest]],
        snapshot: Snapshot,
        sections: Mapping[Game, Section],
    ) -> None:
        for game, of_game in manifests.items():
            try:
                change = plan_pictures(
                    game, of_game, snapshot, sections.get(game), self._drawn, anew=self._anew
                )
            except OutputError as error:
                self._failures[game, "pictures"] = error
                continue
            self._failures.pop((game, "pictures"), None)  # of an earlier plan
            after.pictures[game], after.drawn_from[game] = change.names, change.source
            after.add(change.writes, change.deletions)

    def _add_previews(
        self, after: "_Beside", manifests: Mapping[Game, Sequence[Manifest]], snapshot: Snapshot
    ) -> None:
        for game, of_game in manifests.items():
            wanted = self._previews.get(game)
            try:
                change = plan_preview(game, of_game, snapshot, wanted, anew=self._anew)
            except OutputError as error:
                self._failures[game, "preview"] = error
                continue
            self._failures.pop((game, "preview"), None)
            after.previews.pop(game, None)
            if change.preview:
                after.previews[game] = change.preview
            after.add(change.writes, change.deletions)


@dataclass
class _Beside:
    """What lies beside the data after a change, and the files that the change writes and deletes."""

    pictures: dict[Game, Collection[str]]
    previews: dict[Game, Preview]
    drawn_from: dict[Game, str] = field(default_factory=dict)
    writes: list[OutgoingFile] = field(default_factory=list)
    deletions: list[str] = field(default_factory=list)

    def add(self, writes: Iterable[OutgoingFile], deletions: Iterable[str]) -> None:
        """Add files to write and to delete."""
        self.writes += writes
        self.deletions += deletions
