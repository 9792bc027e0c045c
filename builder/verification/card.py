"""A dataset's card against its manifests: every config loads with stock `datasets`, and is accurate."""

import contextlib
import tempfile
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
from datasets.config import REPOYAML_FILENAME
from datasets.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

from ..card.front_matter import FrontMatter, decode_readme
from ..card.game_page import curve_in_text, game_page, origin_kinds
from ..card.metadata import View, dataset_info_entry, entries, find_views, summarize
from ..card.pictures.names import PICTURES, picture_path
from ..card.preview_config import preview_entries, sort_by_slug
from ..card.sections import CardText, Section
from ..card.text import section_body
from ..errors import AtariReplayError, OutputError
from ..format.card_yaml import is_outside, split_globs
from ..format.configs import PREVIEW, PREVIEW_SPLIT, ConfigName, parse_config_name
from ..format.frame_format import GREY84, FrameFormat
from ..format.games import Game
from ..format.layout import CARD, page_path, split_name
from ..format.manifest import Manifest
from ..format.preview import Preview, preview_path
from ..network.errors import describe_error
from ..repos.repo_reader import RepoReader, UnreadableFileError
from ..terminal.progress import progress_bar
from .report import Difference
from .stock_configs import StockConfigs
from .stock_streams import ending_streams

STANDALONE = REPOYAML_FILENAME
"""A file from which `datasets` takes what it would otherwise take from the card."""

_OPTIONS = {"config_name", "data_files", "default"}
"""The options of a config that do not change what `datasets` reads of its files."""


class CardCheck:
    """Checks what a repo's card states about some games.

    Args:
        repo: the repo whose card is checked.
        files: its listing; files missing from it have already been reported.
        manifests: those of all checkpoints of the games.
        games: the games to check; None means all that the repo or the card has.
        half_known: games with a manifest that cannot be read; for these, only loading is checked.
        previews: the records of the games' previews.
    """

    def __init__(
        self,
        repo: RepoReader,
        files: Collection[str],
        manifests: Sequence[Manifest],
        games: Sequence[Game] | None,
        half_known: Collection[Game],
        previews: Mapping[Game, Preview],
    ) -> None:
        self._repo, self._files, self._half_known = repo, files, half_known
        self._previews = previews
        of_games: dict[Game, list[Manifest]] = defaultdict(list)
        for manifest in manifests:
            of_games[manifest.find_game()].append(manifest)
        self._views = {
            str(view.config): view for game in of_games for view in find_views(game, of_games[game])
        }
        self._games = games
        self._of_games = of_games
        self.configs: list[str] = []
        """The configs of these games on the card; filled once `differences` is exhausted."""
        self.notes: list[str] = []
        """What is odd about the card but not wrong; filled once `differences` is exhausted."""

    def differences(self, *, decode: bool) -> Iterator[Difference]:
        """Yield what is wrong with the card; with `decode`, also read the first row of every split."""
        try:
            readme = decode_readme(self._repo.read(CARD), self._repo.address)
            front, body = FrontMatter.split(readme.removeprefix("\ufeff").replace("\r\n", "\n"))
            configs = entries(front, "configs")
            infos = {entry["config_name"]: entry for entry in entries(front, "dataset_info")}
            text = CardText(body)
            self.notes += self._stale_sections(text, front)
        except UnreadableFileError as error:
            yield Difference(CARD, f"cannot be read ({error}); publish again: that writes the card anew")
            return
        except OutputError as error:
            message = str(error).removeprefix(f"{self._repo.address}: ").removeprefix(f"{CARD}: ")
            yield Difference(CARD, " ".join(message.split()))
            return
        yield from self._missing_files(text)
        names = [str(entry["config_name"]) for entry in configs]
        self.configs = [name for name in dict.fromkeys(names) if self._is_asked_for(name)]
        if outside := list(self._find_outside(configs)):
            yield from outside
            return
        yield from self._check_entries(configs)
        for name, view in self._views.items():
            if name not in names and view.config.game not in self._half_known:
                runs = ", ".join(map(split_name, view.runs))
                yield Difference(
                    f"{CARD} ({name})",
                    f"found no such config, expected one with {runs}; {_publish(view.config.game)}",
                )
        if self._shown_previews() and PREVIEW not in names:
            yield Difference(f"{CARD} ({PREVIEW})", f"found no such config; {_RENDER}")
        if absent := self._find_absent(names):
            yield Difference(
                CARD,
                f"lists {', '.join(map(str, absent))}, of which no file is here, so `load_dataset` fails for "
                f"every config if that game comes first; for a part of a dataset, write a card of what is "
                f"here with `atari-dqn-replay render`",
            )
        else:
            yield from self._check_loading(infos, decode)

    def _find_absent(self, names: Sequence[str]) -> list[Game]:
        """Returns the games on the card of which nothing is here, as after a download of others."""
        here = {path.split("/")[1] for path in self._files if path.startswith("data/")}
        listed = {config.game for config in map(_config_of, names) if config is not None}
        return sorted(game for game in listed if game.slug not in here)

    def _find_outside(self, configs: Sequence[Mapping[str, Any]]) -> Iterator[Difference]:
        """Yield what would make `datasets` read files that are not of the repo, or a server that it names."""
        if STANDALONE in self._files:
            yield Difference(
                STANDALONE, f"replaces what the {CARD} states for `load_dataset` alone; move it there"
            )
        for entry in configs:
            globs = [glob for of_split in split_globs(entry.get("data_files")).values() for glob in of_split]
            if there := [glob for glob in (*globs, str(entry.get("data_dir", ""))) if is_outside(glob)]:
                yield self._wrong_entry(entry, f"found files outside of the repo ({_some(there)})")

    def _check_entries(self, configs: Sequence[Mapping[str, Any]]) -> Iterator[Difference]:
        names = Counter(str(entry["config_name"]) for entry in configs)
        for entry in configs:
            name = str(entry["config_name"])
            if names.pop(name, 1) > 1:
                yield self._wrong_entry(entry, "found this config more than once, expected once")
            if (name in self._views or name == PREVIEW) and (more := entry.keys() - _OPTIONS):
                options = ", ".join(sorted(map(str, more)))
                yield self._wrong_entry(entry, f"found {options}, by which `load_dataset` may read less")

    def _wrong_entry(self, entry: Mapping[str, Any], message: str) -> Difference:
        name = str(entry["config_name"])
        config = _config_of(name)
        advice = "mend or remove what its author has written" if config is None else _publish(config.game)
        if self._shown_previews() and name == PREVIEW:
            advice = _RENDER
        return Difference(f"{CARD} ({name})", f"{message}; {advice}")

    def _stale_sections(self, text: CardText, front: FrontMatter) -> Iterator[str]:
        summaries = {summary.game: summary for summary in summarize(front, text.sections())}
        for section in text.sections():
            game = section.game
            manifests = self._of_games.get(game) if game else None
            if game and manifests and game not in self._half_known:
                pictures = self._pictures(game)
                preview = self._previews[game].size if game in self._previews else None
                expected = Section.of_game(
                    game,
                    origin_kinds(manifests),
                    pictures,
                    curve_in_text(manifests),
                    frames=manifests[0].frames,
                    preview=preview,
                )
                body = section_body(summaries[game], games=len(summaries))
                found = replace(section, drawn_from="")
                if found != replace(expected, body=body) or self._is_page_stale(game, pictures):
                    yield (
                        f"what the card shows of {game}, or the page of this game, is not what this version "
                        f"writes; publish {game.slug} again to have it written anew"
                    )

    def _pictures(self, game: Game) -> tuple[str, ...]:
        return tuple(name for name in PICTURES if picture_path(game, name) in self._files)

    def _is_page_stale(self, game: Game, pictures: Collection[str]) -> bool:
        """Returns whether a game's page differs; a missing one is reported as a difference."""
        path = page_path(game.slug)
        try:
            return path in self._files and self._repo.read(path).decode(errors="replace") != game_page(
                game, self._of_games[game], pictures
            )
        except UnreadableFileError:
            return True

    def _missing_files(self, text: CardText) -> Iterator[Difference]:
        """Yield the pages and pictures that the card names and that are not there."""
        for section in text.sections():
            if (game := section.game) and self._of_games.get(game):
                named = [page_path(game.slug), *(picture_path(game, name) for name in section.pictures)]
                for path in named:
                    if path not in self._files:
                        yield Difference(path, f"missing, though the card names it; {_publish(game)}")

    def _is_asked_for(self, name: str) -> bool:
        config = _config_of(name)
        return self._games is None or (config is not None and config.game in self._games)

    def _check_loading(self, infos: Mapping[str, Mapping[str, Any]], decode: bool) -> Iterator[Difference]:
        failures: dict[str, list[str]] = defaultdict(list)
        with tempfile.TemporaryDirectory(prefix="verify-") as cache, _quiet_datasets(), ending_streams():
            configs = StockConfigs(self._repo, Path(cache))
            for name in progress_bar(self.configs, description="configs", unit=" configs"):
                found: list[Difference] = []
                try:
                    builder = configs.open(name)
                    found += self._check_config(name, builder, infos.get(name, {}))
                    if decode:
                        _decode_first_rows(builder)
                except Exception as error:  # whatever `datasets` and the card's author come up with
                    self._repo.require_answer()
                    failures[f"{type(error).__name__}: {describe_error(error)}"].append(name)
                yield from found
        for message, failed in failures.items():
            yield Difference(
                f"{CARD} ({', '.join(failed)})", f"load_dataset fails ({message}); {_again(failed)}"
            )

    def _check_config(
        self, name: str, builder: datasets.DatasetBuilder, info: Mapping[str, Any]
    ) -> Iterator[Difference]:
        config, view, previews = _config_of(name), self._views.get(name), self._shown_previews()
        if config is not None and config.game not in self._half_known:
            advice = _publish(config.game)
            expected = {} if view is None else {split_name(run): [*_paths(view, run)] for run in view.runs}
            numbers = None if view is None else dataset_info_entry(view)
        elif name == PREVIEW and previews:
            advice = _RENDER
            expected = {PREVIEW_SPLIT: [preview_path(game) for game in sort_by_slug(previews)]}
            numbers = preview_entries(previews)["dataset_info"]
        else:
            return
        assert builder.config.data_files is not None
        found = {
            str(split): [self._repo.path_in_repo(str(url)) for url in urls]
            for split, urls in builder.config.data_files.items()
        }
        wrong = [
            message
            for split in sorted({*found, *expected})
            for message in self._compare_files(split, found.get(split, []), expected.get(split, []))
        ]
        # Numbers that belong to other files differ, too.
        if numbers is not None and not wrong:
            wrong = list(_wrong_numbers(numbers, builder, info))
        for message in wrong:
            yield Difference(f"{CARD} ({name})", f"{message}; {advice}")

    def _shown_previews(self) -> dict[Game, tuple[int, int, FrameFormat]]:
        """Returns what `preview_entries` takes of all previews; nothing if not all games are checked."""
        if self._games is not None or self._half_known:
            return {}
        formats = {game: of_game[0].frame_format for game, of_game in self._of_games.items() if of_game}
        return {
            game: (*preview.size, formats.get(game, GREY84))
            for game, preview in self._previews.items()
            if preview.size
        }

    def _compare_files(self, split: str, found: list[str], expected: list[str]) -> Iterator[str]:
        there = [path for path in expected if path in self._files]
        if not found:
            yield f"found no split {split}, expected one with {_some(sorted(expected))}"
        elif missing := sorted({*there} - {*found}):
            yield f"split {split} does not show {_some(missing)}"
        if more := sorted({*found} - {*expected}):
            yield f"split {split} shows {_some(more)}, which no manifest places there"
        elif {*found} == {*there} and found != there:
            how = "more than once" if len(found) > len(there) else "in another order"
            yield f"split {split} shows files {how}, expected each once in the order of play"


def _paths(view: View, run: int) -> Iterator[str]:
    return (file.path for file in view.files(run))


def _wrong_numbers(
    expected: Mapping[str, Any], builder: datasets.DatasetBuilder, info: Mapping[str, Any]
) -> Iterator[str]:
    said = {name: split.num_examples for name, split in (builder.info.splits or {}).items()}
    pairs = [
        (f"num_examples of {split['name']}", said.get(split["name"]), split["num_examples"])
        for split in expected["splits"]
    ]
    pairs.append(("download_size", info.get("download_size"), expected["download_size"]))
    for name, found, wanted in pairs:
        if found != wanted:
            yield f"found {name} {_number(found)}, expected {_number(wanted)}"
    if builder.info.features is None or builder.info.features._to_yaml_list() != expected["features"]:
        yield "found other features than those of the files"


def _decode_first_rows(builder: datasets.DatasetBuilder) -> None:
    assert builder.config.data_files is not None
    for split in builder.config.data_files:
        rows: Any = builder.as_streaming_dataset(split=str(split))
        for row in rows:
            if not row:
                raise ValueError(f"split {split} has empty rows")
            break
        else:
            raise ValueError(f"split {split} has no rows")


def _config_of(name: str) -> ConfigName | None:
    """Returns the config of that name if it is one of ours, or None."""
    try:
        config = parse_config_name(name)
    except AtariReplayError:
        return None
    return config if str(config) == name else None


_RENDER = "write the card anew with `atari-dqn-replay render`"


def _publish(game: Game) -> str:
    return f"publish {game.slug} again: that writes its part of the card anew"


def _again(names: Sequence[str]) -> str:
    config = next(filter(None, map(_config_of, names)), None)
    if config is None and PREVIEW in names:
        return f"mend what else differs, then {_RENDER}"
    if config is None:
        return "mend or remove what its author has written"
    return f"mend what else differs, then publish {config.game.slug} again"


def _some(paths: Sequence[str]) -> str:
    return ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value).lower()


@contextlib.contextmanager
def _quiet_datasets() -> Iterator[None]:
    """Silence the bars and log lines of `datasets`: failures are in the report."""
    were_disabled, verbosity = are_progress_bars_disabled(), datasets.logging.get_verbosity()
    disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    try:
        yield
    finally:
        datasets.logging.set_verbosity(verbosity)
        if not were_disabled:
            enable_progress_bars()
