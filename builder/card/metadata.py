"""What a dataset card's YAML states about the games in a repo: configs, sizes, features and tags."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import OutputError
from ..format.configs import (
    EPISODES,
    PREVIEW,
    QUALITIES,
    ConfigName,
    all_config_names,
    qualities_of,
    select_checkpoints,
)
from ..format.features import episodes_features, steps_features
from ..format.frame_format import GREY84, FrameFormat
from ..format.games import Game
from ..format.layout import split_name
from ..format.manifest import Manifest, ParquetRecord
from ..format.numbers import number_globs
from ..format.provenance import COLLECTED
from ..format.stored_png import stored_png
from .front_matter import FrontMatter
from .repetition import compact, expand
from .sections import Section

NUMBERS_BYTES_PER_STEP = 34
"""Bytes of the columns of a step besides its frame."""

ARROW_BYTES_PER_EPISODE = 128
"""Bytes of an episode in that cache: an estimate, since two of the columns are strings."""

_SIZES = ("1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T")

BULKY_KEYS = ("configs", "dataset_info")
"""Keys that are written last, so that people find the others."""

_SETS = ("task_categories", "tags")
"""Keys to whose values people may add."""

_PLACES = {
    name: place
    for place, name in enumerate(sorted(all_config_names(), key=lambda name: not name.endswith("-full")))
}
"""The order of configs: the Hub's Croissant metadata shows the first hundred, and these hold all the data.

Configs that people have added come before them, and a preview, which the Hub's viewer is to show, first.
"""


@dataclass(frozen=True)
class View:
    """A config, with the checkpoints that it shows of each run."""

    config: ConfigName
    runs: Mapping[int, Sequence[Manifest]]

    def files(self, run: int) -> Iterator[ParquetRecord]:
        """Yield the Parquet files of a run that the config reads."""
        for manifest in self.runs[run]:
            yield from (manifest.episodes_table,) if self.config.view == EPISODES else manifest.shards

    def rows(self, run: int) -> int:
        """Returns the number of rows in the run's split."""
        return sum(file.rows for file in self.files(run))

    def patterns(self, run: int) -> list[str]:
        """Returns globs that match only these files: a repo may hold data before its card mentions it."""
        checkpoint = self.runs[run][0].id
        path = checkpoint.episodes_table
        if self.config.view != EPISODES:
            path = f"{checkpoint.folder}/*.parquet"
        before, _, after = path.rpartition(f"{checkpoint.number:02d}")
        return [f"{before}{glob}{after}" for glob in number_globs({m.checkpoint for m in self.runs[run]})]


def find_views(game: Game, manifests: Iterable[Manifest]) -> list[View]:
    """Returns the configs that a game's checkpoints fill, without empty configs or runs."""
    runs: dict[int, list[Manifest]] = {}
    for manifest in sorted(manifests, key=lambda manifest: (manifest.run, manifest.checkpoint)):
        runs.setdefault(manifest.run, []).append(manifest)
    views = []
    for name in (*qualities_of(game), EPISODES):
        shown = {run: _shown(name, of_run) for run, of_run in runs.items()}
        view = View(ConfigName(game, name), shown)
        filled = {run: shown[run] for run in shown if view.rows(run)}
        if filled:
            views.append(View(view.config, filled))
    return views


def _shown(view: str, manifests: Sequence[Manifest]) -> list[Manifest]:
    complete = [manifest.checkpoint for manifest in manifests if not manifest.partial]
    partial = [manifest.checkpoint for manifest in manifests if manifest.partial]
    checkpoints = select_checkpoints(view, complete, partial)
    shown = [manifest for manifest in manifests if manifest.checkpoint in checkpoints]
    # The last checkpoint of an incomplete run is not an expert's.
    return [manifest for manifest in shown if view != "expert" or manifest.last_complete]


def config_entry(view: View) -> dict[str, Any]:
    """Returns the config's entry in `configs`."""
    data_files = []
    for run in view.runs:
        patterns = view.patterns(run)
        path = patterns[0] if len(patterns) == 1 else patterns
        data_files.append({"split": split_name(run), "path": path})
    return {"config_name": str(view.config), "data_files": data_files}


def dataset_info_entry(view: View) -> dict[str, Any]:
    """Returns the config's entry in `dataset_info`.

    `load_dataset` checks `num_examples`. `num_bytes` is about what its Arrow cache takes on disk;
    `download_size` is the size of the Parquet files.
    """
    if view.config.view == EPISODES:
        added = {name for run in view.runs.values() for each in run for name in each.episode_columns}
        features, row_bytes = episodes_features(view.config.game, added), ARROW_BYTES_PER_EPISODE
    else:
        columns = {name for run in view.runs.values() for each in run for name in each.columns}
        features = steps_features(view.config.game, columns)
        row_bytes = arrow_bytes_per_step(next(iter(view.runs.values()))[0].frame_format)
    rows = {run: view.rows(run) for run in view.runs}
    return {
        "config_name": str(view.config),
        "features": features.card_entry,
        "splits": [
            {"name": split_name(run), "num_bytes": rows[run] * row_bytes, "num_examples": rows[run]}
            for run in view.runs
        ],
        "download_size": sum(file.size for run in view.runs for file in view.files(run)),
    }


def arrow_bytes_per_step(frame_format: FrameFormat) -> int:
    """Returns the bytes of a step, a frame and the other columns, in the Arrow cache of `datasets`."""
    return len(stored_png(frame_format)) + NUMBERS_BYTES_PER_STEP


def replace_views(front: FrontMatter, games: Collection[Game], views: Iterable[View]) -> None:
    """Replace the games' entries in `configs` and `dataset_info` with these views; other entries stay.

    Raises:
        OutputError: `configs` or `dataset_info` is malformed: `datasets` could not read it either.
    """
    views = list(views)
    replaced = {str(ConfigName(game, view)) for game in games for view in (*QUALITIES, EPISODES)}
    for key, new in (("configs", config_entry), ("dataset_info", dataset_info_entry)):
        kept = [entry for entry in entries(front, key) if entry["config_name"] not in replaced]
        set_entries(front, key, [*kept, *map(new, views)])


def set_entries(front: FrontMatter, key: str, listed: Iterable[Mapping[str, Any]]) -> None:
    """Write the entries of `configs` or `dataset_info`, each with its whole paths, in their order."""

    def place(entry: Mapping[str, Any]) -> int:
        return -2 if entry["config_name"] == PREVIEW else _PLACES.get(entry["config_name"], -1)

    front.set(key, compact(sorted(map(dict, listed), key=place), is_our_config) or None)


def is_our_config(name: str) -> bool:
    """Returns whether a config of this name is written by this package."""
    return name in _PLACES or name == PREVIEW


def entries(front: FrontMatter, key: str) -> list[dict[str, Any]]:
    """Returns the entries of `configs` or `dataset_info`, each with its `config_name` and whole paths.

    Raises:
        OutputError: the key holds something else.
    """
    found = front.get(key) or []
    found = [found] if isinstance(found, dict) else found
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise OutputError(f"README.md: its `{key}` is not a list of configs; fix it first")
    if key == "dataset_info":
        return [{"config_name": "default", **entry} for entry in found]
    if not all("config_name" in entry for entry in found):
        raise OutputError(f"README.md: an entry of its `{key}` has no `config_name`; fix it first")
    return expand(found)


@dataclass(frozen=True)
class GameSummary:
    """A game as the card describes it: its sizes come from its `full` config, the rest from its section."""

    game: Game
    origins: tuple[str, ...]
    returns: str
    """The mean returns of its checkpoints as a row of blocks, with the first and the last."""
    pictures: tuple[str, ...]
    runs: int
    steps: int
    size: int
    """Bytes of the step shards."""
    frame_format: FrameFormat = GREY84


def summarize(front: FrontMatter, sections: Iterable[Section]) -> list[GameSummary]:
    """Returns a summary of each game that has a section, in order of slugs."""
    infos = {entry["config_name"]: entry for entry in entries(front, "dataset_info")}
    summaries = []
    for section in sections:
        if (game := section.game) is not None:
            info = infos.get(str(ConfigName(game, "full")), {})
            listed = info.get("splits")
            splits = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
            steps = sum(_count_in(split, "num_examples") for split in splits)
            summaries.append(
                GameSummary(
                    game=game,
                    origins=section.origins,
                    returns=section.returns,
                    pictures=section.pictures,
                    runs=len(splits),
                    steps=steps,
                    size=_count_in(info, "download_size"),
                    frame_format=FrameFormat.parse(section.frames),
                )
            )
    return sorted(summaries, key=lambda summary: summary.game.slug)


def _count_in(entry: Mapping[str, Any], key: str) -> int:
    """Returns a count of the card, which anybody may have edited; 0 for what is none."""
    value = entry.get(key)
    return value if isinstance(value, int) and value > 0 else 0


def describe(games: Sequence[GameSummary], title: str) -> dict[str, Any]:
    """Returns the short keys, which follow from what the repo holds."""
    of_atari = [game for game in games if game.game.world is None]
    worlds = [game.game.slug for game in games if game.game.world is not None]
    played_by_dqn = any(origin != COLLECTED for game in of_atari for origin in game.origins)
    return {
        "pretty_name": title,
        "task_categories": ["reinforcement-learning"],
        "tags": [
            *(["atari", "arcade-learning-environment"] if of_atari or not worlds else []),
            "offline-reinforcement-learning",
            *(["replay-buffer"] if of_atari or not worlds else []),
            *(["dqn"] if played_by_dqn else []),
            *worlds,
            *(["world-models"] if worlds else []),
        ],
        "size_categories": [size_category(sum(game.steps for game in games))],
    }


def size_category(rows: int) -> str:
    """Returns the Hub's size category for a number of rows, such as `1M<n<10M`."""
    for exponent, bound in enumerate(_SIZES, start=3):
        if rows < 10**exponent:
            return f"n<{bound}" if exponent == 3 else f"{_SIZES[exponent - 4]}<n<{bound}"
    return f"n>{_SIZES[-1]}"


def update_generated(front: FrontMatter, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Update the generated keys, except those that a person has changed or removed.

    Args:
        front: the front matter, changed in place.
        before: what was generated for the card as it was; empty if nothing was.
        after: what is generated now.
    """
    for key, value in after.items():
        present, old = front.get(key), before.get(key)
        if present == old:
            front.set(key, value, above=BULKY_KEYS)
        elif key in _SETS and isinstance(present, list):
            kept = [item for item in present if item in value or item not in (old or [])]
            front.set(key, kept + [item for item in value if item not in {*kept, *(old or [])}])
