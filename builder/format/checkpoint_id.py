"""Identifies a checkpoint everywhere: by game, run and number, from which its files' paths follow."""

import re
from dataclasses import dataclass, replace

from .games import GAMES, Game
from .layout import MANIFEST, split_name

_BY_SLUG = {game.slug: game for game in GAMES}
_PLACE = re.compile(r"(?P<slug>[a-z-]+)/run_(?P<run>\d{1,4})/checkpoint_(?P<number>\d{2,4})")


@dataclass(frozen=True, order=True)
class CheckpointId:
    """The identity of one checkpoint of one run of a game; sorts by game, run and number.

    The path properties name its files in a dataset repo, relative to the repo's root.
    """

    game: Game
    run: int
    """The run's number: 1 to 5 in the original."""
    number: int
    """The number of the checkpoint's files in the source: 0 to 50 in the original."""

    def __str__(self) -> str:
        return f"{self.game} run {self.run} checkpoint {self.number}"

    @classmethod
    def at(cls, place: str) -> "CheckpointId | None":
        """Returns the checkpoint whose `place` this is, or None if no checkpoint has it."""
        if (found := _PLACE.fullmatch(place)) is None or found["slug"] not in _BY_SLUG:
            return None
        checkpoint = cls(_BY_SLUG[found["slug"]], int(found["run"]), int(found["number"]))
        return checkpoint if checkpoint.place == place else None

    def sibling(self, number: int) -> "CheckpointId":
        """Returns another checkpoint of the same run."""
        return replace(self, number=number)

    @property
    def place(self) -> str:
        """The common part of the checkpoint's paths: `pong/run_1/checkpoint_09`."""
        return f"{self.game.slug}/{split_name(self.run)}/checkpoint_{self.number:02d}"

    @property
    def folder(self) -> str:
        """The folder of the step shards and the manifest: `data/pong/run_1/checkpoint_09`."""
        return f"data/{self.place}"

    @property
    def manifest(self) -> str:
        """The path of the manifest: `data/pong/run_1/checkpoint_09/manifest.json`."""
        return f"{self.folder}/{MANIFEST}"

    @property
    def episodes_table(self) -> str:
        """The path of the table of episodes that began here: `episodes/pong/run_1/checkpoint_09.parquet`."""
        return f"episodes/{self.place}.parquet"

    def shard(self, number: int, count: int) -> str:
        """Returns the path of a step shard: `data/pong/run_1/checkpoint_09/steps-00000-of-00002.parquet`."""
        return f"{self.folder}/steps-{number:05d}-of-{count:05d}.parquet"
