"""What runs the tasks of a publication: here, or wherever an engine of another module runs them."""

import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ..errors import AtariReplayError

RUN_TASK = "atari_dqn_replay.builder.assembly.worker:run_task"
"""The function that runs one task, by name, so that a worker imports it and nothing is pickled."""


class EngineError(AtariReplayError):
    """An engine that does not exist, is not installed, or cannot run the tasks."""


def option(meaning: str, *, default: Any = None) -> Any:
    """A field of an engine that users set with `--engine-option NAME=VALUE`."""
    return field(default=default, metadata={"meaning": meaning})


@dataclass(kw_only=True, eq=False)
class Engine(ABC):
    """Runs tasks, each of which is a number within a work folder.

    Tasks are idempotent: an engine may run one twice, or begin it again after its worker was lost. They
    report what is wrong with their sources into the work folder. What a task needs to know is there as well,
    so that no engine is told any secret; credentials are found where the worker runs.
    """

    is_here: ClassVar[bool] = False
    """Its workers run on this machine, and see this process's environment."""

    workers: int = 1
    """Tasks at once."""
    finish: Sequence[str] = ()
    """The command that goes on when all tasks have run, for an engine that does not wait for them."""
    function: str = RUN_TASK
    """`package.module:name` of what is called with the work folder and a number."""
    failures: dict[int, str] = field(default_factory=dict, init=False)
    """Why tasks failed for good that could not report it themselves, in a line each."""
    handed_over: str | None = field(default=None, init=False)
    """What to report when the tasks run on without this process."""

    @abstractmethod
    def run(self, work: str, tasks: Sequence[int]) -> Generator[None, None, None]:
        """Run the tasks; yield after each, or every second or so, and return when all have ended.

        Left early (closed, or at Ctrl-C), it stops what it has started.

        Args:
            work: path or URL of a folder that all workers reach.
            tasks: their numbers.

        Raises:
            EngineError: tasks cannot be run at all.
        """


def run_task(function: str, work: str, number: int) -> None:
    """Run one task here."""
    pkgutil.resolve_name(function)(work, number)


@dataclass(kw_only=True, eq=False)
class ProcessEngine(Engine):
    """Runs the tasks one after another in this process; what a task raises goes to the caller."""

    is_here = True

    def run(self, work: str, tasks: Sequence[int]) -> Generator[None, None, None]:
        """Run the tasks, and yield after each."""
        for number in tasks:
            run_task(self.function, work, number)
            yield
