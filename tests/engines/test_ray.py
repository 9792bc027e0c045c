"""Tasks on a Ray cluster of several nodes, one of which is lost."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import COMMAND, run
from dataset_folders import contents
from engine_tasks import FAIL, WAIT, begun, done, is_running
from logs import log_transitions, real_frames
from paths import SUPPORT
from waiting import wait_until

pytestmark = pytest.mark.slow

COORDINATOR = """
import sys
import tempfile
from atari_dqn_replay.builder.engines.engine import EngineError
from atari_dqn_replay.builder.engines.choice import open_engine

work, function, tasks, *options = sys.argv[1:]
engine = open_engine("ray", workers=3, options=options, function=function)
try:
    for _ in engine.run(work, range(int(tasks))):
        pass
except EngineError as error:
    sys.exit(str(error))
print(engine.failures)
"""


def start(*arguments: object) -> subprocess.Popen[str]:
    """A process that runs an engine, as the command does."""
    return subprocess.Popen(
        [sys.executable, "-c", COORDINATOR, *map(str, arguments)],
        env={name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


# Before the cluster below is there, which Ray would find.


def test_without_a_cluster_on_this_machine_none_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "go").touch()
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))  # where Ray notes which was started last
    for there_was_one in (False, True):
        if there_was_one:
            (tmp_path / "ray").mkdir()
            (tmp_path / "ray/ray_current_cluster").write_text("127.0.0.1:1")
        with start(tmp_path, WAIT, 1) as coordinator:
            printed, errors = coordinator.communicate()
        assert (coordinator.returncode, printed) == (1, "")
        assert errors.startswith("cannot join a Ray cluster here (")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Three nodes of one processor each."""
    with (
        pytest.MonkeyPatch.context() as patch,
        # A path short enough for sockets, and not the one where other clusters are looked for.
        tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder,
    ):
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", str(SUPPORT))  # for the workers
        from ray.cluster_utils import Cluster

        Path("/tmp/ray").mkdir(exist_ok=True)  # there Ray keeps the address, wherever its nodes' folders lie
        node = {"num_cpus": 1, "object_store_memory": 80_000_000, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args={**node, "temp_dir": folder})
        try:
            for _ in range(2):
                cluster.add_node(**node)
            yield cluster
        finally:
            cluster.shutdown()


def test_when_a_node_is_lost_in_mid_task_every_task_is_done(tmp_path: Path, cluster: Any) -> None:
    with start(tmp_path, WAIT, 8, f"address={cluster.address}") as coordinator:
        wait_until(lambda: len(begun(tmp_path)) == 3)  # one on each node
        lost = begun(tmp_path)
        cluster.remove_node(cluster.worker_nodes.copy().pop(), allow_graceful=False)
        wait_until(lambda: list(tmp_path.glob("logs/*.log")) != [])
        (tmp_path / "go").touch()
        assert coordinator.communicate() == ("{}\n", "")
    assert done(tmp_path) == list(range(8))
    (log,) = tmp_path.glob("logs/*.log")
    number = int(log.stem.removeprefix("task-"))
    assert "node" in log.read_text() or "worker" in log.read_text()
    attempts = [path.name for path in (tmp_path / "begun").glob(f"{number}-*")]
    assert len(attempts) == 2 and f"{number}-{lost[number]}" in attempts
    assert len(list((tmp_path / "begun").iterdir())) == 8 + 1


def test_a_task_that_raises_is_given_up_and_has_its_log(tmp_path: Path, cluster: Any) -> None:
    with start(tmp_path, FAIL, 3, f"address={cluster.address}") as coordinator:
        failures, errors = coordinator.communicate()
    assert errors == ""
    assert "ValueError: an error that no task should raise; tried 3 times" in failures
    assert done(tmp_path) == [0, 2]
    assert "engine_tasks.py" in (tmp_path / "logs/task-00001.log").read_text()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_the_coordinator(tmp_path: Path, cluster: Any, how: signal.Signals) -> None:
    with start(tmp_path, WAIT, 4, f"address={cluster.address}") as coordinator:
        wait_until(lambda: len(begun(tmp_path)) >= 2)
        coordinator.send_signal(how)
        coordinator.communicate()
    wait_until(lambda: not any(map(is_running, begun(tmp_path).values())))


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "no-port"])
def test_without_a_cluster_none_is_started(tmp_path: Path, address: str) -> None:
    with start(tmp_path, WAIT, 1, f"address={address}") as coordinator:
        printed, errors = coordinator.communicate()
    assert (coordinator.returncode, printed) == (1, "")
    assert errors.startswith(f"cannot join a Ray cluster at {address} (")
    assert "start one with 'ray start --head'" in errors


def test_a_publication_survives_the_loss_of_a_node(tmp_path: Path, cluster: Any) -> None:
    """Real checkpoints, made on all nodes: the result is that of one process, to the byte."""
    frames = np.resize(real_frames("Pong", 512), (6_000, 84, 84))  # repeated: playing them takes longest
    random = np.random.default_rng(0)
    actions, rewards = random.integers(6, size=6_000, dtype=np.int32), np.zeros(6_000, np.float32)
    terminal = np.arange(6_000) % 350 == 349
    log_transitions(tmp_path / "logs", frames, actions, rewards, terminal, capacity=500)
    node = cluster.add_node(num_cpus=1, object_store_memory=80_000_000, include_dashboard=False)
    options = ["publish", "pong", "--source", "logs", "--to"]
    assert run(*options, "expected", cwd=tmp_path).returncode == 0
    command = [*options, "out", "--engine", "ray", "--workers", "3"]
    process = subprocess.Popen(
        [COMMAND, *command, "--engine-option", f"address={cluster.address}"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: list(tmp_path.glob("out/.work.incomplete/pieces/**/piece.json")) != [])
    cluster.remove_node(node, allow_graceful=False)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert contents(tmp_path / "out") == contents(tmp_path / "expected")
