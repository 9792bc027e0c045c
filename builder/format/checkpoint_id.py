"""Identifies a checkpoint everywhere: by game, run and number, from which its files' paths follow."""

import re
from dataclasses import dataclass, replace

from .games import ALL_GAMES, Game
from .layout import split_name

_BY_SLUG = {game.slug: game for game in ALL_GAMES}
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

    @classmethod
    def of_file(cls, path: str) -> "CheckpointId | None":
        """Returns the checkpoint to which a path in a dataset repo belongs, or None if it belongs to none."""
        top, _, below = path.partition("/")
        place = "/".join(below.split("/")[:3])
        suffix = {"data": "", "episodes": ".parquet", "manifests": ".json"}.get(top)
        if suffix is None or not place.endswith(suffix):
            return None
        return cls.at(place.removesuffix(suffix))

    @classmethod
    def of_manifest(cls, path: str) -> "CheckpointId | None":
        """Returns the checkpoint whose manifest has this path, in any format, or None if none has it."""
        checkpoint = cls.of_file(path)
        return checkpoint if checkpoint is not None and path in checkpoint.manifests else None

    def sibling(self, number: int) -> "CheckpointId":
        """Returns another checkpoint of the same run."""
        return replace(self, number=number)

    @property
    def place(self) -> str:
        """The common part of the checkpoint's paths: `pong/run_1/checkpoint_09`."""
        return f"{self.game.slug}/{split_name(self.run)}/checkpoint_{self.number:02d}"

    @property
    def folder(self) -> str:
        """The folder of the step shards: `data/pong/run_1/checkpoint_09`."""
        return f"data/{self.place}"

    @property
    def manifest(self) -> str:
        """The path of the manifest: `manifests/pong/run_1/checkpoint_09.json`."""
        return f"manifests/{self.place}.json"

    @property
    def manifest_of_format_2(self) -> str:
        """The path of a manifest of format 2, among the shards, where Parquet readers took it for data."""
        return f"{self.folder}/manifest.json"

    @property
    def manifests(self) -> tuple[str, str]:
        """The paths at which the manifest may be, in the order in which to look there."""
        return self.manifest, self.manifest_of_format_2

    @property
    def episodes_table(self) -> str:
        """The path of the table of episodes that began here: `episodes/pong/run_1/checkpoint_09.parquet`."""
        return f"episodes/{self.place}.parquet"

    def shard(self, number: int, count: int) -> str:
        """Returns the path of a step shard: `data/pong/run_1/checkpoint_09/steps-00000-of-00002.parquet`."""
        return f"{self.folder}/steps-{number:05d}-of-{count:05d}.parquet"
