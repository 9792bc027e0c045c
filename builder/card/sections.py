"""The generated parts of a card's text: they lie between marks; everything else belongs to people."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeGuard

from ..errors import OutputError
from ..format.frame_format import GREY84
from ..format.games import ALL_GAMES, Game

HEAD = "head"
USAGE = "usage"

_GAMES = {f"game:{game.slug}": game for game in ALL_GAMES}
_NAMES = "|".join([HEAD, USAGE, *_GAMES])
_MARK = re.compile(
    rf"^<!-- (?P<end>/?)generated:(?P<name>{_NAMES})(?P<origins>(?: [a-z]+)*)"
    r"(?: (?P<frames>(?:grey|rgb)[0-9x]+))?"
    r"(?: \| (?P<pictures>[a-z_ ]*) \| (?P<returns>[^|\n]*) \| (?P<drawn_from>[0-9a-f]*)"
    r"(?: \| (?P<preview>\d{1,15} \d{1,15}))?)? -->$",
    re.MULTILINE,
)
_GAP = "\n\n"


@dataclass(frozen=True)
class Section:
    """A generated part of a card's text.

    A game's marks also record what the rest of the card is written from when another game is published.
    """

    name: str
    body: str
    origins: tuple[str, ...] = ()
    """The kinds of origin of the game's data."""
    pictures: tuple[str, ...] = ()
    """The names of the game's pictures."""
    returns: str = ""
    """The mean returns of the game's checkpoints as a row of blocks, with the first and the last."""
    drawn_from: str = ""
    """Names the data that the pictures show; empty if it is not known."""
    frames: str = GREY84.name
    """The name of the format of the game's frames; not written if it is 84×84 grey."""
    preview: tuple[int, int] | None = None
    """The numbers of rows and bytes of the game's preview, if it has one."""

    @classmethod
    def of_game(
        cls,
        game: Game,
        origins: tuple[str, ...],
        pictures: tuple[str, ...] = (),
        returns: str = "",
        drawn_from: str = "",
        frames: str = GREY84.name,
        preview: tuple[int, int] | None = None,
    ) -> "Section":
        """Returns a game's section, its body not yet written."""
        return cls(f"game:{game.slug}", "", origins, pictures, returns, drawn_from, frames, preview)

    @property
    def game(self) -> Game | None:
        """The game that the section describes; None if it is not a game's section."""
        return _GAMES.get(self.name)

    def __str__(self) -> str:
        facts = "".join(f" {origin}" for origin in self.origins)
        if self.frames != GREY84.name:
            facts += f" {self.frames}"
        if self.pictures or self.returns or self.drawn_from or self.preview:
            facts += f" | {' '.join(self.pictures)} | {self.returns} | {self.drawn_from}"
        if self.preview:
            facts += " | {} {}".format(*self.preview)
        body = f"{self.body}\n" if self.body else ""
        return f"<!-- generated:{self.name}{facts} -->\n{body}<!-- /generated:{self.name} -->"


class CardText:
    """A card's text: a list of sections and, between them, text that is touched only by `replace_prose`.

    Raises:
        OutputError: the marks do not pair up.
    """

    def __init__(self, text: str) -> None:
        self._parts: list[str | Section] = list(_parse(text))

    def sections(self) -> list[Section]:
        """Returns the generated parts in the order of the text."""
        return [part for part in self._parts if isinstance(part, Section)]

    def replace(self, section: Section) -> bool:
        """Replace the section of the same name; return False if there is none."""
        place = self._find(section.name)
        if place is not None:
            self._parts[place] = section
        return place is not None

    def replace_prose(self, before: str, after: str) -> bool:
        """Replace text between the sections; return False if it is not there, word for word."""
        for place, part in enumerate(self._parts):
            if isinstance(part, str) and before in part:
                self._parts[place] = part.replace(before, after, 1)
                return True
        return False

    def insert_first(self, section: Section) -> None:
        """Insert `section` above everything else."""
        self._parts[:0] = [section, _GAP]

    def insert_game(self, section: Section) -> None:
        """Insert a game's section among the others in order of slugs, or at the end if it is the first."""
        games = [(part.name, place) for place, part in enumerate(self._parts) if _is_game(part)]
        before = [place for name, place in games if name < section.name]
        if before:
            self._parts[before[-1] + 1 : before[-1] + 1] = [_GAP, section]
        elif games:
            self._parts[games[0][1] : games[0][1]] = [section, _GAP]
        else:
            text = str(self).rstrip("\n")
            self._parts = [*_parse(text), _GAP, section, "\n"]

    def remove(self, name: str) -> None:
        """Remove a section, with the empty line between it and its neighbour."""
        place = self._find(name)
        if place is None:
            return
        following = "".join(map(str, self._parts[place + 1 :]))
        preceding = "".join(map(str, self._parts[:place]))
        if following.startswith(_GAP):
            following = following.removeprefix(_GAP)
        else:
            preceding = preceding.removesuffix(_GAP)
        self._parts = list(_parse(preceding + following))

    def _find(self, name: str) -> int | None:
        names = [part.name if isinstance(part, Section) else None for part in self._parts]
        return names.index(name) if name in names else None

    def __str__(self) -> str:
        return "".join(map(str, self._parts))


def _preview(found: str | None) -> tuple[int, int] | None:
    if found is None:
        return None
    rows, size = map(int, found.split())
    return rows, size


def _is_game(part: str | Section) -> TypeGuard[Section]:
    return isinstance(part, Section) and part.game is not None


def _parse(text: str) -> Iterator[str | Section]:
    marks = list(_MARK.finditer(text))
    names = [mark["name"] for mark in marks[::2]]
    position = 0
    for begin, end in zip(marks[::2], [*marks[1::2], None], strict=False):
        if begin["end"] or end is None or not end["end"] or end["name"] != begin["name"]:
            mark = f"<!-- {begin['end']}generated:{begin['name']} -->"
            raise OutputError(f"README.md: the mark {mark} has no matching mark; restore it first")
        if names.count(begin["name"]) > 1:
            raise OutputError(
                f"README.md: the mark of {begin['name']} occurs twice; remove one section first"
            )
        yield text[position : begin.start()]
        body = text[begin.end() : end.start()].removeprefix("\n").removesuffix("\n")
        yield Section(
            begin["name"],
            body,
            tuple(begin["origins"].split()),
            tuple((begin["pictures"] or "").split()),
            begin["returns"] or "",
            begin["drawn_from"] or "",
            begin["frames"] or GREY84.name,
            _preview(begin["preview"]),
        )
        position = end.end()
    yield text[position:]
