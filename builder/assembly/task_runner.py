"""Runs a publication's tasks with an engine, and reports which checkpoints could not be made."""

import contextlib
from collections.abc import Collection, Generator, Sequence
from pathlib import Path

import pyarrow as pa

from ..engines.engine import Engine, EngineError
from ..errors import OutputError
from ..format.checkpoint_id import CheckpointId
from ..format.compression import SMALL
from .job import Job, Task
from .plan import Plan
from .work_folder import WorkFolder
from .worker import Failure, failures_of


class TaskRunner:
    """Writes each set of tasks to the work folder as a job, and has an engine run it.

    Args:
        plan: the plan whose source, place and work folder the workers use.
        engine: runs the tasks.
    """

    def __init__(self, plan: Plan, engine: Engine) -> None:
        self._plan, self._engine = plan, engine
        self._tasks: Sequence[Task] = ()
        self.job: WorkFolder | None = None
        """The folder of the job that was started last."""

    def start(self, tasks: Sequence[Task]) -> WorkFolder:
        """Write a job of these tasks, and return its folder.

        Raises:
            OutputError: credentials would have to be stored for workers on other machines.
        """
        source = self._plan.source
        url = source.url if "://" in source.url else str(Path(source.url).absolute())
        options, work = dict(source.storage_options), self._plan.work
        job = Job(
            url,
            self._plan.place,
            tuple(tasks),
            options,
            work.url,
            self._threads(),
            self._plan.compression or SMALL,
        )
        if job.secrets() and not self._engine.is_here:
            raise OutputError(
                f"what may be secret ({', '.join(job.secrets())}) is not stored for other machines; give "
                f"credentials where the workers run"
            )
        folder = work.inner(f"jobs/{job.id}")
        job.save(folder)
        self._tasks, self.job = tasks, folder
        self._engine.failures.clear()
        return folder

    def run(self) -> Generator[None, None, None]:
        """Run the tasks of the job that was started; yield about every second."""
        assert self.job is not None
        with contextlib.closing(self._engine.run(self.job.url, range(len(self._tasks)))) as ticks:
            yield from ticks

    def failures(self) -> list[Failure]:
        """Returns the failures that the workers have recorded."""
        assert self.job is not None
        return failures_of(self.job)

    def losses(self, made: Collection[CheckpointId]) -> list[Failure]:
        """Returns the checkpoints at which workers were lost too often, once all tasks have ended.

        Args:
            made: checkpoints whose pieces are made.
        """
        assert self.job is not None
        losses = []
        for number, message in self._engine.failures.items():
            # Those after it in the task may be fine: they are handed out again.
            unmade = [each for each in self._tasks[number].ids() if each not in made]
            for checkpoint in unmade[:1]:
                text = f"{checkpoint}: {message}; its log is in {self.job.url}/logs"
                losses.append(Failure(checkpoint, EngineError(text)))
        return losses

    def _threads(self) -> int | None:
        """Returns the number of threads for each of several workers on this machine; None otherwise."""
        engine = self._engine
        return max(1, pa.cpu_count() // engine.workers) if engine.is_here and engine.workers > 1 else None
