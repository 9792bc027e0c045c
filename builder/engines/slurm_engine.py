"""Runs tasks as a job array on a Slurm cluster, through datatrove.

datatrove's `SlurmPipelineExecutor` is made for this: it writes the batch script, and on the nodes it finds
the task of an array element, keeps its log, leaves a marker when it is done, and requeues it when the node is
wanted for something else. Submission is ours, in a script that users can read and run again: datatrove's own
always adds a job that merges statistics, where ours publishes.
"""

import functools
import json
import math
import os
import shlex
import shutil
import subprocess
import sys
import uuid
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from .engine import Engine, EngineError, option, run_task

_SUBMIT = """\
#!/bin/bash
# Submits the tasks, and the job that goes on when they have run.
set -euo pipefail
folder={folder}
after=()
for offset in {offsets}; do
    export RUN_OFFSET=$offset
    job=$(sbatch --parsable --export=ALL ${{after[@]+"${{after[@]}}"}} "$folder/tasks.slurm")
    echo "${{job%%;*}}"
    after=("--dependency=afterany:${{job%%;*}}")
done
"""
_SUBMIT_FINISH = """\
job=$(sbatch --parsable "${after[@]}" "$folder/finish.slurm")
echo "${job%%;*}"
"""


@dataclass(kw_only=True, eq=False)
class SlurmEngine(Engine):
    """Submits the tasks and, to run after them, the command `finish`; waits for neither.

    The work folder must be on a disk that all nodes share, as must this Python. Environment variables are
    passed on to the jobs, as Slurm does by default; beyond these they get only the work folder and numbers.
    """

    partition: str | None = option("partition to submit to (needed)")
    time: str = option("time limit of each job", default="04:00:00")
    finish_time: str | None = option("time limit of the job that publishes (default: the same)")
    cpus: int = option("processors for each job", default=1)
    mem_per_cpu: int = option("memory for each processor, in GB", default=2)
    tasks_per_job: int = option("tasks that one job runs, one after another", default=1)
    max_array_size: int = option("the cluster's limit on the size of an array", default=1001)
    account: str | None = option("account to charge")
    qos: str | None = option("quality of service")
    setup: str | None = option("shell command to run first, such as 'module load …'")
    submit: bool = option(
        "whether to submit; if not, the scripts are written, and it is told where", default=True
    )

    def run(self, work: str, tasks: Sequence[int]) -> Generator[None, None, None]:
        """Write the scripts, and submit them unless told otherwise."""
        if not tasks:
            return
        if self.partition is None:
            raise EngineError(
                "slurm needs a partition; add --engine-option partition=NAME ('sinfo' lists them)"
            )
        if self.submit and shutil.which("sbatch") is None:
            raise EngineError(
                "found no 'sbatch' here; run this on a login node of the cluster, or add --engine-option "
                "submit=no to have the scripts written only"
            )
        folder = self._write(work, tasks)
        if self.submit:
            self.handed_over = (
                f"Slurm runs the tasks: {self._submit(folder)}; scripts and logs are in {folder}"
            )
        else:
            self.handed_over = f"the scripts are in {folder}; 'bash {folder}/submit.sh' submits them"
        yield

    def _write(self, work: str, tasks: Sequence[int]) -> Path:
        """Write everything that the jobs need into a new folder, and return it."""
        import dill

        files, path = fsspec.url_to_fs(work)
        if not isinstance(files, LocalFileSystem):
            raise EngineError(f"{work}: slurm needs a work folder on a disk that all nodes share, not a URL")
        # Each run has its own folder: datatrove's markers count tasks from 0 in each.
        folder = Path(path) / "logs" / f"slurm-{uuid.uuid4().hex[:8]}"
        folder.mkdir(parents=True)
        executor = self._executor(path, tasks, folder)
        with (folder / "executor.pik").open("wb") as file:
            dill.dump(executor, file, fmode=dill.CONTENTS_FMODE)
        (folder / "ranks_to_run.json").write_text(json.dumps(list(range(len(tasks)))))
        jobs = math.ceil(len(tasks) / self.tasks_per_job)
        arguments = executor.get_sbatch_args(min(jobs, self.max_array_size))
        launch = f"srun -l -n 1 launch_pickled_pipeline {shlex.quote(str(folder / 'executor.pik'))}"
        (folder / "tasks.slurm").write_text(_script(executor, arguments, launch))
        submit = _SUBMIT.format(
            folder=shlex.quote(str(folder)),
            offsets=" ".join(map(str, range(math.ceil(jobs / self.max_array_size)))),
        )
        if self.finish:
            arguments = {key: value for key, value in arguments.items() if key != "array"}
            arguments |= {"time": self.finish_time or self.time, "job-name": "atari-dqn-replay-finish"}
            arguments |= dict.fromkeys(("output", "error"), str(folder / "finish.out"))
            (folder / "finish.slurm").write_text(_script(executor, arguments, shlex.join(self.finish)))
            submit += _SUBMIT_FINISH
        (folder / "submit.sh").write_text(submit)
        return folder

    def _executor(self, work: str, tasks: Sequence[int], folder: Path) -> Any:
        from datatrove.executor import SlurmPipelineExecutor
        from datatrove.utils.logging import logger

        logger.disable("datatrove")
        # The commands of this environment, even if it was not activated.
        setup = f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH"
        return SlurmPipelineExecutor(
            [functools.partial(run_rank, self.function, work, tuple(tasks))],
            tasks=len(tasks),
            workers=self.workers,
            time=self.time,
            partition=self.partition,  # pyright: ignore[reportArgumentType]
            qos=self.qos,  # pyright: ignore[reportArgumentType]
            cpus_per_task=self.cpus,
            mem_per_cpu_gb=self.mem_per_cpu,
            tasks_per_job=self.tasks_per_job,
            max_array_size=self.max_array_size,
            job_name="atari-dqn-replay",
            env_command=f"{self.setup}; {setup}" if self.setup else setup,
            sbatch_args={
                "chdir": str(Path.cwd()),  # paths may be relative
                "open-mode": "append",  # a requeued element continues its log
                **({"account": self.account} if self.account else {}),
            },
            logging_dir=str(folder),
        )

    def _submit(self, folder: Path) -> str:
        # Inside a job, Slurm's variables would be taken for those of the new jobs.
        environment = {
            key: value
            for key, value in os.environ.items()
            if key == "SLURM_CONF" or not key.startswith("SLURM_")
        }
        done = subprocess.run(
            ["bash", str(folder / "submit.sh")], capture_output=True, text=True, check=False, env=environment
        )
        if done.returncode:
            raise EngineError(
                f"sbatch refused: {done.stderr.strip()}; the scripts are in {folder}"
                + (f"; submitted so far: {', '.join(done.stdout.split())}" if done.stdout else "")
            )
        *arrays, last = done.stdout.split()
        if not self.finish:
            return f"jobs {', '.join([*arrays, last])}"
        return f"jobs {', '.join(arrays)}, and then {last}, which publishes what they made"


def _script(executor: Any, arguments: Mapping[str, Any], command: str) -> str:
    """Returns a batch script; sbatch reads its directives as a shell does."""
    quoted = {key: shlex.quote(str(value)) if value else "" for key, value in arguments.items()}
    return executor.get_launch_file_contents(quoted, command)


def run_rank(function: str, work: str, tasks: Sequence[int], data: Any, rank: int, world_size: int) -> None:
    """Run one task in a job; the last three arguments are datatrove's."""
    run_task(function, work, tasks[rank])
