"""Tasks on a Slurm cluster: its commands are stand-ins, which run the very scripts that it would be given."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from atari_dqn_replay.builder.engines.choice import open_engine
from atari_dqn_replay.builder.engines.engine import EngineError
from atari_dqn_replay.builder.engines.slurm_engine import SlurmEngine
from engine_tasks import FAIL, MARK, done
from paths import SUPPORT
from slurm_stand_in import finished, install


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with Slurm's commands, which are on the path."""
    folder = tmp_path / "slurm"
    install(folder)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")  # this environment is not activated
    monkeypatch.setenv("PYTHONPATH", str(SUPPORT))
    return folder


def slurm(*options: str, workers: int = 2, function: str = MARK, finish: tuple[str, ...] = ()) -> SlurmEngine:
    engine = open_engine("slurm", workers=workers, options=options, function=function, finish=finish)
    assert isinstance(engine, SlurmEngine)
    return engine


def run(engine: SlurmEngine, work: Path, tasks: int) -> None:
    for _ in engine.run(str(work), range(tasks)):
        pass


def only_folder(work: Path) -> Path:
    (folder,) = (work / "logs").glob("slurm-*")
    return folder


@pytest.mark.slow
def test_an_array_runs_every_task_and_then_one_job_goes_on(
    tmp_path: Path, cluster: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    counting = (
        "import sys, pathlib; print(len(list(pathlib.Path(sys.argv[1]).iterdir())), 'done', sys.argv[2])"
    )
    finish = sys.executable, "-c", counting, str(tmp_path / "work/done"), "a 'quoted' word"
    engine = slurm("partition=cpu", finish=finish)
    run(engine, tmp_path / "work", 3)
    array, last = finished(cluster)
    assert (array["exits"], last["exits"]) == ([0, 0, 0], [0])
    assert done(tmp_path / "work") == [0, 1, 2]
    assert "3 done a 'quoted' word" in (only_folder(tmp_path / "work") / "finish.out").read_text()
    assert last["asked"]["dependency"] == "afterany:100"
    assert engine.handed_over is not None
    assert engine.handed_over.startswith("Slurm runs the tasks: jobs 100, and then 101")
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_the_jobs_run_in_the_folder_where_the_command_was_given(
    tmp_path: Path, cluster: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "a folder"
    here.mkdir()
    monkeypatch.chdir(here)
    run(slurm("partition=cpu", finish=("touch", "finished")), Path("work"), 2)
    finished(cluster)
    assert done(here / "work") == [0, 1]
    assert (here / "finished").exists()


def test_the_jobs_ask_for_what_the_options_say(tmp_path: Path, cluster: Path) -> None:
    options = "partition=long", "time=12:00:00", "cpus=2", "mem-per-cpu=3", "account=lab", "qos=low"
    run(slurm(*options, "finish-time=3-00", workers=7, finish=("true",)), tmp_path / "work", 1)
    array, last = (job["asked"] for job in finished(cluster))
    common = {"partition": "long", "cpus-per-task": "2", "mem-per-cpu": "3G", "account": "lab", "qos": "low"}
    assert array.items() >= {**common, "array": "0-0%7", "time": "12:00:00", "requeue": ""}.items()
    assert last.items() >= {**common, "time": "3-00", "requeue": ""}.items()
    assert "array" not in last


@pytest.mark.slow
def test_more_tasks_than_an_array_may_have_make_several(tmp_path: Path, cluster: Path) -> None:
    run(slurm("partition=cpu", "max-array-size=2", "tasks-per-job=2"), tmp_path / "work", 7)
    first, second = finished(cluster)
    assert [job["asked"]["array"] for job in (first, second)] == ["0-1%2", "0-1%2"]
    assert second["asked"]["dependency"] == "afterany:100"
    assert done(tmp_path / "work") == list(range(7))


@pytest.mark.slow
def test_a_failed_task_has_its_log_and_the_others_run(tmp_path: Path, cluster: Path) -> None:
    run(slurm("partition=cpu", function=FAIL, finish=("echo", "going on")), tmp_path / "work", 3)
    array, last = finished(cluster)
    assert [code != 0 for code in array["exits"]] == [False, True, False]
    assert last["exits"] == [0]
    assert done(tmp_path / "work") == [0, 2]
    assert (
        "an error that no task should raise"
        in (only_folder(tmp_path / "work") / "logs/task_00001.log").read_text()
    )


@pytest.mark.slow
def test_a_rerun_with_other_tasks_runs_them(tmp_path: Path, cluster: Path) -> None:
    work = tmp_path / "work"
    run(slurm("partition=cpu"), work, 1)
    for _ in slurm("partition=cpu").run(str(work), [4]):
        pass
    finished(cluster)
    assert done(work) == [0, 4]


@pytest.mark.slow
def test_an_element_that_is_requeued_after_its_task_was_done_does_nothing(
    tmp_path: Path, cluster: Path
) -> None:
    run(slurm("partition=cpu"), tmp_path / "work", 1)
    finished(cluster)
    (tmp_path / "work/done/0").unlink()
    again = {**os.environ, "SLURM_ARRAY_TASK_ID": "0", "SLURM_NODELIST": "node-[1-2]", "RUN_OFFSET": "0"}
    script = only_folder(tmp_path / "work") / "tasks.slurm"
    assert subprocess.run(["bash", str(script)], env=again, capture_output=True, check=False).returncode == 0
    assert done(tmp_path / "work") == []


def test_no_secret_is_written(tmp_path: Path, cluster: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "a-secret-of-mine")
    run(slurm("partition=cpu", finish=("true",)), tmp_path / "work", 1)
    finished(cluster)
    files = [path for path in (tmp_path / "work").rglob("*") if path.is_file()]
    assert any(path.name == "executor.pik" for path in files)
    assert not [path for path in files if b"a-secret-of-mine" in path.read_bytes()]


@pytest.mark.slow
@pytest.mark.parametrize("finish", [(), ("publish", "it's all")])
def test_the_scripts_can_be_written_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finish: tuple[str, ...]
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    engine = slurm("partition=cpu", "submit=no", "setup=module load python", finish=finish)
    run(engine, tmp_path / "work", 2)
    folder = only_folder(tmp_path / "work")
    assert engine.handed_over == f"the scripts are in {folder}; 'bash {folder}/submit.sh' submits them"
    scripts = [folder / "submit.sh", folder / "tasks.slurm", *([folder / "finish.slurm"] if finish else [])]
    for script in scripts:
        subprocess.run(["bash", "-n", str(script)], check=True)
    for script in scripts[1:]:
        assert "\nmodule load python; export PATH=" in script.read_text()
    if finish:
        assert shlex.join(finish) in (folder / "finish.slurm").read_text()
    assert (folder / "finish.slurm").exists() == bool(finish)
    install(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{tmp_path / 'slurm'}:/usr/bin:/bin")
    monkeypatch.setenv("PYTHONPATH", str(SUPPORT))
    subprocess.run(["bash", str(folder / "submit.sh")], check=True, capture_output=True, cwd=tmp_path)
    finished(tmp_path / "slurm")
    assert done(tmp_path / "work") == [0, 1]


def test_what_cannot_work_is_said_before_anything_is_written(
    tmp_path: Path, cluster: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EngineError, match="add --engine-option partition=NAME"):
        run(slurm(), tmp_path / "work", 1)
    with pytest.raises(EngineError, match="memory://work: slurm needs a work folder on a disk"):
        next(slurm("partition=cpu").run("memory://work", [0]))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with pytest.raises(EngineError, match="no 'sbatch' here"):
        run(slurm("partition=cpu"), tmp_path / "work", 1)
    assert not (tmp_path / "work").exists()


def test_what_sbatch_says_is_passed_on(tmp_path: Path, cluster: Path) -> None:
    (cluster / "sbatch").write_text("#!/bin/sh\necho 'invalid partition specified: cpu' >&2\nexit 1\n")
    with pytest.raises(
        EngineError, match="sbatch refused: invalid partition specified: cpu; the scripts are"
    ):
        run(slurm("partition=cpu"), tmp_path / "work", 1)
