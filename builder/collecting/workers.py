"""Collects several logs at the same time, each in its own process."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from multiprocessing.synchronize import Event
from typing import Any

from ..terminal.progress import progress_bar
from .collect import Collected, collect_log, collect_quietly
from .log_settings import LogSettings

UPDATE_EVERY = 0.2
"""Seconds between updates of the progress bar."""

GRACE = 5.0
"""Seconds that a worker has to abandon its log after its parent has ended."""


def collect_many(logs: Sequence[LogSettings], workers: int = 1) -> list[Collected]:
    """Collect several logs, each as `collect` does, up to `workers` at once in their own processes.

    Raises:
        AtariReplayError: what `collect` raises, for the first log that failed; the others are stopped, and
            leave nothing behind unless they are complete.
    """
    if workers <= 1 or len(logs) <= 1:
        return [collect_log(log) for log in logs]
    # A forked child would inherit the locks of whatever threads the caller's libraries run.
    context = multiprocessing.get_context("spawn")
    stop, rows = context.Event(), context.Value("q")
    with ProcessPoolExecutor(min(workers, len(logs)), context, _begin_worker, (stop, rows)) as pool:
        try:
            with _children_without_ctrl_c():
                futures = [pool.submit(_collect_in_worker, log) for log in logs]
            _show_progress(futures, rows, total=sum(log.checkpoints * log.checkpoint_size for log in logs))
            return [future.result() for future in futures]
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


def _show_progress(futures: Sequence[Future[Collected]], rows: Any, total: int) -> None:
    """Show how many rows all workers have written, until the first failure or until all are done."""
    pending = set(futures)
    with progress_bar(description=f"collect {len(futures)} logs", unit="row", total=total) as bar:
        while pending:
            done, pending = wait(pending, UPDATE_EVERY)
            bar.update(rows.value - bar.n)
            for future in done:
                future.result()


@contextlib.contextmanager
def _children_without_ctrl_c() -> Iterator[None]:
    """Let the processes that are started in this block never see Ctrl-C, not even during their imports.

    They inherit the blocked signal; for this process it waits until the block ends.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_stop: Event | None = None
"""Set when this worker must abandon its log."""

_rows: Any = None
"""The number of rows that all workers have written together."""


def _begin_worker(stop: Event, rows: Any) -> None:
    global _stop, _rows
    _stop, _rows = stop, rows
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted too, and sets `stop`
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Abandon the log when the parent has been killed: nobody would use what is collected."""
    parent = multiprocessing.parent_process()
    assert parent is not None and _stop is not None
    parent.join()
    _stop.set()
    time.sleep(GRACE)
    os._exit(1)


def _collect_in_worker(log: LogSettings) -> Collected:
    def after_step(rows: int) -> None:
        assert _stop is not None
        if _stop.is_set():
            raise KeyboardInterrupt
        with _rows.get_lock():
            _rows.value += rows

    return collect_quietly(log, after_step)
