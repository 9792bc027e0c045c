"""Engines run every task, whatever becomes of their workers."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from atari_dqn_replay.builder.engines.choice import ENGINES, describe_options, open_engine
from atari_dqn_replay.builder.engines.engine import Engine, EngineError, ProcessEngine
from atari_dqn_replay.builder.engines.local_engine import LocalEngine
from engine_tasks import DIE, DIE_ONCE, FAIL, MARK, WAIT, begun, done, is_running
from paths import SUPPORT
from waiting import wait_until


def run(engine: Engine, work: Path, tasks: range) -> int:
    """Run the tasks to their end, and tell how often the engine gave the word back."""
    with contextlib.closing(engine.run(str(work), tasks)) as running:
        return sum(1 for _ in running)


# This process, and several.


def test_one_process_runs_the_tasks_in_turn(tmp_path: Path) -> None:
    running = ProcessEngine(function=MARK).run(str(tmp_path), [3, 1, 2])
    assert [(next(running), done(tmp_path))[1] for _ in range(3)] == [[3], [1, 3], [1, 2, 3]]
    assert next(running, "ended") == "ended"


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, 5])
def test_several_processes_run_every_task(tmp_path: Path, workers: int) -> None:
    run(LocalEngine(workers=workers, function=MARK), tmp_path, range(12))
    assert done(tmp_path) == list(range(12))


@pytest.mark.slow
def test_no_more_tasks_run_at_once_than_there_are_workers(tmp_path: Path) -> None:
    running = LocalEngine(workers=3, function=WAIT).run(str(tmp_path), range(7))
    for _ in running:
        if len(begun(tmp_path)) == 3:
            break
    next(running)
    assert sorted(begun(tmp_path)) == [0, 1, 2]
    (tmp_path / "go").touch()
    for _ in running:
        pass
    assert done(tmp_path) == list(range(7))


@pytest.mark.slow
def test_the_word_is_given_back_while_tasks_run(tmp_path: Path) -> None:
    running = LocalEngine(workers=2, function=WAIT).run(str(tmp_path), range(2))
    for _ in range(3):
        next(running)
    assert done(tmp_path) == []
    running.close()


def test_a_task_whose_process_is_killed_is_begun_again(tmp_path: Path) -> None:
    engine = LocalEngine(workers=2, function=DIE_ONCE)
    run(engine, tmp_path, range(6))
    assert done(tmp_path) == list(range(6))
    assert engine.failures == {}
    assert "SIGKILL" in (tmp_path / "logs/task-00001.log").read_text()


def test_a_task_that_is_killed_again_and_again_is_given_up(tmp_path: Path) -> None:
    engine = LocalEngine(workers=2, function=DIE)
    run(engine, tmp_path, range(6))
    assert done(tmp_path) == [0, 2, 3, 4, 5]
    assert list(engine.failures) == [1]
    assert "memory runs out; tried 3 times" in engine.failures[1]


def test_what_a_failed_task_wrote_is_in_its_log_and_not_on_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    engine = LocalEngine(workers=2, function=FAIL)
    run(engine, tmp_path, range(3))
    assert engine.failures == {1: "ValueError: an error that no task should raise; tried 3 times"}
    log = (tmp_path / "logs/task-00001.log").read_text()
    assert "task 1 was here" in log and "Traceback" in log
    assert capfd.readouterr() == ("", "")


def test_leaving_early_ends_the_workers(tmp_path: Path) -> None:
    running = LocalEngine(workers=2, function=WAIT).run(str(tmp_path), range(5))
    for _ in running:
        if len(begun(tmp_path)) == 2:
            break
    running.close()
    assert [is_running(process) for process in begun(tmp_path).values()] == [False, False]


COORDINATOR = f"""
import sys
from atari_dqn_replay.builder.engines.local_engine import LocalEngine

if __name__ == "__main__":
    for _ in LocalEngine(workers=2, function={WAIT!r}).run(sys.argv[1], range(5)):
        pass
"""


@contextlib.contextmanager
def coordinator(work: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that runs an engine, in a group of its own as the shell makes one for each command."""
    script = work / "coordinator.py"
    script.write_text(COORDINATOR)
    with subprocess.Popen(
        [sys.executable, str(script), str(work)],
        env={**os.environ, "PYTHONPATH": str(SUPPORT)},
        process_group=0,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            wait_until(lambda: len(begun(work)) == 2)
            yield process
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_workers_end_when_the_coordinator_is_killed(tmp_path: Path, how: signal.Signals) -> None:
    with coordinator(tmp_path) as process:
        process.send_signal(how)
    wait_until(lambda: not any(map(is_running, begun(tmp_path).values())))


@pytest.mark.slow
def test_ctrl_c_ends_the_workers_without_a_word_from_them(tmp_path: Path) -> None:
    with coordinator(tmp_path) as process:
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, errors = process.communicate()
    assert not any(map(is_running, begun(tmp_path).values()))
    assert errors.count("Traceback") == 1  # the coordinator's own


# What users ask for.


def test_an_engine_is_found_by_its_name() -> None:
    assert isinstance(open_engine("process"), ProcessEngine)
    engine = open_engine("ray", workers=9, options=["address=lab:6379", "cpus=0.5"])
    assert vars(engine).items() >= {"workers": 9, "address": "lab:6379", "cpus": 0.5}.items()


@pytest.mark.parametrize(
    "name, workers, options, message",
    [
        ("dask", 2, [], "there is no engine 'dask'; there are process, local, ray, slurm, jobs"),
        ("local", 0, [], "0 workers"),
        ("process", 4, [], "for 4, use --engine local"),
        ("local", 2, ["cpus=2"], "'local' has no option 'cpus=2'; it has none"),
        ("ray", 2, ["adress=x"], "its options are address, cpus, memory"),
        ("ray", 2, ["cpus"], "each as NAME=VALUE"),
        ("ray", 2, ["cpus=many"], "option cpus='many': not a number"),
        ("slurm", 2, ["mem-per-cpu=2.5"], "not a whole number"),
        ("slurm", 2, ["submit=perhaps"], "not yes or no"),
    ],
)
def test_what_does_not_fit_is_refused(name: str, workers: int, options: list[str], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        open_engine(name, workers=workers, options=options)


def test_every_option_is_described() -> None:
    described = {name: describe_options(name) for name in ENGINES}
    assert described["process"] == described["local"] == {}
    assert described["ray"]["cpus"] == "processors to reserve for each task (default: 1.0)"
    assert described["slurm"]["submit"].endswith("(default: yes)")
    assert described["jobs"]["flavor"].endswith("(default: cpu-basic)")


@pytest.mark.slow
@pytest.mark.parametrize("name, package", [("ray", "ray"), ("slurm", "datatrove")])
def test_without_its_extra_an_engine_says_how_to_install_it(name: str, package: str) -> None:
    code = (
        "import importlib.util as util, sys\n"
        "from atari_dqn_replay.builder.engines.engine import EngineError\n"
        "from atari_dqn_replay.builder.engines.choice import open_engine\n"
        "find = util.find_spec\n"
        f"util.find_spec = lambda name, *rest: None if name == {package!r} else find(name, *rest)\n"
        f"try: open_engine({name!r})\n"
        "except EngineError as error: print(error)\n"
        f"print({package!r} in sys.modules)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert f"needs {package}; install it with: pip install 'atari-dqn-replay[{name}]'\nFalse\n" in printed
