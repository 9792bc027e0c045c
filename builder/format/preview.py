"""Defines the preview of a game: a few short episodes in a file of their own, and the record of them."""

from typing import Annotated

from msgspec import Meta

from ..errors import OutputError
from .configs import PREVIEW
from .games import Game
from .layout import MOST_CHECKPOINT, PAGES
from .manifest import Number, ParquetRecord, Path
from .records import Count, Record, read_record, to_json

MOST_EPISODES = 100
"""The largest number of episodes for each game: a preview loads in seconds."""
MOST_STEPS = 50_000
"""The largest number of steps for each game, which bounds the memory that making a preview takes."""


def preview_path(game: Game) -> str:
    """Returns the path of a game's preview, beside the game's page: `games/pong/preview.parquet`."""
    return f"{PAGES}/{game.slug}/{PREVIEW}.parquet"


def preview_record_path(game: Game) -> str:
    """Returns the path of the record of a game's preview: `games/pong/preview.json`."""
    return f"{PAGES}/{game.slug}/{PREVIEW}.json"


class PreviewEpisode(Record, frozen=True):
    """An episode of a preview, and where its steps lie in the dataset."""

    run: Number
    checkpoint: Annotated[int, Meta(ge=0, le=MOST_CHECKPOINT)]
    episode: Count
    length: Count
    file: Path
    """The shard that holds its steps."""
    first_row: Count
    """The row of its first step there."""


class Preview(Record, frozen=True):
    """A record of a game's preview, which follows from the game's data and the number that was asked for."""

    game: str
    most_episodes: Annotated[int, Meta(ge=1, le=MOST_EPISODES)]
    """The number that was asked for; there are fewer where too few are complete, or where they are long."""
    drawn_from: Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
    """Names the data from which the episodes were chosen; see `manifest.name_of_data`."""
    episodes: tuple[PreviewEpisode, ...]
    """The episodes in the order of the file's rows."""
    file: ParquetRecord | None
    """The preview itself; null if no episode is chosen."""
    format: Annotated[int, Meta(ge=1, le=1)] = 1

    @property
    def size(self) -> tuple[int, int] | None:
        """The numbers of rows and bytes of its file; None if it has no file."""
        return None if self.file is None else (self.file.rows, self.file.size)

    def to_json(self) -> str:
        """Returns the record as the text of its file; equal records give equal bytes."""
        return to_json(self)

    @classmethod
    def from_json(cls, text: str | bytes, game: Game, where: str) -> "Preview":
        """Parse the record of a game's preview.

        Args:
            text: the content of the file.
            game: the game beside whose page it lies.
            where: the file's path, for messages.

        Raises:
            OutputError: `text` is not such a record, or belongs to another game.
        """
        try:
            record = read_record(text, cls)
            if record.game != game.name:
                raise ValueError(f"game: found {record.game!r}, expected {game.name!r}")
            if record.file is not None and record.file.path != preview_path(game):
                raise ValueError(f"file: found {record.file.path!r}, expected {preview_path(game)!r}")
            rows = 0 if record.file is None else record.file.rows
            if rows != sum(episode.length for episode in record.episodes):
                raise ValueError(f"rows: found {rows}, expected the sum of the episodes' lengths")
            return record
        except ValueError as error:
            raise OutputError(
                f"{where}: not a record of a preview ({error}); publish {game.slug} again with --preview, "
                f"which writes it anew"
            ) from None
