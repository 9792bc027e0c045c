"""The README.md of a dataset repo: rendered for its first game, merged with what is there for the others."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from .card_metadata import (
    BULKY_KEYS,
    GameSummary,
    describe,
    find_views,
    replace_views,
    summarize,
    update_generated,
)
from .card_sections import HEAD, USAGE, CardText, Section
from .card_text import card_body, game_body, head_body, origin_kinds, title, usage_body
from .front_matter import FrontMatter
from .games import Game
from .manifest import Manifest


def merge_card(
    existing: str | None,
    manifests: Sequence[Manifest],
    *,
    license: str | None = None,
    repo_id: str | None = None,
) -> str:
    """The card of a repo after some games were published to it.

    The games' configs and sections are replaced or added; what other games have, and what people have
    written or changed outside of the generated sections, stays as it is.

    Args:
        existing: the repo's README.md; None if it has none. It may be no card of ours.
        manifests: of all checkpoints that the repo now holds of the games that were published.
        license: the Hub's identifier of a license, if one is to be stated.
        repo_id: for the examples; None for a folder.

    Raises:
        OutputError: the YAML or the marks in `existing` are damaged.
    """
    card = _Card(existing or "")
    by_game: dict[Game, list[Manifest]] = {}
    for manifest in sorted(manifests, key=lambda manifest: (manifest.run, manifest.checkpoint)):
        by_game.setdefault(manifest.find_game(), []).append(manifest)
    views = {game: find_views(game, of_game) for game, of_game in by_game.items()}
    replace_views(card.front, by_game, itertools.chain(*views.values()))
    for game, of_game in by_game.items():
        card.put_game(Section.of_game(game, game_body(game, of_game, views[game]), origin_kinds(of_game)))
    card.refresh(repo_id)
    if license is not None:
        card.front.set("license", license, above=BULKY_KEYS)
    return str(card)


def remove_game(existing: str, game: Game, *, repo_id: str | None = None) -> str:
    """The card of a repo after a game was taken out of it.

    Raises:
        OutputError: the YAML or the marks in `existing` are damaged.
    """
    card = _Card(existing)
    replace_views(card.front, [game], [])
    card.text.remove(Section.of_game(game, "", ()).name)
    card.refresh(repo_id)
    return str(card)


class _Card:
    """A README taken apart, in hand between two states."""

    def __init__(self, readme: str) -> None:
        self._newline = "\r\n" if "\r\n" in readme else "\n"
        self.front, text = FrontMatter.split(readme.removeprefix("\ufeff").replace("\r\n", "\n"))
        self.text = CardText(text)
        self._generated: Mapping[str, Any] = {}
        if self.text.sections():
            self._generated = self._describe()
        else:
            own = text.strip("\n")
            body = card_body()
            self.text = CardText(f"\n{own}\n\n{body}\n" if own else f"\n{body}\n")

    def put_game(self, section: Section) -> None:
        """Replace or insert a game's section."""
        if not self.text.replace(section):
            self.text.insert_game(section)

    def refresh(self, repo_id: str | None) -> None:
        """Write what is said of all games together anew."""
        update_generated(self.front, self._generated, self._describe())
        summaries = self._summaries()
        head = Section(HEAD, head_body(summaries))
        if not self.text.replace(head):
            self.text.insert_first(head)
        self.text.replace(Section(USAGE, usage_body(self.front, summaries, repo_id)))

    def __str__(self) -> str:
        return f"{self.front}{self.text}".replace("\n", self._newline)

    def _describe(self) -> dict[str, Any]:
        summaries = self._summaries()
        return describe(summaries, title(summaries))

    def _summaries(self) -> list[GameSummary]:
        origins = {section.game: section.origins for section in self.text.sections() if section.game}
        return summarize(self.front, dict(sorted(origins.items(), key=lambda item: item[0].slug)))
