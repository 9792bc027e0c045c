"""Defines the tasks that engines run in their tests: small functions that a worker can import by name."""

import os
import signal
import time
from pathlib import Path

MARK = "engine_tasks:mark"
WAIT = "engine_tasks:wait_for_go"
DIE_ONCE = "engine_tasks:die_once"
DIE = "engine_tasks:die"
FAIL = "engine_tasks:fail"


def mark(work: str, number: int) -> None:
    """Leave a file that shows that the task is done."""
    folder = Path(work) / "done"
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{number}-{os.getpid()}"
    part.write_text(f"{number}\n")
    part.rename(folder / str(number))


def wait_for_go(work: str, number: int) -> None:
    """Record that the task has begun, and in which process, then wait for a file `go`."""
    begun = Path(work) / "begun"
    begun.mkdir(parents=True, exist_ok=True)
    (begun / f"{number}-{os.getpid()}").touch()
    while not (Path(work) / "go").exists():
        time.sleep(0.02)
    mark(work, number)


def die_once(work: str, number: int) -> None:
    """Kill the process of task 1 at its first attempt."""
    first = Path(work) / "first-attempt"
    if number == 1 and not first.exists():
        first.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    mark(work, number)


def die(work: str, number: int) -> None:
    """Kill the process of task 1 at every attempt."""
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    mark(work, number)


def fail(work: str, number: int) -> None:
    """Print in every task, and raise in task 1."""
    print(f"task {number} was here", flush=True)
    if number == 1:
        raise ValueError("an error that no task should raise")
    mark(work, number)


def done(work: Path) -> list[int]:
    """Returns the tasks that have left their file with the right content."""
    files = [path for path in (work / "done").glob("*") if not path.name.startswith(".")]
    assert all(path.read_text() == f"{path.name}\n" for path in files)
    return sorted(int(path.name) for path in files)


def mark_elsewhere(work: str, number: int) -> None:
    """Leave the file in a folder that the environment names: the work folder is out of reach here."""
    mark(os.environ["MARKS"], number)


def fail_elsewhere(work: str, number: int) -> None:
    """Raise in task 1."""
    fail(os.environ["MARKS"], number)


def wait_elsewhere(work: str, number: int) -> None:
    """Wait for a file `go` in the folder that the environment names."""
    wait_for_go(os.environ["MARKS"], number)


def begun(work: Path) -> dict[int, int]:
    """Returns the process of each task of `wait_for_go` that has begun."""
    names = [path.name.split("-") for path in (work / "begun").glob("*")]
    return {int(number): int(process) for number, process in names}


def is_running(process: int) -> bool:
    """Returns whether the process exists and is not a zombie."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
