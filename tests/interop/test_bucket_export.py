"""What users of `export --format bucket` rely on: the original dumps come back, array for array."""

import gzip
import json
import os
import random
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from atari_dqn_replay.builder.collecting import ring_buffer
from atari_dqn_replay.builder.collecting.collect import collect
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.publishing.publish import publish
from atari_dqn_replay.builder.repos.folder_reader import FolderReader
from atari_dqn_replay.builder.repos.place import Place
from atari_dqn_replay.builder.sources.open import open_source
from atari_dqn_replay.builder.verification.report import Verification
from atari_dqn_replay.interop.export.bucket.round_trip import (
    ComparedRun,
    compare_round_trip,
    verify_round_trip,
)
from command import run
from dataset_folders import contents
from datasets_of_logs import build_from
from dopamine_python import dopamine_python
from forks import killed_after
from hub_server import HubServer
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from logs import log_folder, write_log
from paths import DATA
from publishing import REPO, to_hub
from rl_unplugged_files import played, write_ordered

from atari_dqn_replay import AtariDQNReplay, AtariReplayError, export

STORED = ("$store$_observation", "$store$_action", "$store$_reward", "$store$_terminal")
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]
"""Without shrinking: an example takes a second."""
ALL = (*STORED, "add_count", "invalid_range")


def round_trip(dataset: Path, source: Path) -> Verification:
    return compare_round_trip(FolderReader(dataset), open_source(str(source)))


def arrays(root: Path, game: str, number: int, run: int = 1) -> dict[str, np.ndarray]:
    """A dump's arrays as any reader gets them."""
    folder = log_folder(root, find_game(game), run)
    found = {}
    for name in ALL:
        with gzip.open(folder / f"{name}_ckpt.{number}.gz") as file:
            found[name] = np.load(file, allow_pickle=False)
    return found


def assert_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    for name, array in expected.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape), name
        assert found[name].tobytes() == array.tobytes(), name


@pytest.mark.slow
@pytest.mark.parametrize("name", ["three_laps", "skipped_lap"])
def test_the_dumps_of_dopamines_own_buffer_come_back(name: str, tmp_path: Path) -> None:
    source = DATA / name / "dqn"
    dataset = build_from(source, tmp_path / "dataset")
    report = export(dataset, "breakout-full", format="bucket", out=tmp_path / "out")
    for number in range({"three_laps": 4, "skipped_lap": 10}[name]):
        found, expected = arrays(tmp_path / "out", "breakout", number), arrays(source, "breakout", number)
        if number == 0:
            # Its last row was never written: memory as Dopamine found it, zeros here.
            assert not any(found[name][-1].any() for name in STORED)
            for each in STORED:
                expected[each][-1] = 0
        assert_same(found, expected)
    assert "was never written; it is zero here" in str(report)


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow], phases=PHASES)
@given(
    lengths=st.lists(st.integers(1, 50), min_size=1, max_size=8),
    capacity=st.integers(30, 60) | st.integers(5, 9),
    black=st.sampled_from([0, 0, 1, 5]),
    in_mid_episode=st.booleans(),
    finish=st.booleans(),
    delete=st.sets(st.integers(0, 6), max_size=2),
    keep=st.sampled_from([(), (0,), (1, 2), (0, 2, 3), (3,)]),
    seed=st.integers(0, 3),
)
def test_every_array_comes_back_that_a_dataset_can_hold(
    tmp_path_factory: pytest.TempPathFactory,
    lengths: list[int],
    capacity: int,
    black: int,
    in_mid_episode: bool,
    finish: bool,
    delete: set[int],
    keep: tuple[int, ...],
    seed: int,
) -> None:
    """Source → dataset → dumps, for any play, with lost laps, lost files and datasets of some checkpoints."""
    if capacity < 10:
        lengths = [1 + length % 7 for length in lengths]
    folder = tmp_path_factory.mktemp("log")
    log = write_log(
        folder / "dqn",
        lengths,
        capacity=capacity,
        black=black,
        in_mid_episode=in_mid_episode,
        finish=finish,
        delete=sorted(delete),
        seed=seed,
    )
    kept = [number for number in keep if number in log.files]
    if not log.files:
        return
    dataset = build_from(folder / "dqn", folder / "dataset", **({"checkpoints": kept} if kept else {}))
    result = round_trip(dataset, folder / "dqn")
    assert result.ok, str(result)
    (run,) = result.checked
    assert isinstance(run, ComparedRun)
    if not kept and not delete and not black:
        # All is there: only the row that was never written can't be known, twice if the final dump copies it.
        # (A black frame at each beginning is taken for the padding of a larger stack_size.)
        assert run.unknown <= 2
        assert run.files == len(log.files)


@pytest.mark.parametrize("stack_size", [1, 2, 6])
def test_dumps_of_an_agent_with_another_stack_size_come_back(
    stack_size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its buffer wrote another number of blank rows before each episode."""
    monkeypatch.setattr(ring_buffer, "PADDING_ROWS", stack_size - 1)
    log = write_log(tmp_path / "dqn", [40, 90, 30, 25, 130], capacity=150)
    dataset = build_from(tmp_path / "dqn", tmp_path / "dataset")
    result = round_trip(dataset, tmp_path / "dqn")
    (run,) = result.checked
    assert isinstance(run, ComparedRun)
    assert result.ok and run.files == len(log.files) and run.unknown <= 1, str(result)


GAMES = ("pong", "breakout", "freeway")
ROWS = 400
"""Of each dump."""


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Logs of three games."""
    folder = tmp_path_factory.mktemp("collected")
    for game in GAMES:
        collect(find_game(game), folder, checkpoints=2, checkpoint_size=ROWS)
    return folder


@pytest.fixture(scope="module")
def dataset(collected: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_from(collected, tmp_path_factory.mktemp("dataset"))


@pytest.mark.slow
def test_collected_logs_come_back_to_the_last_byte(collected: Path, dataset: Path, tmp_path: Path) -> None:
    """Also the final, partial dump, and the record that they were newly played."""
    export(dataset, "all-full", format="bucket", out=tmp_path)
    for game in GAMES:
        for number in range(3):
            assert_same(arrays(tmp_path, game, number), arrays(collected, game, number))
        folders = [log_folder(root, find_game(game), 1) for root in (tmp_path, collected)]
        for path in folders[1].glob("final_observation-*") if game != "freeway" else ():  # no episode ends
            assert (folders[0] / path.name).read_bytes() == path.read_bytes()
        ours, theirs = ((folder / "provenance.json").read_text() for folder in folders)
        assert ours == theirs


@pytest.mark.slow
def test_any_file_can_be_had_alone_with_the_same_bytes(dataset: Path, tmp_path: Path) -> None:
    export(dataset, "pong-full", format="bucket", out=tmp_path / "all")
    whole = contents(tmp_path / "all")
    for number in range(3):
        export(dataset, "pong-full", format="bucket", out=tmp_path / "one", checkpoints=[number])
        path = f"Pong/1/replay_logs/$store$_observation_ckpt.{number}.gz"
        assert contents(tmp_path / "one")[path] == whole[path]
    assert contents(tmp_path / "one") == whole


@pytest.mark.slow
def test_small_compression_changes_the_size_and_not_the_arrays(dataset: Path, tmp_path: Path) -> None:
    reports = [
        export(dataset, "breakout-full", format="bucket", out=tmp_path / name, compression=name)
        for name in ("fast", "small")
    ]
    assert reports[0].parts[0].size > reports[1].parts[0].size
    for number in range(3):
        assert_same(
            arrays(tmp_path / "small", "breakout", number), arrays(tmp_path / "fast", "breakout", number)
        )


@pytest.mark.slow
def test_a_source_of_logs_can_be_exported_as_well(collected: Path, dataset: Path, tmp_path: Path) -> None:
    export(collected, "freeway-full", format="bucket", out=tmp_path / "source")
    for number in range(3):
        assert_same(arrays(tmp_path / "source", "freeway", number), arrays(collected, "freeway", number))


@pytest.mark.slow
def test_dumps_of_a_dataset_lack_what_an_absent_checkpoint_held(collected: Path, tmp_path: Path) -> None:
    dataset = build_from(collected, tmp_path / "dataset", checkpoints=[1])
    report = export(dataset, "breakout-full", format="bucket", out=tmp_path / "out")
    found, expected = arrays(tmp_path / "out", "breakout", 1), arrays(collected, "breakout", 1)
    blank = (found["$store$_observation"] == 0).all(axis=(1, 2)) & expected["$store$_observation"].any(
        axis=(1, 2)
    )
    assert 0 < blank.sum() < len(blank)
    known = ~blank
    known[-1] = False  # it comes before row 0, and belongs to checkpoint 0
    for name in STORED:
        assert (found[name][known] == expected[name][known]).all(), name
    assert f"{blank.sum():,} rows belong to an episode that began in a checkpoint which is not there" in str(
        report
    )
    record = json.loads((tmp_path / "out" / "Breakout" / "1" / "export.json").read_text())
    assert "which is not there" in record["parts"]["1"]["remarks"][0]


@pytest.mark.slow
def test_a_dry_run_writes_nothing(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run("export", dataset, "all-mixed", "--format", "bucket", "--out", out, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "would write 20 files" in done.stdout
    assert not out.exists()


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_to_the_same_bytes(dataset: Path, tmp_path: Path) -> None:
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "out"
    arguments = ["export", dataset, "--envs", "all", "--format", "bucket", "--out"]
    began = time.monotonic()
    assert run(*arguments, undisturbed).returncode == 0
    seconds = time.monotonic() - began
    moments = random.Random(0)
    for _ in range(4):
        killed_after(moments.uniform(0, 1) * seconds, lambda: run(*arguments, out))
    assert run(*arguments, out).returncode == 0
    assert contents(out) == contents(undisturbed)


@pytest.mark.slow
def test_a_dump_that_is_gone_or_cut_is_written_again(dataset: Path, tmp_path: Path) -> None:
    export(dataset, "pong-full", format="bucket", out=tmp_path)
    before = contents(tmp_path)
    folder = tmp_path / "Pong" / "1" / "replay_logs"
    (folder / "add_count_ckpt.0.gz").unlink()
    cut = folder / "$store$_reward_ckpt.2.gz"
    cut.write_bytes(cut.read_bytes()[:20])
    assert export(dataset, "pong-full", format="bucket", out=tmp_path).parts[0].written == 14
    assert contents(tmp_path) == before


@pytest.mark.slow
def test_a_folder_of_other_logs_is_left_alone(collected: Path, dataset: Path) -> None:
    before = contents(collected)
    with pytest.raises(AtariReplayError, match="is there already"):
        export(dataset, "pong-full", format="bucket", out=collected)
    assert contents(collected) == before


@pytest.mark.slow
def test_one_damaged_shard_keeps_no_other_dump_from_being_written(collected: Path, tmp_path: Path) -> None:
    dataset = build_from(collected, tmp_path / "dataset")
    shards = (dataset / "data" / "breakout" / "run_1" / "checkpoint_02").glob("steps-*")
    shard = max(shards, key=lambda path: path.stat().st_size)
    content = bytearray(shard.read_bytes())
    content[40:400] = bytes(360)
    shard.write_bytes(content)
    done = run("export", dataset, "all-full", "--format", "bucket", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "1 of 3 dumps could not be written" in done.stderr and shard.name in done.stderr
    assert len(done.stderr.splitlines()) == 1
    for game in GAMES:
        for number in range(2 if game == "breakout" else 3):
            assert_same(arrays(tmp_path / "out", game, number), arrays(collected, game, number))


@pytest.mark.slow
def test_verify_round_trip_compares_without_writing(collected: Path, dataset: Path, tmp_path: Path) -> None:
    right = run("verify", dataset, "--source", collected, "--round-trip")
    assert right.returncode == 0, right.stdout
    assert f"all is right: {dataset} (every array of its dumps, rebuilt and compared" in right.stdout
    other = tmp_path / "other"
    collect(find_game("pong"), other, checkpoints=1, checkpoint_size=ROWS, seed=1)
    wrong = run("verify", dataset, "--source", other, "--round-trip", "--games", "pong")
    assert wrong.returncode == 1
    assert "$store$_action_ckpt.0.gz: differs from the rebuilt file, first in row" in wrong.stdout
    assert run("verify", dataset, "--round-trip").returncode == 2


@pytest.mark.slow
def test_verify_round_trip_looks_at_the_place_of_each_game(
    collected: Path, dataset: Path, tmp_path: Path
) -> None:
    (tmp_path / "replay-pong").symlink_to(dataset)
    result = verify_round_trip(Place(folder=f"{tmp_path}/replay-{{game}}"), open_source(str(collected)))
    assert result.ok and "all is right at 1 place" in str(result), str(result)
    assert "Freeway" in str(result), "games that the source has and no place"


@pytest.mark.slow
def test_a_builder_stands_for_its_source(collected: Path, tmp_path: Path) -> None:
    builder = AtariDQNReplay("freeway-full", source=collected)
    export(builder, "freeway-full", format="bucket", out=tmp_path, checkpoints=[1])
    assert_same(arrays(tmp_path, "freeway", 1), arrays(collected, "freeway", 1))


@pytest.mark.slow
def test_a_repo_on_the_hub_gives_the_same_bytes(hub: HubServer, dataset: Path, tmp_path: Path) -> None:
    publish(dataset, to_hub(hub))
    arguments = ["pong-full", "--format", "bucket", "--checkpoints", "1", "--out"]
    with hub.of_this_process():
        done = run("export", REPO, *arguments, tmp_path / "hub")
        missing = run("export", "user/nothing", *arguments, tmp_path / "none")
    assert done.returncode == 0, done.stderr
    assert run("export", dataset, *arguments, tmp_path / "folder").returncode == 0
    assert contents(tmp_path / "hub") == contents(tmp_path / "folder")
    assert (missing.returncode, len(missing.stderr.splitlines())) == (1, 1), missing.stderr


@pytest.mark.slow
def test_rl_unpluggeds_episodes_are_laid_out_anew(tmp_path: Path) -> None:
    """No ring is known of them, so the rows are those that one of the chosen size would have held."""
    episodes = played("breakout", [2, 2])
    write_ordered(tmp_path / "unplugged", episodes, "breakout")
    dataset = build_from(tmp_path / "unplugged", tmp_path / "dataset")
    for name, source in (("dataset", dataset), ("source", tmp_path / "unplugged")):
        report = export(source, "breakout-full", format="bucket", out=tmp_path / name / "out", capacity=200)
        assert "laid out anew in one of 200 rows" in str(report)
    logs = tmp_path / "dataset" / "out"
    assert {path: data for path, data in contents(logs).items() if path.endswith(".gz")} == {
        path: data for path, data in contents(tmp_path / "source" / "out").items() if path.endswith(".gz")
    }
    log = open_source(str(logs)).open_run(find_game("breakout"), 1)
    reader, found = log.reader(), []
    for number in log.checkpoints:
        found += [
            (np.concatenate(list(episode.frames)), episode.action, episode.reward)
            for episode in reader.checkpoint(number).episodes()
        ]
    reader.close()
    for (frames, action, reward), expected in zip(found, episodes, strict=True):
        assert (frames == expected.observation).all()
        assert (action == expected.action).all()
        assert (reward == expected.clipped_reward).all()


@pytest.mark.slow
def test_torchrls_own_class_reads_the_dumps(collected: Path, dataset: Path, tmp_path: Path) -> None:
    """`AtariDQNExperienceReplay`, unmodified; a stand-in for gsutil copies from the export."""
    if find_spec("torchrl") is None:
        pytest.skip("torchrl is not installed")
    export(dataset, "breakout-full", format="bucket", out=tmp_path / "dqn")
    gsutil = tmp_path / "bin" / "gsutil"
    gsutil.parent.mkdir()
    gsutil.write_text(GSUTIL.format(python=sys.executable, root=tmp_path / "dqn"))
    gsutil.chmod(0o755)
    environment = {**os.environ, "PATH": f"{gsutil.parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    command = [sys.executable, "-c", TORCHRL, str(tmp_path / "found.npz")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found, expected = dict(np.load(tmp_path / "found.npz")), arrays(collected, "breakout", 1)
    assert (found["observation"] == expected["$store$_observation"]).all()
    assert (found["action"] == expected["$store$_action"]).all()
    assert (found["reward"] == expected["$store$_reward"]).all()


GSUTIL = """#!{python}
import shutil, sys
from pathlib import Path
words = [word for word in sys.argv[1:] if not word.startswith("-")]
local = lambda url: Path(url.replace("gs://atari-replay-datasets/dqn", "{root}"))
if words[0] == "ls":
    folder = words[1]
    print("\\n".join(folder + "/" + path.name for path in sorted(local(folder).glob("*.gz"))))
elif words[0] == "cp":
    for url in words[1:-1]:
        shutil.copy(local(url), words[-1])
"""

TORCHRL = """
import sys
import numpy as np
from torchrl.data.datasets.atari_dqn import AtariDQNExperienceReplay
AtariDQNExperienceReplay._max_runs = 2
replay = AtariDQNExperienceReplay("Breakout/1", batch_size=4)
rows = replay[400 : 800]
np.savez(
    sys.argv[1],
    observation=rows["observation"].numpy(),
    action=rows["action"].numpy(),
    reward=rows["next", "reward"].numpy(),
)
"""


@pytest.mark.slow
def test_dopamines_own_buffer_loads_and_samples_the_dumps(
    collected: Path, dataset: Path, tmp_path: Path
) -> None:
    """Dopamine's `OutOfGraphReplayBuffer`, unmodified, in an environment of its own."""
    python = dopamine_python()
    export(dataset, "breakout-full", format="bucket", out=tmp_path)
    folder = log_folder(tmp_path, find_game("breakout"), 1)
    done = subprocess.run([python, "-c", DOPAMINE, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    add_count, *shape, total = map(int, done.stdout.split())
    expected = arrays(collected, "breakout", 1)
    assert (add_count, tuple(shape)) == (2 * ROWS - 1, (32, 84, 84, 4))
    assert total == expected["$store$_observation"].sum(dtype=np.int64)


DOPAMINE = """
import sys
from dopamine.tf.replay_memory.circular_replay_buffer import OutOfGraphReplayBuffer

buffer = OutOfGraphReplayBuffer((84, 84), stack_size=4, replay_capacity=400, batch_size=32, gamma=0.99)
buffer.load(sys.argv[1], "1")
states = buffer.sample_transition_batch()[0]
print(int(buffer.add_count), *states.shape, int(buffer._store["observation"].sum(dtype="int64")))
"""
