"""Slurm's commands in a folder, for `PATH`: `sbatch` runs a job's elements here, one after another.

It reads the directives of the script as sbatch does, and keeps a record of each job in the folder.
"""

import json
import os
import subprocess
import sys
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


def submitted(folder: Path) -> list[dict[str, Any]]:
    """The jobs in the order of their submission: what they asked for, and how their elements ended."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("job-*.json"))]


def sbatch(arguments: list[str]) -> None:
    """Run a script's job, and print its number."""
    folder = Path(sys.argv[0]).parent
    *given, script = arguments
    lines = Path(script).read_text().splitlines()
    directives = [line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH ")]
    asked = {}
    for each in [*directives, *given]:
        assert each.startswith("--"), each
        key, _, value = each[2:].partition("=")
        asked[key] = value
    number = 100 + len(submitted(folder))
    environment = {**os.environ, "SLURM_JOB_ID": str(number), "SLURM_NODELIST": "node-[1-2]"}
    export, *variables = asked.get("export", "ALL").split(",")
    assert export == "ALL"
    environment |= dict(each.split("=", 1) for each in variables)
    elements = _elements(asked["array"]) if "array" in asked else [None]
    exits = []
    for element in elements:
        if element is not None:
            environment["SLURM_ARRAY_TASK_ID"] = str(element)
        output = asked["output"].replace("%A", str(number)).replace("%a", str(element))
        with Path(output).open("a") as file:
            ran = subprocess.run(["bash", script], env=environment, stdout=file, stderr=file, check=False)
        exits.append(ran.returncode)
    (folder / f"job-{number}.json").write_text(json.dumps({"id": number, "asked": asked, "exits": exits}))
    print(f"{number};cluster" if "parsable" in asked else f"Submitted batch job {number}")


def srun(arguments: list[str]) -> None:
    """Run a command as the only task of a step."""
    assert arguments[:3] == ["-l", "-n", "1"]
    sys.exit(subprocess.run(arguments[3:], check=False).returncode)


def scontrol(arguments: list[str]) -> None:
    """Spell out the list of nodes."""
    assert arguments == ["show", "hostnames", "node-[1-2]"]
    print("node-1\nnode-2")


def _elements(array: str) -> range:
    first, last = array.partition("%")[0].split("-")
    return range(int(first), int(last) + 1)
