"""TorchRL's cache as a source: the bucket's rows as memory-mapped arrays."""

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from atari_dqn_replay.builder.assembly.build import build, plan_build
from atari_dqn_replay.builder.errors import AtariReplayError
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.format.manifest import Manifest
from atari_dqn_replay.builder.sources.inspection import inspect_source
from atari_dqn_replay.builder.sources.open import open_source
from dataset_folders import Contents, contents
from datasets_of_logs import build_from
from logs import write_log
from paths import SKIPPED_LAP, THREE_LAPS
from web_server import running_web

BREAKOUT = find_game("breakout")
PATHS = {
    "$store$_observation": "data/observation",
    "$store$_action": "data/action",
    "$store$_reward": "data/next/reward",
    "$store$_terminal": "data/next/terminated",
    "add_count": "add_count",
    "invalid_range": "invalid_range",
}


def write_cache(logs: Path, root: Path) -> Path:
    """Write all runs of a mirror as TorchRL unpacks them: plain values, and one row after the last frame."""
    for file in logs.rglob("*_ckpt.*.gz"):
        name, _, number = file.name.removesuffix(".gz").partition("_ckpt.")
        run = file.parent.parent
        place = root / run.parent.name / run.name / number / f"{PATHS[name]}.memmap"
        place.parent.mkdir(parents=True, exist_ok=True)
        with gzip.open(file) as content:
            array = np.load(content)
        filler = bytes(7056) if name.endswith("observation") else b""
        place.write_bytes(array.tobytes() + filler)
        (place.parent / "meta.json").write_text("{}")
    for run in root.glob("*/*"):
        (run / "processed.json").write_text(json.dumps({"processed": None}))
    return root


def without_sources(folder: Path) -> Contents:
    """A dataset's files; its manifests and card without what names or counts the files read."""
    files = contents(folder)
    files.pop("README.md")
    for path in [path for path in files if path.startswith("manifests/")]:
        content = json.loads(files[path])
        assert content.pop("sources")
        files[path] = json.dumps(content).encode()
    return files


@pytest.mark.slow
@pytest.mark.parametrize("logs", [THREE_LAPS / "dqn", SKIPPED_LAP / "dqn"], ids=["three laps", "skipped lap"])
def test_it_gives_what_the_bucket_gives(logs: Path, tmp_path: Path) -> None:
    """Shards, tables, and all that the manifests say, except which files were read."""
    cache = write_cache(logs, tmp_path / "cache")
    of_logs, of_cache = (
        build_from(source, tmp_path / name) for source, name in ((logs, "of-logs"), (cache, "of-cache"))
    )
    assert without_sources(of_cache) == without_sources(of_logs)
    path = of_cache / "manifests/breakout/run_1/checkpoint_00.json"
    read = {record.path for record in Manifest.from_json(path.read_text(), str(path)).sources}
    assert f"Breakout/1/0/{PATHS['$store$_reward']}.memmap" in read


@pytest.mark.slow
def test_torchrl_writes_it_so(tmp_path: Path) -> None:
    """The class's own code on the same logs, without its download: the same arrays, the same dataset."""
    torchrl = pytest.importorskip("torchrl.data.datasets.atari_dqn")
    logs, root = write_log(tmp_path / "logs", [90, 70, 110, 60], capacity=100), tmp_path / "torchrl"
    write = torchrl.AtariDQNExperienceReplay
    for number, files in write._list_runs(logs.folder).items():
        write._preproc_run(root / "Pong" / "1" / str(number), {number: files}, number)
    ours = write_cache(tmp_path / "logs", tmp_path / "cache")
    arrays = {path.relative_to(root): path.read_bytes() for path in root.rglob("*.memmap")}
    assert arrays == {path.relative_to(ours): path.read_bytes() for path in ours.rglob("*.memmap")}
    of_logs = build_from(tmp_path / "logs", tmp_path / "of-logs")
    assert without_sources(build_from(root, tmp_path / "of-cache")) == without_sources(of_logs)


@pytest.mark.slow
def test_it_may_lie_on_a_web_server(tmp_path: Path) -> None:
    write_log(tmp_path / "logs", [90, 70, 110], capacity=100)
    cache = write_cache(tmp_path / "logs", tmp_path / "cache")
    with running_web(cache) as server:
        out = tmp_path / "of-web"
        build(plan_build(open_source(server.url), [find_game("pong")], out), out)
    assert contents(out) == contents(build_from(cache, tmp_path / "of-folder"))


def test_it_is_inspected(tmp_path: Path) -> None:
    cache = write_cache(THREE_LAPS / "dqn", tmp_path)
    shutil.rmtree(cache / "Breakout" / "1" / "1")
    (cache / "Breakout" / "notes.txt").touch()
    inspection = inspect_source(open_source(str(cache)), [BREAKOUT])
    (report,) = inspection.runs
    assert (report.run, report.checkpoints, report.capacity) == (1, "0, 2-3", 3000)
    assert report.remarks == ("no checkpoint 1", "checkpoint 3 is the final, partial dump")
    (line,) = inspection.not_taken
    assert "found notes.txt; expected <Game>/<run>/<checkpoint>" in line
    of_game = inspect_source(open_source(str(cache / "Breakout")), [BREAKOUT])
    assert (of_game.runs, of_game.not_taken) == (inspection.runs, inspection.not_taken)


def test_stack_size_is_for_logs(tmp_path: Path) -> None:
    """As for other logs, it is refused where there is less padding; and where there is none at all."""
    write_log(tmp_path / "logs", [20] * 24, capacity=300)
    cache = write_cache(tmp_path / "logs", tmp_path / "cache")
    log = open_source(str(cache), {"stack_size": 4}).open_run(find_game("pong"), 1).reader()
    assert len(list(log.checkpoint(0).episodes())) == 13
    too_large = open_source(str(cache), {"stack_size": 6}).open_run(find_game("pong"), 1).reader()
    with pytest.raises(AtariReplayError, match="stack_size 6"):
        list(too_large.checkpoint(0).episodes())
    dataset = build_from(cache, tmp_path / "dataset")
    with pytest.raises(AtariReplayError, match="holds whole episodes, not replay logs"):
        open_source(str(dataset), {"stack_size": 4})


@pytest.mark.parametrize(
    ("file", "size", "message"),
    [
        ("data/observation", 7056 * 50 + 7, r"holds 352,807 bytes, expected a multiple of 7,056"),
        ("data/observation", 7056 * 50, r"holds 100 rows|a ring of 49 rows"),
        ("data/action", 0, r"action\.memmap: holds 0 bytes"),
        ("data/next/reward", None, r"reward\.memmap: no such file"),
        ("data/next/terminated", 99, r"holds 99 rows, but the checkpoint's observations are 100"),
        ("add_count", 4, r"add_count\.memmap: holds 4 bytes, expected a multiple of 8"),
        ("add_count", None, r"add_count\.memmap: no such file"),
    ],
)
def test_a_file_of_another_size_is_refused(tmp_path: Path, file: str, size: int | None, message: str) -> None:
    write_log(tmp_path / "logs", [90, 70, 110], capacity=100)
    cache = write_cache(tmp_path / "logs", tmp_path / "cache")
    place = cache / "Pong" / "1" / "1" / f"{file}.memmap"
    if size is None:
        place.unlink()
    else:
        place.write_bytes(place.read_bytes()[:size])
    with pytest.raises(AtariReplayError, match=message):
        build_from(cache, tmp_path / "out")
