"""Runs tasks on a Ray cluster.

Why not datatrove's `RayPipelineExecutor`: each of its tasks is a placement group, an actor in it and a
`multiprocess.Pool` forked by the actor. When a node dies before the actor answers, the executor waits forever
for a future that nobody completes; so does the pool when the forked process is killed; and the executor
reports nothing to its caller until everything has ended. Plain Ray tasks rely directly on Ray's own knowledge
of workers and nodes, and take a dozen lines.
"""

import contextlib
import importlib
import logging
import os
import socket
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from .engine import EngineError, option, run_task
from .pool_engine import PoolEngine

CONNECT_SECONDS = 20.0
"""Seconds that a cluster's address has to answer."""

# Ray has no types for the remote functions that it makes.
Task = Any


@dataclass(kw_only=True, eq=False)
class RayEngine(PoolEngine[Task]):
    """Runs each task as a Ray task, spread over the nodes, `workers` at once.

    The package must be installed on every node, and credentials must be there too.
    """

    address: str | None = option("address of the cluster, HOST:PORT (default: $RAY_ADDRESS, or the one here)")
    cpus: float = option("processors to reserve for each task", default=1.0)
    memory: float = option("memory to reserve for each task, in GB (default: none)", default=0.0)

    _remote: Any = field(init=False)

    def run(self, work: str, tasks: Sequence[int]) -> Generator[None, None, None]:
        """Run the tasks, and yield at least every second."""
        with self._connected() as ray:
            self._remote = ray.remote(
                num_cpus=self.cpus,
                memory=int(self.memory * 1e9),
                max_retries=0,  # PoolEngine handles a lost worker: it counts it and keeps a log
                scheduling_strategy="SPREAD",
            )(run_task)
            yield from super().run(work, tasks)

    def start(self, work: str, numbers: Sequence[int]) -> Task:
        """Start a Ray task."""
        (number,) = numbers
        return self._remote.remote(self.function, work, number)

    def ended(self, running: Sequence[Task], seconds: float) -> Iterable[tuple[Task, str | None]]:
        """Returns the tasks that Ray reports as ended."""
        import ray
        from ray.exceptions import RayError

        ended, _ = ray.wait(list(running), timeout=seconds)
        for task in ended:
            try:
                failure = ray.get(task)
            except RayError as error:
                failure = str(error)
            yield task, failure

    def stop(self, running: Sequence[Task]) -> None:
        """Kill the workers."""
        import ray

        for task in running:
            ray.cancel(task, force=True)

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Any]:
        """Yield Ray once it is connected; disconnect afterwards if it was connected here."""
        import ray

        if ray.is_initialized():
            yield ray
            return
        address = self.address or os.environ.get("RAY_ADDRESS") or "auto"
        try:
            _reach(address)
            ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
        except (OSError, RuntimeError, ValueError) as error:
            where = "here" if address == "auto" else f"at {address}"
            raise EngineError(
                f"cannot join a Ray cluster {where} ({error}); start one with 'ray start --head' and, on "
                f"the other machines, 'ray start --address=HOST:6379', or name it with "
                f"--engine-option address=HOST:6379"
            ) from None
        # Ray has no switch for what it prints about lost nodes; it is in the logs, and would spoil our lines.
        vars(importlib.import_module("ray._private.worker"))["_worker_logs_enabled"] = False
        try:
            yield ray
        finally:
            ray.shutdown()


def _reach(address: str) -> None:
    """Raise an OSError if nothing answers at the address; Ray itself would try for many minutes."""
    if address == "auto":
        # The cluster that was last started on this machine, which may have ended.
        address = importlib.import_module("ray._private.services").canonicalize_bootstrap_address(address)
    host, _, port = address.rpartition("://")[2].rpartition(":")
    socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
