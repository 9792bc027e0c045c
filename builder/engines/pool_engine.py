"""The base of engines that keep some tasks running and restart those whose worker was lost."""

import contextlib
from abc import abstractmethod
from collections import Counter, deque
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import fsspec

from .engine import Engine

Running = TypeVar("Running")
"""An engine's handle to a running batch of tasks."""

ATTEMPTS = 3
"""Attempts at each batch: a worker can be lost through no fault of its task, but not again and again."""


@dataclass(kw_only=True, eq=False)
class PoolEngine(Engine, Generic[Running]):
    """Keeps as many batches of tasks running as there are workers.

    A batch that fails is started again, at most twice. The reason is kept as `logs/task-00012.log` in the
    work folder.
    """

    @property
    def batch(self) -> int:
        """Number of tasks that are started together."""
        return 1

    @abstractmethod
    def start(self, work: str, numbers: Sequence[int]) -> Running:
        """Start a batch of tasks."""

    @abstractmethod
    def ended(self, running: Sequence[Running], seconds: float) -> Iterable[tuple[Running, str | None]]:
        """Returns the ended batches, each with its error text or None; waits at most `seconds` for one."""

    @abstractmethod
    def stop(self, running: Sequence[Running]) -> None:
        """End the running batches at once."""

    def run(self, work: str, tasks: Sequence[int]) -> Generator[None, None, None]:
        """Run the tasks, and yield at least every second."""
        waiting = deque(tuple(tasks[at : at + self.batch]) for at in range(0, len(tasks), self.batch))
        running: dict[Running, tuple[int, ...]] = {}
        attempts: Counter[tuple[int, ...]] = Counter()
        try:
            while waiting or running:
                while waiting and len(running) < self.workers:
                    batch = waiting.popleft()
                    running[self.start(work, batch)] = batch
                for each, failure in self.ended(list(running), 1.0):
                    batch = running.pop(each)
                    if failure is None:
                        continue
                    attempts[batch] += 1
                    _keep_log(work, batch, failure)
                    if attempts[batch] < ATTEMPTS:
                        waiting.append(batch)
                    else:
                        reason = failure.strip().rpartition("\n")[2]
                        self.failures.update(dict.fromkeys(batch, f"{reason}; tried {ATTEMPTS} times"))
                yield
        finally:
            self.stop(list(running))


def _keep_log(work: str, batch: Sequence[int], text: str) -> None:
    """Write the text where users look for it; if that fails, the run continues."""
    with contextlib.suppress(OSError):
        files, folder = fsspec.url_to_fs(work)
        files.makedirs(f"{folder}/logs", exist_ok=True)
        for number in batch:
            files.pipe_file(f"{folder}/logs/task-{number:05d}.log", text.encode())
