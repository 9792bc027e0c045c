"""Tasks as Hugging Face Jobs, of which a loopback server runs the commands."""

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import fsspec
import pytest
from atari_dqn_replay.builder.engines.choice import open_engine
from atari_dqn_replay.builder.engines.engine import EngineError
from atari_dqn_replay.builder.engines.jobs_engine import JobsEngine
from engine_tasks import done
from fsspec.implementations.memory import MemoryFileSystem
from huggingface_hub import HfApi
from jobs_server import JobsServer, running_jobs
from paths import SUPPORT


class FarAway(MemoryFileSystem):
    """A file system that this process reaches by a URL; the Jobs, which run here, use another folder."""

    protocol = "faraway"


fsspec.register_implementation("faraway", FarAway)
WORK = "faraway://work"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobsServer]:
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    monkeypatch.setenv("MARKS", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(SUPPORT))
    with running_jobs() as server:
        yield server


def jobs(server: JobsServer, function: str, *options: str, workers: int = 2) -> JobsEngine:
    options = "poll=0.05", "tasks-per-job=2", *options
    engine = open_engine("jobs", workers=workers, options=options, function=f"engine_tasks:{function}")
    assert isinstance(engine, JobsEngine)
    engine._api = HfApi(endpoint=server.url)
    return engine


def run(engine: JobsEngine, tasks: int) -> None:
    for _ in engine.run(WORK, range(tasks)):
        pass


def test_jobs_run_every_task(tmp_path: Path, server: JobsServer) -> None:
    engine = jobs(server, "mark_elsewhere", "flavor=cpu-upgrade", "timeout=3h", "namespace=lab")
    run(engine, 5)
    assert done(tmp_path) == list(range(5))
    assert (engine.failures, server.cancelled) == ({}, [])
    first, second, third = server.started
    assert first["path"] == "/api/jobs/lab"
    assert first["command"] == [
        *("sh", "-c", 'pip install --quiet "$0" && exec python -m "$@"'),
        *(f"atari-dqn-replay=={version('atari-dqn-replay')}", "atari_dqn_replay.builder.engines.remote_main"),
        *("engine_tasks:mark_elsewhere", WORK, "0", "1"),
    ]
    assert [job["command"][-1] for job in (second, third)] == ["3", "4"]
    assert (first["flavor"], first["timeoutSeconds"]) == ("cpu-upgrade", 3 * 3600)


def test_credentials_are_secrets_of_the_job(
    tmp_path: Path, server: JobsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hf_other")
    run(jobs(server, "mark_elsewhere", "secrets=AWS_SECRET_ACCESS_KEY"), 1)
    (job,) = server.started
    assert job.pop("secrets") == {"HF_TOKEN": "hf_mine", "AWS_SECRET_ACCESS_KEY": "hf_other"}
    assert "hf_" not in str(job)


def test_a_failed_job_is_begun_again_and_given_up_in_the_end(tmp_path: Path, server: JobsServer) -> None:
    engine = jobs(server, "fail_elsewhere")
    run(engine, 4)
    assert done(tmp_path) == [0, 2, 3]
    assert len(server.started) == 2 + 2
    assert set(engine.failures) == {0, 1}
    assert engine.failures[1] == f"Job {server.url}/jobs/lab/3: ERROR; tried 3 times"
    log = fsspec.filesystem("faraway").cat_file(f"{WORK}/logs/task-00001.log")
    assert log == f"Job {server.url}/jobs/lab/3: ERROR".encode()


def test_a_server_that_is_too_busy_is_asked_again(tmp_path: Path, server: JobsServer) -> None:
    server.failures = [503, 429]
    run(jobs(server, "mark_elsewhere"), 2)
    assert done(tmp_path) == [0, 1]


def test_what_the_hub_refuses_is_said(server: JobsServer) -> None:
    server.failures = [402]
    with pytest.raises(EngineError, match=r"Hugging Face Jobs refused: .*402"):
        run(jobs(server, "mark_elsewhere"), 2)


def test_leaving_early_cancels_the_jobs(tmp_path: Path, server: JobsServer) -> None:
    running = jobs(server, "wait_elsewhere").run(WORK, range(8))
    next(running)
    running.close()
    assert sorted(server.cancelled) == [0, 1]


@pytest.mark.parametrize("work", ["work", "file:///work", "/home/me/work"])
def test_a_folder_of_this_machine_is_refused(server: JobsServer, work: str) -> None:
    with pytest.raises(EngineError, match="cannot reach it; the work folder must be a URL, such as hf://"):
        next(jobs(server, "mark_elsewhere").run(work, [0]))


def test_a_secret_that_is_not_there_is_refused(server: JobsServer) -> None:
    with pytest.raises(EngineError, match="the environment has no MY_KEY"):
        next(jobs(server, "mark_elsewhere", "secrets=MY_KEY").run(WORK, [0]))
