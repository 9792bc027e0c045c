"""Plays several things at the same time, each in its own process."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from multiprocessing.synchronize import Event
from typing import Any, TypeVar

from ..terminal.ctrl_c import put_off
from ..terminal.progress import progress_bar
from .collect import Collected, collect_log, collect_quietly
from .log_settings import LogSettings

Task = TypeVar("Task")
Result = TypeVar("Result")
AfterStep = Callable[[int], object]
"""What work calls with the number of rows that each step has written."""

UPDATE_EVERY = 0.2
"""Seconds between updates of the progress bar."""

GRACE = 5.0
"""Seconds that a worker has to abandon its task after its parent has ended."""


def collect_many(logs: Sequence[LogSettings], workers: int = 1) -> list[Collected]:
    """Collect several logs, each as `collect` does, up to `workers` at once in their own processes.

    Raises:
        AtariReplayError: what `collect` raises, for the first log that failed; the others are stopped, and
            leave nothing behind unless they are complete.
    """
    if workers <= 1 or len(logs) <= 1:
        return [collect_log(log) for log in logs]
    total = sum(log.checkpoints * log.checkpoint_size for log in logs)
    return in_processes(
        collect_quietly, logs, workers, description=f"collect {len(logs)} logs", unit="row", total=total
    )


def in_processes(
    work: Callable[[Task, AfterStep], Result],
    tasks: Sequence[Task],
    workers: int,
    *,
    description: str,
    unit: str,
    total: int,
) -> list[Result]:
    """Do some tasks, up to `workers` at once in their own processes, and show the progress of all.

    Args:
        work: a function of a module: does a task, and calls its second argument after each step.
        tasks: what it is called with.
        workers: the number of processes.
        description: the name of the work in the progress bar.
        unit: what a step writes.
        total: how many of them all steps write.

    Returns:
        The result of each task.

    Raises:
        Exception: what the first task that failed has raised; the others are stopped by KeyboardInterrupt.
    """
    # A forked child would inherit the locks of whatever threads the caller's libraries run.
    context = multiprocessing.get_context("spawn")
    stop, done = context.Event(), context.Value("q")
    with ProcessPoolExecutor(min(workers, len(tasks)), context, _begin_worker, (stop, done)) as pool:
        try:
            with put_off():  # they begin to ignore it only after their imports
                futures = [pool.submit(_do_in_worker, work, task) for task in tasks]
            with progress_bar(description=description, unit=unit, total=total) as bar:
                _show_progress(futures, done, bar)
            return [future.result() for future in futures]
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


def _show_progress(futures: Sequence[Future[Any]], done: Any, bar: Any) -> None:
    """Show how much all workers have written, until the first failure or until all are done."""
    pending = set(futures)
    while pending:
        ended, pending = wait(pending, UPDATE_EVERY)
        bar.update(done.value - bar.n)
        for future in ended:
            future.result()


_stop: Event | None = None
"""Set when this worker must abandon its task."""

_done: Any = None
"""How much all workers have written together."""


def _begin_worker(stop: Event, done: Any) -> None:
    global _stop, _done
    _stop, _done = stop, done
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted too, and sets `stop`
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Abandon the work when the parent has been killed: nobody would use it."""
    parent = multiprocessing.parent_process()
    assert parent is not None and _stop is not None
    parent.join()
    _stop.set()
    time.sleep(GRACE)
    os._exit(1)


def _do_in_worker(work: Callable[[Task, AfterStep], Result], task: Task) -> Result:
    def after_step(written: int) -> None:
        assert _stop is not None
        if _stop.is_set():
            raise KeyboardInterrupt
        with _done.get_lock():
            _done.value += written

    return work(task, after_step)
