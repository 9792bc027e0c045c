"""The previews of games against their records, and against the data of which they are copies."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence

import pyarrow.parquet as pq

from ..errors import OutputError
from ..files import sha256_of
from ..format.features import preview_features
from ..format.games import ALL_GAMES, Game
from ..format.manifest import Manifest, ParquetRecord, name_of_data
from ..format.preview import Preview, preview_path, preview_record_path
from ..repos.repo_reader import ListedFile, RepoReader, UnreadableFileError
from ..shards.preview import EDITION, choose_episodes, preview_tables
from .content import DAMAGE
from .report import Difference


class PreviewCheck:
    """Checks the previews of some games.

    Args:
        repo: the repo that holds them.
        files: its listing.
        manifests: those of all checkpoints of each of the games.
        games: the games to check; None means all.
    """

    def __init__(
        self,
        repo: RepoReader,
        files: Mapping[str, ListedFile],
        manifests: Mapping[Game, Sequence[Manifest]],
        games: Sequence[Game] | None,
    ) -> None:
        self._repo, self._files, self._manifests = repo, files, manifests
        self._games = ALL_GAMES if games is None else games
        self.previews: dict[Game, Preview] = {}
        """The records that could be read; filled once `records` is exhausted."""

    def records(self) -> Iterator[Difference]:
        """Yield what is wrong with the records, and with their files as far as the listing shows."""
        for game in self._games:
            path = preview_record_path(game)
            if path not in self._files:
                if preview_path(game) in self._files:
                    yield Difference(
                        preview_path(game),
                        f"found a preview without its record {path}; publish {game.slug} again with "
                        f"--preview, or remove it",
                    )
                continue
            try:
                self.previews[game] = Preview.from_json(self._repo.read(path), game, path)
            except UnreadableFileError as error:
                yield Difference(path, f"cannot be read ({error}); {_again(game)}")
            except OutputError as error:
                yield Difference(path, str(error).removeprefix(f"{path}: "))
            else:
                yield from self._check_record(game, self.previews[game])

    def hashes(self) -> Iterator[Difference]:
        """Yield the files whose SHA-256 differs, where the listing has none, as in a folder."""
        for game, record in self._whole_files():
            if self._files[record.path].sha256 is None:
                try:
                    with self._repo.fetch(record.path) as path:
                        found = sha256_of(path)
                except (UnreadableFileError, OSError) as error:
                    yield Difference(record.path, f"cannot be read ({error}); {_again(game)}")
                    continue
                if found != record.sha256:
                    yield _wrong_hash(game, record, found)

    def rows(self) -> Iterator[Difference]:
        """Yield the previews that are not exactly the rows of the episodes that are to be chosen."""
        yield from self.hashes()
        for game, record in self._whole_files():
            if game in self._manifests:
                try:
                    if wrong := self._compare(game, self.previews[game], record):
                        yield Difference(record.path, f"{wrong}; {_again(game)}")
                except (*DAMAGE, UnreadableFileError, KeyError, IndexError) as error:
                    reason = " ".join(str(error).split())
                    yield Difference(
                        record.path,
                        f"cannot be compared with the steps of {game} ({reason}); mend what else differs, "
                        f"then {_again(game)}",
                    )

    def _check_record(self, game: Game, preview: Preview) -> Iterator[Difference]:
        place = preview_record_path(game)
        if game in self._manifests and preview.drawn_from != name_of_data(self._manifests[game], EDITION):
            yield Difference(place, f"was made of other data than is here; {_again(game)}")
        record = preview.file
        if record is None:
            if preview_path(game) in self._files:
                yield Difference(preview_path(game), f"found, but {place} names no file; {_again(game)}")
            return
        listed = self._files.get(record.path)
        if listed is None:
            yield Difference(record.path, f"missing, though {place} names it; {_again(game)}")
        elif listed.size != record.size:
            yield Difference(
                record.path, f"found {listed.size:,} bytes, expected {record.size:,}; {_again(game)}"
            )
        elif listed.sha256 not in (None, record.sha256):
            yield _wrong_hash(game, record, str(listed.sha256))

    def _whole_files(self) -> Iterator[tuple[Game, ParquetRecord]]:
        for game, preview in self.previews.items():
            record = preview.file
            if record and record.path in self._files and self._files[record.path].size == record.size:
                yield game, record

    def _compare(self, game: Game, preview: Preview, record: ParquetRecord) -> str | None:
        """Returns how the preview differs from the data; None if it does not."""
        episodes = choose_episodes(self._manifests[game], preview.most_episodes, self._open)
        if list(preview.episodes) != episodes:
            return f"its record names other episodes than the {preview.most_episodes} that are to be chosen"
        schema = preview_features().arrow_schema
        with self._open(record.path) as file:
            if not file.schema_arrow.equals(schema, check_metadata=True):
                return "found other columns than those of previews"
            if file.metadata.num_rows != record.rows:
                return f"found {file.metadata.num_rows:,} rows, expected {record.rows:,}"
            place = 0
            for table in preview_tables(game, episodes, self._open):
                if place >= file.num_row_groups or not file.read_row_group(place).equals(table):
                    return f"its row group {place} is not a copy of the steps of its episodes"
                place += 1
            return None if place == file.num_row_groups else f"found more than {place} row groups"

    @contextlib.contextmanager
    def _open(self, path: str) -> Iterator[pq.ParquetFile]:
        with (
            self._repo.fetch(path) as content,
            pq.ParquetFile(content, page_checksum_verification=True) as file,
        ):
            yield file


def _wrong_hash(game: Game, record: ParquetRecord, found: str) -> Difference:
    return Difference(record.path, f"found SHA-256 {found}, expected {record.sha256}; {_again(game)}")


def _again(game: Game) -> str:
    return f"write the preview of {game.slug} anew with `atari-dqn-replay render`"
