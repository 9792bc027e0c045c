"""The instructions for a publication's workers: where to read, where to write, and the tasks."""

import os
import uuid
from typing import Any

import msgspec
from msgspec.structs import replace

from ..errors import OutputError
from ..format.checkpoint_id import CheckpointId
from ..format.compression import SMALL
from ..format.games import find_game
from ..format.records import Record, read_record, to_json
from ..network.errors import without_credentials
from ..repos.place import Place
from .work_folder import WorkFolder

JOB = "job.json"

_PUBLIC_OPTIONS = (
    "anon",
    "endpoint_url",
    "patience",
    "requester_pays",
    "block_size",
    "layout",
    "renumber_runs",
    "stack_size",
)
_SECRETS = "ATARI_DQN_REPLAY_STORAGE_OPTIONS"


class Task(Record, frozen=True):
    """Checkpoints of a run whose pieces one worker makes, one after another."""

    game: str
    run: int
    checkpoints: tuple[int, ...]
    head: int | None = None
    """A checkpoint after them of which only the end of an episode that began earlier is needed."""

    def ids(self) -> list[CheckpointId]:
        """Returns its checkpoints in order; the one of which only the head is needed comes last."""
        numbers = self.checkpoints if self.head is None else (*self.checkpoints, self.head)
        return [CheckpointId(find_game(self.game), self.run, number) for number in numbers]


class Job(Record, frozen=True):
    """A publication's work, as its workers read it."""

    source: str
    place: Place
    tasks: tuple[Task, ...]
    storage_options: dict[str, Any] = msgspec.field(default_factory=dict)
    """Options of the source's file system."""
    work: str = ""
    """The work folder, where the pieces go."""
    threads: int | None = None
    """Number of threads on which a worker compresses; None takes what its machine has."""
    compression: str = SMALL
    """The compression of frames."""
    id: str = msgspec.field(default_factory=lambda: uuid.uuid4().hex)
    """Distinguishes it from other jobs in one process."""

    def secrets(self) -> list[str]:
        """Returns which parts may be secret: names of options, or the source's URL."""
        options = [key for key, value in self.storage_options.items() if _is_secret(key, value)]
        return options if without_credentials(self.source) == self.source else [*options, "the source's URL"]

    def save(self, folder: WorkFolder) -> None:
        """Write the job for the workers.

        What may be secret is not written: the workers on this machine receive it through the environment.
        """
        public = {key: value for key, value in self.storage_options.items() if not _is_secret(key, value)}
        os.environ.pop(_SECRETS, None)
        if self.secrets():
            os.environ[_SECRETS] = to_json(_Secrets(self.id, self.source, self.storage_options))
        written = replace(self, source=without_credentials(self.source), storage_options=public)
        folder.write(JOB, to_json(written).encode())

    @classmethod
    def load(cls, folder: WorkFolder) -> "Job":
        """Read what `save` wrote.

        Raises:
            OutputError: there is no job, or something else.
        """
        content = folder.read(JOB)
        if content is None:
            raise OutputError(f"{folder.url}: no job is written there; start it with `publish`")
        try:
            job = read_record(content, cls)
        except ValueError as error:
            raise OutputError(
                f"{folder.url}/{JOB}: not a job ({error}); remove {folder.url} and publish again"
            ) from None
        if (text := os.environ.get(_SECRETS)) is not None:
            secrets = read_record(text, _Secrets)
            if secrets.id == job.id:
                return replace(job, source=secrets.source, storage_options=secrets.storage_options)
        return job


class _Secrets(Record, frozen=True):
    """The parts of a job that only its workers on this machine receive."""

    id: str
    source: str
    storage_options: dict[str, Any]


def _is_secret(key: str, value: object) -> bool:
    return key not in _PUBLIC_OPTIONS and not (key == "token" and value in ("anon", "google_default"))
