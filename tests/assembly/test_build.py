"""What users of `atari-dqn-replay build` rely on."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from atari_dqn_replay.builder.assembly.build import build, plan_build
from atari_dqn_replay.builder.assembly.plan import Plan, make_plan
from atari_dqn_replay.builder.errors import OutputError, ReplayLogError, SourceError, UnknownNameError
from atari_dqn_replay.builder.files import writing_alone
from atari_dqn_replay.builder.format.compression import FAST
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.format.manifest import Manifest
from atari_dqn_replay.builder.format.provenance import COLLECTED, Provenance
from atari_dqn_replay.builder.repos.place import Place
from atari_dqn_replay.builder.shards.steps import Digests
from atari_dqn_replay.builder.sources.open import open_source
from command import COMMAND, Fork, run
from logs import write_log
from paths import DATA
from waiting import wait_until

from atari_dqn_replay import AtariDQNReplay, decode_frames

THREE_LAPS = DATA / "three_laps"
BREAKOUT = find_game("breakout")


def build_folder(out: Path, source: Path = THREE_LAPS, **selection: Any) -> list[Manifest]:
    return list(build(plan_folder(out, source, **selection), out).manifests)


def plan_folder(out: Path, source: Path = THREE_LAPS, **selection: Any) -> Plan:
    return plan_build(open_source(str(source)), [BREAKOUT], out, compression=FAST, **selection)


def digest_of_tree(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def count_manifests(folder: Path) -> int:
    """Also while a build renames folders, which `rglob` does not bear."""
    return sum(len(files) for _, _, files in os.walk(folder / "manifests"))


def holds(folder: Path, name: str) -> bool:
    return any(name in files for _, _, files in os.walk(folder))


def half_written(folder: Path) -> list[Path]:
    """What a reader could stumble over; what was prepared for the next try lies in hidden folders."""
    return [*folder.glob("*.md.incomplete"), *folder.glob("[!.]*/**/*.incomplete")]


def whole(dataset: Any) -> pa.Table:
    return pa.concat_tables(dataset.with_format("arrow").iter(batch_size=999))


def copy_of_logs(folder: Path) -> Path:
    shutil.copytree(THREE_LAPS / "dqn", folder / "dqn")
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built") / "dataset"
    build_folder(out)
    return out


@pytest.mark.slow
@pytest.mark.parametrize("streaming", [False, True])
def test_plain_load_dataset_reads_what_was_played(built: Path, tmp_path: Path, streaming: bool) -> None:
    played = np.load(THREE_LAPS / "played.npz")
    steps = datasets.load_dataset(
        str(built), "breakout-full", split="run_1", streaming=streaming, cache_dir=str(tmp_path)
    )
    table = whole(steps)
    assert (decode_frames(table["observation"]) == played["observation"]).all()
    assert (table["action"].to_numpy() == played["action"]).all()
    assert (table["reward"].to_numpy() == played["reward"]).all()


@pytest.mark.slow
def test_build_and_builder_give_the_same_rows(built: Path, tmp_path: Path) -> None:
    for view in ("mixed", "expert", "full", "episodes"):
        builder = AtariDQNReplay(f"breakout-{view}", source=THREE_LAPS, cache_dir=str(tmp_path))
        stream: Any = builder.as_streaming_dataset(split="run_1")
        stored: Any = datasets.load_dataset(str(built), f"breakout-{view}", split="run_1", streaming=True)
        assert stored.features == stream.features
        tables = [
            pa.concat_tables(each.with_format("arrow").iter(batch_size=999)) for each in (stored, stream)
        ]
        assert tables[0].equals(tables[1]), view


@pytest.mark.slow
def test_a_checkpoint_in_which_no_episode_began_can_be_loaded(tmp_path: Path) -> None:
    """One episode goes on through all of checkpoint 1."""
    log = write_log(tmp_path / "logs", [10, 90, 30], capacity=40)
    out = tmp_path / "dataset"
    manifests = build(plan_build(open_source(str(log.root)), [log.game], out), out).manifests
    assert [manifest.step_counts.episodes for manifest in manifests][1] == 0
    for view, rows in (("full", 130), ("episodes", 3)):
        for streaming in (False, True):
            loaded: Any = datasets.load_dataset(
                str(out),
                f"pong-{view}",
                split="run_1",
                streaming=streaming,
                cache_dir=str(tmp_path / "cache"),
            )
            assert sum(1 for _ in loaded) == rows


def test_paths_that_a_job_cannot_record_are_refused_before_work_begins(tmp_path: Path) -> None:
    name = os.fsdecode(b"logs\xff")
    copy_of_logs(tmp_path / name)
    with pytest.raises(SourceError, match=r"logs\\udcff': a path that is not UTF-8, .* make a link to it"):
        build_folder(tmp_path / "out", tmp_path / name)
    (tmp_path / "logs").symlink_to(tmp_path / name)
    source, place = open_source(str(tmp_path / "logs")), Place(str(tmp_path / "out"))
    with pytest.raises(OutputError, match="a path that is not UTF-8"):
        make_plan(source, [BREAKOUT], place, f"{tmp_path}/{name}")
    assert not (tmp_path / "out").exists()
    assert len(build_folder(tmp_path / "out", tmp_path / "logs", checkpoints=[0])) == 1


def test_the_layout_is_the_documented_one(built: Path) -> None:
    assert {path for path in digest_of_tree(built) if "checkpoint_00" in path} == {
        "manifests/breakout/run_1/checkpoint_00.json",
        "data/breakout/run_1/checkpoint_00/steps-00000-of-00002.parquet",
        "data/breakout/run_1/checkpoint_00/steps-00001-of-00002.parquet",
        "episodes/breakout/run_1/checkpoint_00.parquet",
    }
    assert {path.name for path in built.iterdir()} == {"README.md", "data", "episodes", "games", "manifests"}


def test_an_episode_lies_where_the_episodes_table_says(built: Path) -> None:
    for table in sorted((built / "episodes").rglob("*.parquet")):
        for episode in pq.read_table(table).to_pylist():
            steps = pq.read_table(built / episode["file"]).slice(episode["first_row"], episode["length"])
            assert set(steps["episode"].to_pylist()) == {episode["episode"]}
            assert steps["step"].to_pylist() == list(range(episode["length"]))
            assert sum(steps["reward"].to_pylist()) == episode["return"] == steps["return_to_go"][0].as_py()


def test_the_manifest_vouches_for_sources_shards_and_columns(built: Path) -> None:
    for path in sorted(built.glob("manifests/*/*/*.json")):
        manifest = Manifest.from_json(path.read_text(), str(path))
        assert manifest.to_json() == path.read_text()
        for source in manifest.sources:
            content = (THREE_LAPS / "dqn" / source.path).read_bytes()
            assert (len(content), hashlib.sha256(content).hexdigest()) == (source.size, source.sha256)
        for file in manifest.files():
            content = (built / file.path).read_bytes()
            assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size, file.sha256)
        for shard in manifest.shards:
            steps = pq.read_table(built / shard.path)
            digests = Digests(steps.column_names)
            digests.update(
                {
                    name: decode_frames(column) if name == "observation" else column.to_numpy()
                    for name, column in zip(steps.column_names, steps.columns, strict=True)
                }
            )
            assert digests.hexdigests() == shard.digests


def test_every_row_of_the_source_is_accounted_for(built: Path) -> None:
    manifests = [json.loads(path.read_text()) for path in sorted(built.glob("manifests/*/*/*.json"))]
    for manifest in manifests:
        rows = manifest["row_counts"]
        assert rows["rows_read"] == manifest["capacity"] == 3000
        assert rows["rows_read"] == rows["transitions"] + rows["padding"] + rows["stale"] + rows["repeated"]
    assert sum(manifest["row_counts"]["transitions"] for manifest in manifests) == 9500
    assert sum(manifest["step_counts"]["steps"] for manifest in manifests) == 9500


def test_a_second_build_has_nothing_to_do(built: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in built.rglob("*")}
    plan = plan_folder(built)
    assert (len(plan.to_build), len(plan.done)) == (0, 4)
    build(plan, built)
    assert {path: path.stat().st_mtime_ns for path in built.rglob("*")} == before


@pytest.mark.slow
def test_in_parts_and_in_any_order_it_is_the_same_to_the_byte(built: Path, tmp_path: Path) -> None:
    for checkpoints in ([3], [1, 2], [0]):
        build_folder(tmp_path / "parts", checkpoints=checkpoints)
    assert digest_of_tree(tmp_path / "parts") == digest_of_tree(built)


@pytest.mark.slow
def test_a_build_that_is_killed_goes_on_to_the_same_bytes(built: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["build", "breakout", "--source", THREE_LAPS, "--compression", "fast", "--out", out]
    for _ in range(3):
        process = Fork(*arguments)
        done = count_manifests(out)
        while process.returncode is None and count_manifests(out) == done:
            time.sleep(0.001)
        process.kill()
        process.end()
    assert run(*arguments).returncode == 0
    assert digest_of_tree(out) == digest_of_tree(built)


@pytest.mark.slow
def test_ctrl_c_stops_at_once_and_leaves_whole_checkpoints(tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = Fork("build", "breakout", "--source", THREE_LAPS, "--out", out)
    wait_until(lambda: count_manifests(out) > 0, "the first checkpoint")
    process.interrupt()
    _, errors = process.end()
    if process.returncode:  # it may have been quicker than the signal
        assert process.returncode == 130
        assert "Traceback" not in errors
    assert not half_written(out)


@pytest.mark.slow
@pytest.mark.parametrize("stop", [Fork.interrupt, Fork.kill])
def test_stopped_while_the_next_dump_is_read_too_it_goes_on(
    stop: Callable[[Fork], None], tmp_path: Path
) -> None:
    """The last episode ends in a dump that is not built, and is read beside the one that is."""
    out = tmp_path / "out"
    arguments = ["build", "breakout", "--source", THREE_LAPS, "--checkpoints", "1", "--out", out]
    arguments += ["--compression", "fast"]
    process = Fork(*arguments)
    wait_until(lambda: process.returncode is not None or holds(out, "body.parquet"), "the first shard")
    stop(process)
    _, errors = process.end()
    assert process.returncode in (130, -signal.SIGKILL, 0)  # it may have been quicker than the signal
    assert "Traceback" not in errors
    assert run(*arguments).returncode == 0
    build_folder(tmp_path / "at-once", checkpoints=[1])
    assert digest_of_tree(out) == digest_of_tree(tmp_path / "at-once")


@pytest.mark.slow
def test_a_damaged_dump_in_which_the_last_episode_ends_is_reported_once(tmp_path: Path) -> None:
    source, out = copy_of_logs(tmp_path / "source"), tmp_path / "out"
    damaged = source / "dqn" / "Breakout" / "1" / "replay_logs" / "$store$_observation_ckpt.2.gz"
    sound = damaged.read_bytes()
    damaged.write_bytes(sound[:-20])
    arguments = ["build", "breakout", "--source", source, "--checkpoints", "1", "--out", out]
    failed = run(*arguments)
    assert failed.returncode == 1
    assert failed.stderr.count("observation_ckpt.2.gz: is cut short") == 2  # as a log line, and as the error
    assert not count_manifests(out)
    damaged.write_bytes(sound)
    assert run(*arguments).returncode == 0
    assert count_manifests(out) == 1


@pytest.mark.slow
def test_a_changed_or_grown_source_is_built_again(tmp_path: Path) -> None:
    source, out = copy_of_logs(tmp_path / "source"), tmp_path / "out"
    logs = source / "dqn" / "Breakout" / "1" / "replay_logs"
    later = [(path, path.read_bytes()) for path in logs.glob("*_ckpt.3.gz")]
    for path, _ in later:
        path.unlink()
    build_folder(out, source)
    for path, content in later:
        path.write_bytes(content)
    plan = plan_folder(out, source)
    assert [each.number for each in plan.to_build] == [2, 3], "the last episode of 2 goes on in 3"
    build(plan, out)
    build_folder(tmp_path / "at-once", source)
    assert digest_of_tree(out) == digest_of_tree(tmp_path / "at-once")


@pytest.mark.slow
def test_a_damaged_file_leaves_only_whole_checkpoints(tmp_path: Path) -> None:
    source, out = copy_of_logs(tmp_path / "source"), tmp_path / "out"
    damaged = source / "dqn" / "Breakout" / "1" / "replay_logs" / "$store$_reward_ckpt.2.gz"
    damaged.write_bytes(damaged.read_bytes()[:-20])
    with pytest.raises(ReplayLogError, match=r"\$store\$_reward_ckpt\.2\.gz: is cut short"):
        build_folder(out, source)
    assert [path.stem for path in out.glob("manifests/*/*/*.json")] == ["checkpoint_00"]
    assert not half_written(out)
    shutil.copy(THREE_LAPS / "dqn" / "Breakout" / "1" / "replay_logs" / damaged.name, damaged)
    assert len(build_folder(out, source)) == 4, "mended, it goes on"


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match=r"holds thesis\.tex"):
        build_folder(tmp_path)
    assert digest_of_tree(tmp_path).keys() == {"thesis.tex"}


def test_two_logs_are_never_mixed_into_one_run(tmp_path: Path) -> None:
    first = write_log(tmp_path / "first", [50] * 6, capacity=60)
    second = write_log(tmp_path / "second", [50] * 2, capacity=70, seed=1)
    out = tmp_path / "dataset"
    build(plan_build(open_source(str(first.root)), [first.game], out), out)
    before = digest_of_tree(out)
    with pytest.raises(OutputError, match="of another log than"):
        plan_build(open_source(str(second.root)), [second.game], out)
    assert digest_of_tree(out) == before


@pytest.mark.slow
def test_a_record_of_origin_that_appears_later_is_noticed(tmp_path: Path) -> None:
    source, out = copy_of_logs(tmp_path / "source"), tmp_path / "out"
    build_folder(out, source)
    record = Provenance(COLLECTED, {"policy": "uniform random"})
    logs = source / "dqn" / "Breakout" / "1" / "replay_logs"
    (logs / "provenance.json").write_text(record.to_json())
    assert all(manifest.provenance == record for manifest in build_folder(out, source))
    assert "not the original" in (out / "README.md").read_text().lower()


@pytest.mark.slow
def test_a_part_of_a_run_has_no_expert(tmp_path: Path) -> None:
    build_folder(tmp_path / "part", checkpoints=[0, 1])
    assert "breakout-expert" not in (tmp_path / "part" / "README.md").read_text().split("---")[1]
    build_folder(tmp_path / "rest", checkpoints=[2])
    assert "breakout-expert" in (tmp_path / "rest" / "README.md").read_text().split("---")[1]


@pytest.mark.slow
def test_two_builds_at_once_do_not_write_into_one_folder(tmp_path: Path) -> None:
    with writing_alone(tmp_path / "out"):
        done = run("build", "breakout", "--source", THREE_LAPS, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "another atari-dqn-replay is writing there" in done.stderr
    assert run("build", "breakout", "--source", THREE_LAPS, "--out", tmp_path / "out").returncode == 0


def test_what_a_killed_build_leaves_is_passed_over_by_load_dataset(built: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(built, copy)
    leftover = copy / "data" / "breakout" / "run_1" / ".checkpoint_04.incomplete"
    leftover.mkdir()
    (leftover / "steps-0.parquet").write_bytes(b"half a file")
    steps: Any = datasets.load_dataset(str(copy), "breakout-full", split="run_1", streaming=True)
    assert sum(1 for _ in steps.select_columns(["step"])) == 9500


def test_unknown_selections_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    selections: list[dict[str, Any]] = [{"runs": [2]}, {"checkpoints": [0, 9]}]
    for selection in selections:
        with pytest.raises(UnknownNameError):
            build_folder(tmp_path / "out", **selection)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_full_disk_is_one_clear_error_and_leaves_no_half_files(tmp_path: Path) -> None:
    mount = "mount -t tmpfs -o size=256k tmpfs . && cd $PWD && $*"
    script = f"{mount}; code=$?; find dataset/data dataset/episodes -name '*.incomplete'; exit $code"
    command = [COMMAND, "build", "breakout", "--source", str(THREE_LAPS), "--out", "dataset"]
    done = subprocess.run(
        ["unshare", "-rm", "bash", "-c", script, "-", *command],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 1, done.stderr
    assert "the disk is full" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == "", "no half-written files"
