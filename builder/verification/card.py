"""A dataset's card against its manifests: it names every config, file and picture that it should."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from datasets.config import REPOYAML_FILENAME

from ..card.front_matter import FrontMatter, decode_readme
from ..card.game_page import curve_in_text, game_page, origin_kinds
from ..card.metadata import View, dataset_info_entry, entries, find_views, summarize
from ..card.pictures.names import PICTURES, picture_path
from ..card.preview_config import preview_entries, sort_by_slug
from ..card.sections import CardText, Section
from ..card.text import section_body
from ..errors import OutputError
from ..format.card_yaml import is_outside, split_globs
from ..format.configs import PREVIEW, PREVIEW_SPLIT
from ..format.frame_format import GREY84, FrameFormat
from ..format.games import Game
from ..format.layout import CARD, page_path, split_name
from ..format.manifest import Manifest
from ..format.preview import Preview, preview_path
from ..repos.repo_reader import RepoReader, UnreadableFileError
from .card_configs import ExpectedConfig, check_configs
from .mending import RENDER, own_config, publish_again
from .report import Difference, some

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
                    f"found no such config, expected one with {runs}; {publish_again(view.config.game)}",
                )
        if self._shown_previews() and PREVIEW not in names:
            yield Difference(f"{CARD} ({PREVIEW})", f"found no such config; {RENDER}")
        if absent := self._find_absent(names):
            yield Difference(
                CARD,
                f"lists {', '.join(map(str, absent))}, of which no file is here, so `load_dataset` fails for "
                f"every config if that game comes first; for a part of a dataset, write a card of what is "
                f"here with `atari-dqn-replay render`",
            )
        else:
            expected = {name: self._expected(name) for name in self.configs}
            yield from check_configs(self._repo, self._files, expected, infos, decode=decode)

    def _find_absent(self, names: Sequence[str]) -> list[Game]:
        """Returns the games on the card of which nothing is here, as after a download of others."""
        here = {path.split("/")[1] for path in self._files if path.startswith("data/")}
        listed = {config.game for config in map(own_config, names) if config is not None}
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
                yield self._wrong_entry(entry, f"found files outside of the repo ({some(there)})")

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
        config = own_config(name)
        advice = (
            "mend or remove what its author has written" if config is None else publish_again(config.game)
        )
        if self._shown_previews() and name == PREVIEW:
            advice = RENDER
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
                        yield Difference(path, f"missing, though the card names it; {publish_again(game)}")

    def _is_asked_for(self, name: str) -> bool:
        config = own_config(name)
        return self._games is None or (config is not None and config.game in self._games)

    def _expected(self, name: str) -> ExpectedConfig | None:
        """Returns what a config is to show, or None if it is not one of ours, or of a game half known."""
        config, view, previews = own_config(name), self._views.get(name), self._shown_previews()
        if config is not None and config.game not in self._half_known:
            files = {} if view is None else {split_name(run): [*_paths(view, run)] for run in view.runs}
            info = None if view is None else dataset_info_entry(view)
            return ExpectedConfig(files, info, publish_again(config.game))
        if name == PREVIEW and previews:
            files = {PREVIEW_SPLIT: [preview_path(game) for game in sort_by_slug(previews)]}
            return ExpectedConfig(files, preview_entries(previews)["dataset_info"], RENDER)
        return None

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


def _paths(view: View, run: int) -> Iterator[str]:
    return (file.path for file in view.files(run))
