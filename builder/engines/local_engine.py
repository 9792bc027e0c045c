"""Runs tasks in several processes of this machine.

Why not datatrove's `LocalPipelineExecutor`: it maps over a `multiprocess.Pool`, which waits forever for a
task whose process was killed, as the system does when memory runs out; and its workers write to the
terminal. Here each task has a process of its own, so that a lost one is seen at once and costs one task, and
memory does not add up. A fork server has imported everything before, so a process begins in milliseconds.
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

from .engine import run_task
from .pool_engine import PoolEngine

GRACE = 5.0
"""Seconds in which a worker that is told to stop may clean up."""

_LONGEST_LOG = 1 << 16
_CONTEXT = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")


@dataclass(kw_only=True, eq=False)
class LocalEngine(PoolEngine[BaseProcess]):
    """A process for each task, `workers` at once. They end when this process does, however it ends."""

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
        """Begin a task."""
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
    """Start it deaf to Ctrl-C, which goes to the whole group: it is the parent that sees to it."""
    # The server would start it otherwise, which lets signals through again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(function: str, work: str, number: int, output: Path) -> None:
    """The life of a worker."""
    # What libraries write would spoil the terminal's progress lines; it is of use only if the task fails.
    try:
        with output.open("wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
    except FileNotFoundError:  # the parent has ended
        os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the parent sees to it
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
