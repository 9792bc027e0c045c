"""The README.md of a dataset repo: rendered for its first game, merged with what is there for the others."""

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..format.frame_format import FrameFormat
from ..format.games import Game
from ..format.layout import page_path
from ..format.manifest import Manifest
from ..format.preview import Preview
from .front_matter import FrontMatter
from .game_page import curve_in_text, game_page, origin_kinds
from .metadata import (
    BULKY_KEYS,
    GameSummary,
    describe,
    find_views,
    replace_views,
    summarize,
    update_generated,
)
from .pictures.names import PICTURES
from .preview_config import replace_preview
from .sections import HEAD, USAGE, CardText, Section
from .text import card_body, card_prose, head_body, section_body, title, usage_body

Pictures = Mapping[Game, Collection[str]]
"""The names of games' pictures."""
NO_PICTURES: Pictures = {}
NO_SOURCES: Mapping[Game, str] = {}
Previews = Mapping[Game, Preview]
"""The records of games' previews."""
NO_PREVIEWS: Previews = {}


def merge_card(
    existing: str | None,
    manifests: Sequence[Manifest],
    *,
    absent: Iterable[Game] = (),
    pictures: Pictures = NO_PICTURES,
    drawn_from: Mapping[Game, str] = NO_SOURCES,
    previews: Previews = NO_PREVIEWS,
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
        pictures: the names of the published games' pictures.
        drawn_from: names the data that newly drawn pictures show.
        previews: the published games' previews.
        license: the Hub's identifier of the license to state, if any.
        repo_id: the repo that the examples load; None for a folder.

    Raises:
        OutputError: the YAML or the marks in `existing` are damaged.
    """
    card = _Card(existing or "", manifests)
    card.describe_games(dict.fromkeys(absent, ()) | by_game(manifests), pictures, drawn_from, previews)
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
    card.text.remove(Section.of_game(game, ()).name)
    card.refresh(repo_id)
    return str(card)


def render_card(
    existing: str | None,
    games: Iterable[Game],
    manifests: Sequence[Manifest],
    *,
    pictures: Pictures = NO_PICTURES,
    previews: Previews = NO_PREVIEWS,
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
    return merge_card(
        existing, manifests, pictures=pictures, previews=previews, license=license, repo_id=repo_id
    )


def game_pages(manifests: Sequence[Manifest], pictures: Pictures = NO_PICTURES) -> dict[str, str]:
    """Returns the pages of the games, which the card links, by their paths.

    Args:
        manifests: those of all checkpoints that the repo holds of these games.
        pictures: the names of the games' pictures.
    """
    return {
        page_path(game.slug): game_page(game, of_game, pictures.get(game, ()))
        for game, of_game in by_game(manifests).items()
    }


def games_on_card(existing: str) -> list[Game]:
    """Returns the games that a card mentions.

    Raises:
        OutputError: the YAML or the marks in `existing` are damaged.
    """
    return [*card_sections(existing)]


def card_sections(existing: str) -> dict[Game, Section]:
    """Returns the sections of the games on a card.

    Raises:
        OutputError: the YAML or the marks in `existing` are damaged.
    """
    return {section.game: section for section in _Card(existing).text.sections() if section.game}


class _Card:
    """A README split into its YAML and its text, while it is edited.

    Args:
        readme: the README, which may be empty.
        manifests: those that a new card's text is for.
    """

    def __init__(self, readme: str, manifests: Sequence[Manifest] = ()) -> None:
        self._newline = "\r\n" if "\r\n" in readme else "\n"
        self.front, text = FrontMatter.split(readme.removeprefix("\ufeff").replace("\r\n", "\n"))
        self.text = CardText(text)
        self._generated: Mapping[str, Any] = {}
        self._before: list[GameSummary] = []
        self._finals = _has_finals(manifests)
        if self.text.sections():
            self._generated = self._describe()
            self._before = self._summaries()
        else:
            own = text.strip("\n")
            body = card_body(
                {manifest.frame_format for manifest in manifests},
                {manifest.find_game() for manifest in manifests},
                finals=self._finals,
            )
            self.text = CardText(f"\n{own}\n\n{body}\n" if own else f"\n{body}\n")

    def describe_games(
        self,
        manifests: Mapping[Game, Sequence[Manifest]],
        pictures: Pictures,
        drawn_from: Mapping[Game, str],
        previews: Previews,
    ) -> None:
        """Replace or insert the section and configs of each game; one without checkpoints keeps its place."""
        views = itertools.chain(*(find_views(game, of_game) for game, of_game in manifests.items()))
        replace_views(self.front, manifests, views)
        known = {section.game: section for section in self.text.sections()}
        for game, of_game in manifests.items():
            if of_game:
                shown = tuple(name for name in PICTURES if name in pictures.get(game, ()))
                source = drawn_from.get(game, "")
                if not source and game in known and known[game].pictures == shown:
                    source = known[game].drawn_from
                preview = previews[game].size if game in previews else None
                section = Section.of_game(
                    game,
                    origin_kinds(of_game),
                    shown,
                    curve_in_text(of_game),
                    source,
                    of_game[0].frames,
                    preview,
                )
                if not self.text.replace(section):
                    self.text.insert_game(section)
            elif game in known:
                self.text.replace(Section.of_game(game, known[game].origins, frames=known[game].frames))

    def refresh(self, repo_id: str | None) -> None:
        """Rewrite the parts that concern all games together."""
        previews = {
            section.game: (*section.preview, FrameFormat.parse(section.frames))
            for section in self.text.sections()
            if section.game and section.preview
        }
        replace_preview(self.front, previews)
        update_generated(self.front, self._generated, self._describe())
        summaries = self._summaries()
        head = Section(HEAD, head_body(summaries))
        if not self.text.replace(head):
            self.text.insert_first(head)
        self.text.replace(Section(USAGE, usage_body(self.front, summaries, repo_id)))
        self._refresh_prose(summaries)
        of_game = {summary.game: summary for summary in summaries}
        for section in self.text.sections():
            if section.game:
                body = section_body(of_game[section.game], games=len(summaries))
                self.text.replace(replace(section, body=body))

    def _refresh_prose(self, summaries: Sequence[GameSummary]) -> None:
        """Let the text between the sections fit the games of now, unless a person has changed it."""
        for finals in (False, True):
            before = card_prose(*_formats_and_games(self._before), finals=finals)
            after = card_prose(*_formats_and_games(summaries), finals=finals or self._finals)
            if self.text.replace_prose(before, after):
                return

    def __str__(self) -> str:
        return f"{self.front}{self.text}".replace("\n", self._newline)

    def _describe(self) -> dict[str, Any]:
        summaries = self._summaries()
        return describe(summaries, title(summaries))

    def _summaries(self) -> list[GameSummary]:
        return summarize(self.front, self.text.sections())


def _has_finals(manifests: Iterable[Manifest]) -> bool:
    """Returns whether any of the logs has what was seen after an episode's last step."""
    return any(each.capacity and each.row_counts.final_observations for each in manifests)


def _formats_and_games(summaries: Sequence[GameSummary]) -> tuple[set[FrameFormat], list[Game]]:
    return {each.frame_format for each in summaries}, [each.game for each in summaries]


def by_game(manifests: Iterable[Manifest]) -> dict[Game, Sequence[Manifest]]:
    """Returns the manifests of each game, by run and checkpoint."""
    games: dict[Game, list[Manifest]] = {}
    for manifest in sorted(manifests, key=lambda manifest: (manifest.run, manifest.checkpoint)):
        games.setdefault(manifest.find_game(), []).append(manifest)
    return {**games}
