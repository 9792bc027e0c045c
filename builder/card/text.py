"""The text of a card: its templates, and the figures and names that go into them."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..format.configs import EPISODES, ConfigName, parse_config_name
from ..format.frame_format import GREY84, FrameFormat
from ..format.games import Game
from ..format.layout import page_path
from ..format.provenance import COLLECTED, UNRECORDED
from .front_matter import FrontMatter
from .metadata import GameSummary, arrow_bytes_per_step, entries
from .pictures.names import BEST_EPISODE, alt_text, picture_path
from .preview_config import has_preview

EXPORTED = "exported"
"""The origin of whole episodes in the form of RL Unplugged."""

RECORDED = "recorded"
"""Any other origin that a source's record may name."""

LOCAL_REPO = "path/to/this/folder"

LONGEST_FACT = 500
"""Characters that are shown of a provenance detail."""

GALLERY = 5
"""The most games whose best episodes the card shows at its top, where five fill the width."""

GAMES_UNFOLDED = 3
"""Games beyond which the card folds what it shows of each."""

GAMES_SHOWN = 12
"""Games beyond which the card only lists them, with links to their pages."""


def card_body(
    formats: Collection[FrameFormat] = (), games: Collection[Game] = (), *, finals: bool = False
) -> str:
    """Returns the card without the parts that are generated for the games.

    Args:
        formats: the formats of their frames.
        games: the games.
        finals: whether logs have what was seen after an episode's last step.
    """
    kind = "world_card" if are_worlds(games) else "dataset_card"
    frames = " or ".join(each.replace(" ", ", ") for each in describe_formats(formats).split(" or "))
    return render(f"{kind}.md.jinja", frames=frames, finals=finals)


def card_prose(formats: Collection[FrameFormat], games: Collection[Game], *, finals: bool) -> str:
    """Returns what the card says beside its generated parts, as `card_body` does, from `## Columns` on."""
    body = card_body(formats, games, finals=finals)
    return body[body.index("## Columns") : body.index("\n\n## Games")]


def are_worlds(games: Collection[Game]) -> bool:
    """Returns whether there are games, and none of Atari."""
    return len(games) > 0 and all(game.world is not None for game in games)


def describe_formats(formats: Collection[FrameFormat]) -> str:
    """Returns the formats in words: `84×84 grey`, the default, or `64×64 RGB or 84×84 grey`."""
    return " or ".join(sorted(each.describe() for each in formats or {GREY84}))


def title(games: Sequence[GameSummary]) -> str:
    """Returns a one-line title of what the repo holds; newly played data never passes for the original."""
    played = {origin == COLLECTED for game in games for origin in game.origins}
    if are_worlds([game.game for game in games]):
        names = " and ".join(game.game.name for game in games)
        return f"{names}, newly played" if played == {True} else f"Episodes of {names}"
    if played == {True}:
        return "Newly played Atari replay logs"
    if {origin for game in games for origin in game.origins} == {EXPORTED}:
        return "Atari episodes in the form of RL Unplugged"
    if played == {False}:
        return "Atari replay logs in the layout of the DQN Replay Dataset"
    return "Atari replay logs, converted and newly played" if played else "Atari replay logs"


def head_body(games: Sequence[GameSummary]) -> str:
    """Returns what the dataset is, where it came from, and a table of the games."""

    def with_origin(*origins: str) -> list[str]:
        return [game.game.name for game in games if _is_of_atari(game, origins)]

    return render(
        "head.md.jinja",
        frames=_frames_of(games),
        title=title(games),
        worlds=[game.game.name for game in games if game.game.world is not None],
        only_worlds=are_worlds([game.game for game in games]),
        games=games,
        gallery=[game.game for game in games if BEST_EPISODE in game.pictures][:GALLERY],
        played=with_origin(COLLECTED),
        converted=with_origin(UNRECORDED, RECORDED),
        exported=with_origin(EXPORTED),
        unrecorded=with_origin(UNRECORDED),
    )


def _frames_of(games: Sequence[GameSummary]) -> str:
    """Returns what the head calls a frame: `84×84 frame`, or `frame of 64×64 RGB`."""
    formats = {game.frame_format for game in games} or {GREY84}
    return "84×84 frame" if formats == {GREY84} else f"frame of {describe_formats(formats)}"


def usage_body(front: FrontMatter, games: Sequence[GameSummary], repo_id: str | None) -> str:
    """Returns how to load the dataset, in examples that run."""
    config, split, folder = _example(front, games)
    game = parse_config_name(config).game
    frame_format = next((each.frame_format for each in games if each.game == game), GREY84)
    return render(
        "usage.md.jinja",
        shape=", ".join(map(str, frame_format.shape)),
        gigabytes=f"{arrow_bytes_per_step(frame_format) / 1000:.1f}",
        repo=repo_id or LOCAL_REPO,
        config=config,
        episodes_config=f"{config.rpartition('-')[0]}-{EPISODES}",
        split=split,
        folder=folder,
        several=_several(front, games),
        preview=has_preview(front),
    )


def _is_of_atari(game: GameSummary, origins: Collection[str]) -> bool:
    return game.game.world is None and not {*origins}.isdisjoint(game.origins)


def _several(front: FrontMatter, games: Sequence[GameSummary]) -> list[tuple[str, str]]:
    """Returns the configs and splits of two games' steps; none if there are no two games."""
    found = []
    data_files = {entry["config_name"]: entry.get("data_files") for entry in entries(front, "configs")}
    for config in (str(ConfigName(game.game, "full")) for game in games if game.game.world is None):
        match data_files.get(config):
            case [{"split": str(split)}, *_]:
                found.append((config, split))
    return found[:2] if len(found) > 1 else []


def _example(front: FrontMatter, games: Sequence[GameSummary]) -> tuple[str, str, str]:
    """Returns a config, a split and a folder, those of the first game that has them."""
    data_files = {entry["config_name"]: entry.get("data_files") for entry in entries(front, "configs")}
    for view in ("expert", "full"):
        for game in games:
            config = str(ConfigName(game.game, view))
            match data_files.get(config):
                case [{"split": str(split), "path": str(path) | [str(path), *_]}, *_]:
                    # The first of the checkpoints that the glob matches.
                    return config, split, re.sub(r"\[(\d)[^]]*\]", r"\1", path).partition("/*")[0]
    return "pong-expert", "run_1", "data/pong/run_1/checkpoint_49"


def section_body(game: GameSummary, games: int) -> str:
    """Returns what the card shows of a game below the table; nothing if the card has too many games for it.

    Args:
        game: the game.
        games: the number of games on the card.
    """
    if game.steps and games > GAMES_SHOWN:
        return ""
    return render("game.md.jinja", game=game, fold=games > GAMES_UNFOLDED)


def plain(value: object) -> str:
    """Returns the value on one line that Markdown and HTML show as it is: it comes from strangers' files."""
    text = "".join(character if character.isprintable() else " " for character in str(value))
    text = " ".join(text.split())
    text = text if len(text) <= LONGEST_FACT else text[:LONGEST_FACT] + "…"
    return re.sub(r"[&<>|\\`*\[\]~$#]|\b_|_\b", lambda match: f"&#{ord(match[0])};", text)


def _size(size: int) -> str:
    exponent = min(max(len(str(size)) - 1, 3) // 3, 4)
    return f"{size / 1000**exponent:.1f} {'kMGT'[exponent - 1]}B"


_ORIGIN_LABELS = {
    COLLECTED: "newly played",
    UNRECORDED: "converted, origin not recorded",
    EXPORTED: "converted from RL Unplugged's form",
    RECORDED: "converted",
}

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parents[2] / "cards"),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters |= {
    "plain": plain,
    "number": "{:,}".format,
    "size": _size,
    "page": lambda game: page_path(game.slug),
    "picture": picture_path,
    "alt": alt_text,
    "origin_label": lambda origin: _ORIGIN_LABELS.get(origin, _ORIGIN_LABELS[RECORDED]),
}


def render(template: str, **context: Any) -> str:
    """Returns the text of a template, without empty lines at its ends."""
    return _TEMPLATES.get_template(template).render(context).strip("\n")
