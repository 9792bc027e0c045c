"""What a publication's workers are told: where to read, where to write, and the tasks."""

import hashlib
import json
import os
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..destinations import Destination
from ..errors import OutputError
from ..folder_destination import FolderDestination
from ..games import Game
from ..hub_destination import MAIN, HubDestination
from ..network_errors import without_credentials
from .work_folder import WorkFolder

JOB = "job.json"
GAME = "{game}"
"""Stands in a destination's name for each game's own."""

_PUBLIC_OPTIONS = ("anon", "endpoint_url", "patience", "requester_pays", "block_size")
_SECRETS = "ATARI_DQN_REPLAY_STORAGE_OPTIONS"


@dataclass(frozen=True)
class Place:
    """Where a publication goes, as its user names it: a folder or a repo, for all games or for each."""

    folder: str | None = None
    repo_id: str | None = None
    """`user/name`; either this or the folder is given, and either may hold `{game}`."""
    revision: str = MAIN
    private: bool = False

    def __str__(self) -> str:
        return self.folder or self.repo_id or ""

    @property
    def for_each_game(self) -> bool:
        """Whether each game goes to a place of its own."""
        return GAME in str(self)

    def absolute(self) -> "Place":
        """The same place for a process that works in another folder."""
        return self if self.folder is None else replace(self, folder=str(Path(self.folder).absolute()))

    def destinations(self, games: Iterable[Game]) -> dict[Game, Destination]:
        """Where each of the games goes."""
        if self.for_each_game:
            return {game: self.destination(game) for game in games}
        games = list(games)
        return dict.fromkeys(games, self.destination(games[0])) if games else {}

    def destination(self, game: Game) -> Destination:
        """Where a game goes."""
        return self._open(str(self).replace(GAME, game.slug))

    def single(self) -> Destination:
        """The one place.

        Raises:
            OutputError: there is one for each game.
        """
        if self.for_each_game:
            raise OutputError(f"{self}: {GAME} stands for games only with --source; name a single place")
        return self._open(str(self))

    def _open(self, name: str) -> Destination:
        if self.folder is not None:
            return FolderDestination(Path(name))
        return HubDestination(name, revision=self.revision, private=self.private)

    def default_work(self) -> str:
        """Where the work folder is if nobody says: in the folder that is published to, else in the cache."""
        if self.folder is not None and not self.for_each_game:
            return str(Path(self.folder) / ".work.incomplete")
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return self.work_below(str(cache / "atari-dqn-replay"))

    def work_below(self, folder: str) -> str:
        """A folder for this publication alone in one that may hold anything."""
        name = f"{os.environ.get('HF_ENDPOINT', '')} {self} {self.revision}"
        return f"{folder.rstrip('/')}/.atari-work-{hashlib.sha256(name.encode()).hexdigest()[:16]}.incomplete"


@dataclass(frozen=True)
class Task:
    """Checkpoints of a run that one worker makes pieces of, one after another."""

    game: str
    run: int
    checkpoints: tuple[int, ...]
    head: int | None = None
    """A checkpoint after them of which no more is needed than the end of an episode that began earlier."""


@dataclass(frozen=True)
class Job:
    """A publication's work."""

    source: str
    place: Place
    tasks: tuple[Task, ...]
    storage_options: dict[str, Any] = field(default_factory=dict)
    """Of the source's file system."""
    work: str = ""
    """The work folder, where pieces go."""
    threads: int | None = None
    """On which a worker compresses; None lets it use what its machine has."""
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Tells it from others that one process works on."""

    def secrets(self) -> list[str]:
        """What of it may be secret: names of options, or the source's URL."""
        options = [key for key, value in self.storage_options.items() if _is_secret(key, value)]
        return options if without_credentials(self.source) == self.source else [*options, "the source's URL"]

    def save(self, folder: WorkFolder) -> None:
        """Write it for the workers.

        What may be secret is not written: it goes to the workers on this machine through the environment.
        """
        public = {key: value for key, value in self.storage_options.items() if not _is_secret(key, value)}
        os.environ.pop(_SECRETS, None)
        if self.secrets():
            kept = {"id": self.id, "source": self.source, "storage_options": self.storage_options}
            os.environ[_SECRETS] = json.dumps(kept)
        record = {**asdict(self), "source": without_credentials(self.source), "storage_options": public}
        folder.write(JOB, json.dumps(record, indent=2).encode())

    @classmethod
    def load(cls, folder: WorkFolder) -> "Job":
        """Read what `save` wrote.

        Raises:
            OutputError: there is nothing.
        """
        content = folder.read(JOB)
        if content is None:
            raise OutputError(f"{folder.url}: no job is written there; start it with `publish`")
        record = json.loads(content)
        kept = json.loads(os.environ.get(_SECRETS, "{}"))
        if kept.get("id") == record["id"]:
            record.update(kept)
        return cls(
            source=record["source"],
            place=Place(**record["place"]),
            tasks=tuple(
                Task(**{**task, "checkpoints": tuple(task["checkpoints"])}) for task in record["tasks"]
            ),
            storage_options=record["storage_options"],
            work=record["work"],
            threads=record["threads"],
            id=record["id"],
        )


def _is_secret(key: str, value: object) -> bool:
    return key not in _PUBLIC_OPTIONS and not (key == "token" and value in ("anon", "google_default"))
