"""Runs tasks as Hugging Face Jobs.

Why not datatrove's `JobsPipelineExecutor`: it cannot be stopped, so Ctrl-C would leave Jobs that run on and
cost money; one failed status request about a Job ends it; and it sends pickled code. `huggingface_hub`'s own
calls start a Job, ask for its status and cancel it, and nothing else is needed.
"""

import contextlib
import os
import time
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version

from huggingface_hub import HfApi, get_token

from ..network.errors import describe_error, is_final
from .engine import EngineError, option
from .pool_engine import PoolEngine

_ENDED = ("COMPLETED", "CANCELED", "ERROR", "DELETED")
_LOCAL = ("", "file", "local", "memory")


_SCRIPT = 'pip install --quiet "$0" && exec python -m "$@"'
"""What a Job runs, given the package, the module and its arguments."""


@dataclass(eq=False)
class Job:
    """A Job, or the attempt to start one."""

    id: str | None
    failure: str | None = None


@dataclass(kw_only=True, eq=False)
class JobsEngine(PoolEngine[Job]):
    """Runs a Job for every few tasks, `workers` at once, and cancels them when it is stopped.

    A Job receives your token, as a secret, to read and write on the Hub. It installs this package with pip.
    """

    flavor: str = option("hardware of each Job ('hf jobs hardware' lists it)", default="cpu-basic")
    timeout: str = option("time limit of each Job", default="2h")
    tasks_per_job: int = option("tasks that one Job runs, one after another", default=10)
    namespace: str | None = option("user or organisation that pays (default: yours)")
    package: str = option(
        "what to install, as pip names it", default=f"atari-dqn-replay=={version('atari-dqn-replay')}"
    )
    image: str = option("Docker image, with Python in it", default="python:3.12")
    secrets: str = option(
        "environment variables to pass on as secrets, besides the token, as A,B", default=""
    )
    poll: float = option("seconds between questions how the Jobs are", default=15.0)

    _api: HfApi = field(init=False, default_factory=HfApi)
    _asked: float = field(init=False, default=0.0)

    @property
    def batch(self) -> int:
        """Number of tasks per Job."""
        return self.tasks_per_job

    def run(self, work: str, tasks: Sequence[int]) -> Generator[None, None, None]:
        """Run the tasks, and yield at least every second."""
        if work.rpartition("://")[0] in _LOCAL:
            raise EngineError(
                f"{work}: Hugging Face Jobs cannot reach it; the work folder must be a URL, such as "
                f"hf://buckets/USER/BUCKET/work"
            )
        self._passed_on()
        try:
            self.namespace = self.namespace or self._api.whoami()["name"]
        except Exception as error:
            raise EngineError(
                f"Hugging Face Jobs need a token that may start them ({describe_error(error)}); run "
                f"'hf auth login' or set HF_TOKEN"
            ) from None
        return super().run(work, tasks)

    def start(self, work: str, numbers: Sequence[int]) -> Job:
        """Start a Job for the tasks.

        Raises:
            EngineError: the Hub refuses it, and would refuse it again.
        """
        try:
            job = self._api.run_job(
                image=self.image,
                command=[
                    *("sh", "-c", _SCRIPT, self.package, f"{__package__}.remote_main"),
                    *(self.function, work, *map(str, numbers)),
                ],
                env={"HF_HUB_DISABLE_PROGRESS_BARS": "1", "PYTHONUNBUFFERED": "1"},
                secrets=self._passed_on(),
                flavor=self.flavor,
                timeout=self.timeout,
                namespace=self.namespace,
            )
        except Exception as error:
            if is_final(error):
                raise EngineError(f"Hugging Face Jobs refused: {describe_error(error)}") from None
            return Job(None, f"the Job could not be started: {describe_error(error)}")
        return Job(job.id)

    def ended(self, running: Sequence[Job], seconds: float) -> Iterable[tuple[Job, str | None]]:
        """Returns the Jobs that the Hub reports as ended; it is only asked from time to time."""
        time.sleep(min(seconds, self.poll))
        if time.monotonic() - self._asked < self.poll:
            return
        for job in running:
            if self._has_ended(job):
                yield job, job.failure
        self._asked = time.monotonic()

    def stop(self, running: Sequence[Job]) -> None:
        """Cancel the Jobs."""
        for job in running:
            if job.id is not None:
                with contextlib.suppress(Exception):
                    self._api.cancel_job(job_id=job.id, namespace=self.namespace)

    def _has_ended(self, job: Job) -> bool:
        if job.id is None:
            return True
        try:
            answer = self._api.inspect_job(job_id=job.id, namespace=self.namespace)
        except Exception as error:
            if is_final(error):
                job.failure = f"nothing is known of Job {job.id}: {describe_error(error)}"
            return is_final(error)  # else it is asked again
        if answer.status.stage not in _ENDED:
            return False
        if answer.status.stage != "COMPLETED":
            job.failure = f"Job {answer.url}: {answer.status.stage} {answer.status.message or ''}".strip()
        return True

    def _passed_on(self) -> dict[str, str]:
        names = [name for name in self.secrets.split(",") if name]
        missing = [name for name in names if name not in os.environ]
        if missing:
            raise EngineError(
                f"the environment has no {', '.join(missing)}, which is to be passed on to the Jobs"
            )
        token = get_token()
        if token is None:
            raise EngineError("Hugging Face Jobs need your token; run 'hf auth login' or set HF_TOKEN")
        return {"HF_TOKEN": token, **{name: os.environ[name] for name in names}}
