"""What runs the tasks of a publication: this process, or the workers that another module's engine starts."""

import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ..errors import AtariReplayError

RUN_TASK = "atari_dqn_replay.builder.assembly.worker:run_task"
"""The function that runs one task; it is named, so that a worker imports it and nothing is pickled."""


class EngineError(AtariReplayError):
    """There is no such engine, it is not installed, or it cannot run the tasks."""


def option(meaning: str, *, default: Any = None) -> Any:
    """Returns a dataclass field of an engine that users set with `--engine-option NAME=VALUE`."""
    return field(default=default, metadata={"meaning": meaning})


@dataclass(kw_only=True, eq=False)
class Engine(ABC):
    """Runs tasks, each of which is a number within a work folder.

    Tasks are idempotent: an engine may run one twice, or start it again after its worker was lost. They
    report problems with their sources in the work folder. What a task needs to know is there as well, so
    no engine is given a secret; workers find credentials where they run.
    """

    is_here: ClassVar[bool] = False
    """Whether its workers run on this machine and see this process's environment."""

    workers: int = 1
    """Number of tasks that run at once."""
    finish: Sequence[str] = ()
    """The command that continues the publication when all tasks have run, if the engine does not wait."""
    function: str = RUN_TASK
    """`package.module:name` of the function that is called with the work folder and a task's number."""
    failures: dict[int, str] = field(default_factory=dict, init=False)
    """A one-line reason for each task that failed for good and could not report it itself."""
    handed_over: str | None = field(default=None, init=False)
    """What to report if the tasks run on without this process."""

    @abstractmethod
    def run(self, work: str, tasks: Sequence[int]) -> Generator[None, None, None]:
        """Run the tasks; yield after each, or about every second, and return when all have ended.

        If it is closed early or interrupted with Ctrl-C, it stops what it has started.

        Args:
            work: path or URL of a folder that all workers can reach.
            tasks: the tasks' numbers.

        Raises:
            EngineError: the tasks cannot be run at all.
        """


def run_task(function: str, work: str, number: int) -> None:
    """Run one task in this process."""
    pkgutil.resolve_name(function)(work, number)


@dataclass(kw_only=True, eq=False)
class ProcessEngine(Engine):
    """Runs the tasks one after another in this process; exceptions of a task reach the caller."""

    is_here = True

    def run(self, work: str, tasks: Sequence[int]) -> Generator[None, None, None]:
        """Run the tasks, and yield after each."""
        for number in tasks:
            run_task(self.function, work, number)
            yield
