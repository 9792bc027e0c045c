"""The config `preview` on a card: a few short episodes of each game, which the Hub's viewer shows first."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import OutputError
from ..format.card_yaml import split_globs
from ..format.configs import PREVIEW, PREVIEW_SPLIT
from ..format.features import preview_features
from ..format.frame_format import FrameFormat
from ..format.games import Game
from ..format.layout import PAGES
from ..format.preview import preview_path
from .front_matter import FrontMatter
from .metadata import arrow_bytes_per_step, entries, set_entries

Sizes = Mapping[Game, tuple[int, int, FrameFormat]]
"""The numbers of rows and bytes of each game's preview, and the format of its frames."""

_PATH = re.compile(rf"{PAGES}/[a-z-]+/{PREVIEW}\.parquet")


def preview_entries(sizes: Sizes) -> dict[str, dict[str, Any]]:
    """Returns the config's entries in `configs` and `dataset_info`, its games in order of slugs."""
    games = sort_by_slug(sizes)
    rows = sum(sizes[game][0] for game in games)
    num_bytes = sum(count * arrow_bytes_per_step(frame_format) for count, _, frame_format in sizes.values())
    split = {"name": PREVIEW_SPLIT, "num_bytes": num_bytes, "num_examples": rows}
    # No glob: a repo may hold a preview before its card mentions it.
    data_files = [{"split": PREVIEW_SPLIT, "path": [preview_path(game) for game in games]}]
    return {
        "configs": {"config_name": PREVIEW, "data_files": data_files},
        "dataset_info": {
            "config_name": PREVIEW,
            "features": preview_features().card_entry,
            "splits": [split],
            "download_size": sum(sizes[game][1] for game in games),
        },
    }


def sort_by_slug(games: Iterable[Game]) -> list[Game]:
    """Returns games in the order of the config's files."""
    return sorted(games, key=lambda game: game.slug)


def replace_preview(front: FrontMatter, sizes: Sizes) -> None:
    """Replace the config with one of these previews, or remove it if there are none.

    It is the default, which `load_dataset` loads and the Hub shows, unless people have chosen another.

    Raises:
        OutputError: people have a config of this name, or the YAML is malformed.
    """
    configs = entries(front, "configs")
    others = [entry for entry in configs if not _is_ours(entry)]
    if len(others) == len(configs) and not sizes:
        return
    if any(entry["config_name"] == PREVIEW for entry in others):
        raise OutputError(
            f"README.md: has a config {PREVIEW!r} that people have written, the name of the config that "
            f"--preview adds; rename it first, or publish with --preview 0"
        )
    new = preview_entries(sizes) if sizes else {}
    if new and not any(entry.get("default") for entry in others):
        new["configs"] = {"config_name": PREVIEW, "default": True, **new["configs"]}
    infos = [entry for entry in entries(front, "dataset_info") if entry["config_name"] != PREVIEW]
    for key, kept in (("configs", others), ("dataset_info", infos)):
        set_entries(front, key, [*kept, *([new[key]] if new else [])])


def has_preview(front: FrontMatter) -> bool:
    """Returns whether the card has the config."""
    return any(map(_is_ours, entries(front, "configs")))


def _is_ours(entry: Mapping[str, Any]) -> bool:
    globs = [glob for of_split in split_globs(entry.get("data_files")).values() for glob in of_split]
    return entry["config_name"] == PREVIEW and bool(globs) and all(map(_PATH.fullmatch, globs))
