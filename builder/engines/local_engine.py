"""Runs tasks in several processes on this machine.

Why not datatrove's `LocalPipelineExecutor`: it maps over a `multiprocess.Pool`, which waits forever for a
task whose process was killed, as the system does when memory runs out; and its workers write to the
terminal. Here each task has its own process, so a lost one is noticed at once and costs one task, and
memory does not add up. A fork server has already imported everything, so a process starts in milliseconds.
"""

import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from ..terminal.ctrl_c import put_off
from .engine import run_task
from .pool_engine import PoolEngine

GRACE = 5.0
"""Seconds that a worker has to clean up after it is told to stop."""

_LONGEST_LOG = 1 << 16
_CONTEXT = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")


@dataclass(kw_only=True, eq=False)
class LocalEngine(PoolEngine[BaseProcess]):
    """Runs each task in its own process, `workers` at once; they end with this process, however it ends."""

    is_here = True

    _outputs: Path = field(init=False)

    def run(self, work: str, tasks: Sequence[int]) -> Generator[None, None, None]:
        """Run the tasks, and yield at least every second."""
        if sys.platform == "linux":
            _CONTEXT.set_forkserver_preload(["__main__", __name__, self.function.partition(":")[0]])
            _start_fork_server()
        with tempfile.TemporaryDirectory(prefix="atari-dqn-replay-") as outputs:
            self._outputs = Path(outputs)
            yield from super().run(work, tasks)

    def start(self, work: str, numbers: Sequence[int]) -> BaseProcess:
        """Start a process for a task."""
        (number,) = numbers
        output = self._outputs / str(number)
        process = _CONTEXT.Process(
            target=_work, args=(self.function, work, number, output), name=str(number), daemon=True
        )
        process.start()
        return process

    def ended(
        self, running: Sequence[BaseProcess], seconds: float
    ) -> Iterable[tuple[BaseProcess, str | None]]:
        """Returns the workers whose process has ended, with what it wrote if it failed."""
        ready = wait([process.sentinel for process in running], seconds)
        for process in running:
            if process.sentinel in ready:
                process.join()
                yield process, self._failure(process)

    def stop(self, running: Sequence[BaseProcess]) -> None:
        """Ask the processes to clean up and end; kill those that do not."""
        for process in running:
            process.terminate()
        deadline = time.monotonic() + GRACE
        for process in running:
            process.join(max(0.0, deadline - time.monotonic()))
            process.kill()
            process.join()

    def _failure(self, process: BaseProcess) -> str | None:
        code = process.exitcode
        if not code:
            return None
        output = self._outputs / process.name
        written = output.read_bytes()[-_LONGEST_LOG:].decode(errors="replace") if output.exists() else ""
        if code == -signal.SIGKILL:
            return f"{written}\nits process was killed (SIGKILL), as happens when memory runs out"
        if code < 0 or not written:
            how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
            return f"{written}\nits process was ended {how}"
        return written


def _start_fork_server() -> None:
    """Start the fork server with Ctrl-C blocked: it goes to the whole group, and the parent handles it."""
    # Otherwise the server would start the tracker, and in doing so unblock the signals.
    resource_tracker.ensure_running()
    with put_off():
        forkserver.ensure_running()


def _work(function: str, work: str, number: int, output: Path) -> None:
    """Run one task in a worker."""
    # What libraries write would spoil the terminal's progress lines, and matters only if the task fails.
    try:
        with output.open("wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
    except FileNotFoundError:  # the parent has ended
        os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the parent handles it
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    run_task(function, work, number)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(1)
