"""Proves that a published dataset is correct, or reports everything that differs."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from ..card.card import by_game
from ..errors import OutputError
from ..format.configs import EPISODES, QUALITIES, ConfigName
from ..format.games import ALL_GAMES, Game
from ..format.layout import CARD, DATA_FOLDERS
from ..format.manifest import Manifest
from ..format.preview import Preview
from ..repos.repo_folder import find_manifests
from ..repos.repo_reader import ListedFile, NoDatasetError, RepoReader
from ..sources.source import Source
from ..terminal.progress import progress_bar
from .card import CardCheck
from .content import check_content
from .listing import check_hashes, check_home, check_listed, find_strays, is_of, own_files
from .manifests import check_manifest, check_run, place_of, read_all_manifests
from .preview import PreviewCheck
from .report import CheckedGame, Difference, Verification
from .source import SourceCheck, unseen_games


def verify(
    repo: RepoReader,
    *,
    source: Source | None = None,
    games: Sequence[Game] | None = None,
    quick: bool = False,
    home: Game | None = None,
) -> Verification:
    """Check a dataset against its manifests, its card and, if one is given, its source.

    Every difference is reported, and damaged parts do not keep the rest from being checked. Files are read
    piece by piece, one at a time; of a repo on the Hub, one file at a time is on this machine's disk.

    Args:
        repo: a folder or a repo on the Hub.
        source: the source that it was made from, to be read and compared row by row.
        games: the games to check; None means all that the repo holds.
        quick: read no tables: files are compared by their size and SHA-256 (on the Hub those that it lists),
            the source by the sizes of its files.
        home: the game whose place this is, if each game has its own: other games must not be here.

    Raises:
        NoDatasetError: there is no such repo, or it holds no dataset.
        OutputError: it holds nothing of a named game, or it cannot be read.
    """
    files = repo.files()
    if not any(is_of(path, None) for path in files):
        raise NoDatasetError(
            f"{repo.address}: holds no dataset; expected {CARD} beside the folders "
            f"{', '.join(DATA_FOLDERS[:-1])} and {DATA_FOLDERS[-1]}, as `build` and `publish` write them"
        )
    for game in games or ():
        if not any(is_of(path, [game]) for path in files):
            raise OutputError(f"{repo.address}: holds nothing of {game}; leave it out")
    verifier = _Verifier(repo, files, source, games, quick=quick, home=home)
    differences: list[Difference] = []
    try:
        for difference in verifier.differences():
            # One by one: those before an error are kept.
            differences.append(difference)  # noqa: PERF402
    except OutputError as error:
        differences.append(Difference("…", f"not checked to the end ({error}); verify again"))
    return Verification(repo.address, verifier.depth, verifier.tally(), differences, verifier.notes)


class _Verifier:
    """One verification, check by check."""

    def __init__(
        self,
        repo: RepoReader,
        files: Mapping[str, ListedFile],
        source: Source | None,
        games: Sequence[Game] | None,
        *,
        quick: bool,
        home: Game | None,
    ) -> None:
        self._repo, self._files, self._source, self._games = repo, files, source, games
        self._quick, self._home = quick, home
        self._manifests: list[Manifest] = []
        self._half_known: set[Game] = set()
        """Games with manifests that cannot be read."""
        self._configs: list[str] = []
        self.notes: list[str] = []

    @property
    def depth(self) -> str:
        """How thoroughly the files are checked."""
        if self._quick:
            of_source = f", and the sizes of the files of {self._source.describe()}" if self._source else ""
            return f"every file's SHA-256{of_source}, but no rows"
        return "every row" + (f", also with {self._source.describe()}" if self._source else "")

    def differences(self) -> Iterator[Difference]:
        """Yield the differences of all checks, the quickest first."""
        yield from self._check_manifests()
        previews = PreviewCheck(self._repo, self._files, self._whole_games(), self._games)
        yield from previews.records()
        yield from self._check_card(previews.previews)
        if self._quick:
            yield from self._check_hashes()
            yield from previews.hashes()
        yield from self._check_rows()
        if not self._quick:
            yield from previews.rows()

    def tally(self) -> list[CheckedGame]:
        """Returns what was checked, for each game."""
        games: dict[Game, list[Manifest]] = defaultdict(list)
        for manifest in self._manifests:
            games[manifest.find_game()].append(manifest)
        return [self._tally_game(game, of_game) for game, of_game in games.items()]

    def _check_manifests(self) -> Iterator[Difference]:
        files = {path for path in self._files if is_of(path, self._games)}
        unusable: list[str] = []
        for found in read_all_manifests(self._repo, sorted(find_manifests(files).values())):
            if isinstance(found, Difference):
                unusable.append(found.path)
                yield found
            else:
                self._manifests.append(found)
        self._manifests.sort(key=lambda each: each.id)
        self._half_known = {game for game in ALL_GAMES if any(is_of(path, [game]) for path in unusable)}
        yield from find_strays(self._files if self._games is None else files, self._manifests, unusable)
        if self._home is not None:
            yield from check_home(self._files, self._home)
        if own := own_files(self._files):
            self.notes.append(f"not of the dataset: {', '.join(own)}")
        for of_run in self._runs():
            for manifest in of_run:
                yield from check_manifest(manifest)
                yield from check_listed(manifest, self._files)
            yield from check_run(of_run)

    def _whole_games(self) -> dict[Game, Sequence[Manifest]]:
        """Returns the manifests of the games of which all could be read."""
        games = by_game(self._manifests)
        return {game: of_game for game, of_game in games.items() if game not in self._half_known}

    def _check_card(self, previews: Mapping[Game, Preview]) -> Iterator[Difference]:
        if CARD not in self._files:
            yield Difference(CARD, "missing; publish again: that writes the card")
            return
        card = CardCheck(self._repo, self._files, self._manifests, self._games, self._half_known, previews)
        yield from card.differences(decode=not self._quick)
        self._configs = card.configs
        self.notes += card.notes

    def _check_hashes(self) -> Iterator[Difference]:
        total = sum(file.size for manifest in self._manifests for file in manifest.files())
        with progress_bar(description="checksums", unit="B", total=total) as bar:
            for manifest in self._manifests:
                yield from check_hashes(manifest, self._files, self._repo, bar.update)

    def _check_rows(self) -> Iterator[Difference]:
        steps = sum(manifest.step_counts.steps for manifest in self._manifests)
        passes = 0 if self._quick else 1 if self._source is None else 2
        with progress_bar(description="verify", unit=" steps", total=steps * passes) as bar:
            against_source = self._source and SourceCheck(self._source, self._repo, bar.update)
            for of_run in self._runs():
                bar.set_postfix_str(f"{of_run[0].game} run {of_run[0].run}")
                for manifest in () if self._quick else of_run:
                    yield from check_content(self._repo, manifest, self._files, bar.update)
                if against_source:
                    yield from against_source.differences(of_run, read=not self._quick)
            if self._source and against_source:
                games = self._games or sorted({each.find_game() for each in self._manifests}, key=str)
                self.notes += against_source.unpublished(games, self._manifests)
                if self._home is None:
                    self.notes += unseen_games(self._source, games)

    def _runs(self) -> list[list[Manifest]]:
        """Returns the checkpoints of each run, in order."""
        runs = groupby(self._manifests, key=lambda manifest: (manifest.game, manifest.run))
        return [list(of_run) for _, of_run in runs]

    def _tally_game(self, game: Game, manifests: Sequence[Manifest]) -> CheckedGame:
        named = [
            path for each in manifests for path in (place_of(each), *(file.path for file in each.files()))
        ]
        sizes = [self._files[path].size for path in named if path in self._files]
        ours = {str(ConfigName(game, view)) for view in (*QUALITIES, EPISODES)}
        return CheckedGame(
            game=game.name,
            runs=len({manifest.run for manifest in manifests}),
            checkpoints=len(manifests),
            episodes=sum(manifest.step_counts.episodes for manifest in manifests),
            steps=sum(manifest.step_counts.steps for manifest in manifests),
            files=len(sizes),
            bytes=sum(sizes),
            configs=len(ours.intersection(self._configs)),
        )
