"""The README.md of a dataset repo: rendered for its first game, merged with what is there for the others."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..format.games import Game
from ..format.manifest import Manifest
from .front_matter import FrontMatter
from .metadata import (
    BULKY_KEYS,
    GameSummary,
    describe,
    find_views,
    replace_views,
    summarize,
    update_generated,
)
from .sections import HEAD, USAGE, CardText, Section
from .text import absent_body, card_body, game_body, head_body, origin_kinds, title, usage_body


def merge_card(
    existing: str | None,
    manifests: Sequence[Manifest],
    *,
    absent: Iterable[Game] = (),
    license: str | None = None,
    repo_id: str | None = None,
) -> str:
    """Returns the card of a repo after some games were published to it.

    The games' configs and sections are replaced or added. Other games' content stays as it is, and so does
    whatever people have written or changed outside the generated sections.

    Args:
        existing: the repo's README.md, which this package need not have written; None if there is none.
        manifests: those of all checkpoints that the repo now holds of the published games.
        absent: games that keep their place on the card although they have no manifests at the moment.
        license: the Hub's identifier of the license to state, if any.
        repo_id: the repo that the examples load; None for a folder.

    Raises:
        OutputError: the YAML or the marks in `existing` are damaged.
    """
    card = _Card(existing or "")
    card.describe_games(dict.fromkeys(absent, ()) | _by_game(manifests))
    card.refresh(repo_id)
    if license is not None:
        card.front.set("license", license, above=BULKY_KEYS)
    return str(card)


def remove_game(existing: str, game: Game, *, repo_id: str | None = None) -> str:
    """Returns the card of a repo after a game was removed from it.

    Raises:
        OutputError: the YAML or the marks in `existing` are damaged.
    """
    card = _Card(existing)
    replace_views(card.front, [game], [])
    card.text.remove(Section.of_game(game, "", ()).name)
    card.refresh(repo_id)
    return str(card)


def render_card(
    existing: str | None,
    games: Iterable[Game],
    manifests: Sequence[Manifest],
    *,
    license: str | None = None,
    repo_id: str | None = None,
) -> str:
    """Returns a repo's card in which these games are exactly what the manifests list; other games stay.

    Raises:
        OutputError: the YAML or the marks in `existing` are damaged.
    """
    mentioned = games_on_card(existing or "")
    gone = {*games}.intersection(mentioned) - {manifest.find_game() for manifest in manifests}
    for game in sorted(gone, key=str):
        existing = remove_game(existing or "", game, repo_id=repo_id)
    return merge_card(existing, manifests, license=license, repo_id=repo_id)


def games_on_card(existing: str) -> list[Game]:
    """Returns the games that a card mentions.

    Raises:
        OutputError: the YAML or the marks in `existing` are damaged.
    """
    return [section.game for section in _Card(existing).text.sections() if section.game]


class _Card:
    """A README split into its YAML and its text, while it is edited."""

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

    def describe_games(self, by_game: Mapping[Game, Sequence[Manifest]]) -> None:
        """Replace or insert the section and configs of each game; one without checkpoints keeps its place."""
        views = {game: find_views(game, of_game) for game, of_game in by_game.items()}
        replace_views(self.front, by_game, itertools.chain(*views.values()))
        for game, of_game in by_game.items():
            if of_game:
                section = Section.of_game(game, game_body(game, of_game, views[game]), origin_kinds(of_game))
                if not self.text.replace(section):
                    self.text.insert_game(section)
            else:
                self.text.replace(Section.of_game(game, absent_body(game), self._origins().get(game, ())))

    def refresh(self, repo_id: str | None) -> None:
        """Rewrite the parts that concern all games together."""
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
        return summarize(self.front, dict(sorted(self._origins().items(), key=lambda item: item[0].slug)))

    def _origins(self) -> dict[Game, tuple[str, ...]]:
        return {section.game: section.origins for section in self.text.sections() if section.game}


def _by_game(manifests: Sequence[Manifest]) -> dict[Game, Sequence[Manifest]]:
    by_game: dict[Game, list[Manifest]] = {}
    for manifest in sorted(manifests, key=lambda manifest: (manifest.run, manifest.checkpoint)):
        by_game.setdefault(manifest.find_game(), []).append(manifest)
    return {**by_game}
