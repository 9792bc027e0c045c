"""Puts Slurm's commands in a folder for `PATH`: a job's elements run here, one after another.

`sbatch` reads the script's directives as the real one does, and leaves the job to a separate process, which
waits for the jobs that it depends on and leaves a record of it in the folder.
"""

import itertools
import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def install(folder: Path) -> None:
    """Put `sbatch`, `srun` and `scontrol` into the folder."""
    folder.mkdir()
    for name in ("sbatch", "srun", "scontrol"):
        command = folder / name
        command.write_text(
            f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        )
        with command.open("a") as file:
            file.write(f"import slurm_stand_in\nslurm_stand_in.{name}(sys.argv[1:])\n")
        command.chmod(0o755)


def finished(folder: Path) -> list[dict[str, Any]]:
    """Wait for all jobs; return what they requested and how their elements ended, in order of submission."""
    numbers = sorted(int(path.name) for path in (folder / "queue").iterdir())
    return [_wait_for(folder, number) for number in numbers]


def sbatch(arguments: list[str]) -> None:
    """Put a script's job into the queue, and print its number."""
    folder = Path(sys.argv[0]).parent
    *given, script = arguments
    lines = Path(script).read_text().splitlines()
    directives = [shlex.split(line)[1:] for line in lines if line.startswith("#SBATCH ")]
    asked = {}
    for each in [*itertools.chain(*directives), *given]:
        assert each.startswith("--"), each
        key, _, value = each[2:].partition("=")
        asked[key] = value
    (folder / "queue").mkdir(exist_ok=True)
    number = 100 + len(list((folder / "queue").iterdir()))
    (folder / "queue" / str(number)).touch()
    code = f"import slurm_stand_in; slurm_stand_in.run({number}, {asked!r}, {script!r}, {str(folder)!r})"
    with (folder / "errors").open("a") as errors:
        subprocess.Popen(
            [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); {code}"],
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            start_new_session=True,
        )
    print(f"{number};cluster" if "parsable" in asked else f"Submitted batch job {number}")


def run(number: int, asked: dict[str, str], script: str, folder: str) -> None:
    """Run a job's elements, and record how they ended."""
    kind, _, needed = asked.get("dependency", "").partition(":")
    if needed:
        assert kind == "afterany"
        _wait_for(Path(folder), int(needed))
    environment = {**os.environ, "SLURM_JOB_ID": str(number), "SLURM_NODELIST": "node-[1-2]"}
    export, *variables = asked.get("export", "ALL").split(",")
    assert export == "ALL"
    environment |= dict(each.split("=", 1) for each in variables)
    exits = []
    for element in _elements(asked["array"]) if "array" in asked else [None]:
        if element is not None:
            environment["SLURM_ARRAY_TASK_ID"] = str(element)
        output = asked["output"].replace("%A", str(number)).replace("%a", str(element))
        with Path(output).open("a") as file:
            ran = subprocess.run(
                ["bash", script], env=environment, cwd=asked["chdir"], stdout=file, stderr=file, check=False
            )
        exits.append(ran.returncode)
    part = Path(folder, f"job-{number}.part")
    part.write_text(json.dumps({"id": number, "asked": asked, "exits": exits}))
    part.rename(part.with_suffix(".json"))


def srun(arguments: list[str]) -> None:
    """Run a command as the only task of a step."""
    assert arguments[:3] == ["-l", "-n", "1"]
    sys.exit(subprocess.run(arguments[3:], check=False).returncode)


def scontrol(arguments: list[str]) -> None:
    """Print the expanded list of nodes."""
    assert arguments == ["show", "hostnames", "node-[1-2]"]
    print("node-1\nnode-2")


def _elements(array: str) -> range:
    first, last = array.partition("%")[0].split("-")
    return range(int(first), int(last) + 1)


def _wait_for(folder: Path, number: int) -> dict[str, Any]:
    record = folder / f"job-{number}.json"
    deadline = time.monotonic() + 120
    while not record.exists():
        assert time.monotonic() < deadline, (folder / "errors").read_text()
        time.sleep(0.05)
    return json.loads(record.read_text())
