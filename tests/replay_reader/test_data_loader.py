"""What users of PyTorch's DataLoader rely on: one order for any number of workers, and clean ends."""

import itertools
import json
import os
import pickle
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from reader_datasets import CONFIG, SHARDS, digests, write_dataset
from torch.utils.data import DataLoader
from waiting import PATIENCE, wait_until

from atari_dqn_replay import AtariReplayError, Episodes, Sequences, Transitions

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("dataset"), SHARDS)


def transitions(folder: Path, **options: Any) -> Any:
    return Transitions(str(folder), *CONFIG, **{"batch_size": 50, "frame_stack": 1, **options})


def load(reader: Any, workers: int = 0, **options: Any) -> Any:
    """Returns a loader whose workers are forked, as on Linux, though torchrl makes spawning the default."""
    method = {"multiprocessing_context": "fork"} if workers else {}
    return DataLoader(reader, batch_size=None, num_workers=workers, **{**method, **options})


def read(loader: Any) -> list[bytes]:
    return digests({name: np.asarray(value) for name, value in batch.items()} for batch in loader)


def in_turns(ranks: list[list[bytes]]) -> list[bytes]:
    return [each for turn in itertools.zip_longest(*ranks) for each in turn if each is not None]


@pytest.mark.parametrize(("workers", "world_size"), [(0, 3), (1, 1), (3, 1), (1, 2), (2, 2)])
def test_the_order_is_one_for_any_number_of_workers_and_ranks(
    folder: Path, workers: int, world_size: int
) -> None:
    expected = digests(transitions(folder))
    ranks = [
        read(load(transitions(folder, rank=rank, world_size=world_size), workers))
        for rank in range(world_size)
    ]
    assert in_turns(ranks) == expected


@pytest.mark.parametrize("persistent", [False, True])
def test_every_epoch_has_an_order_of_its_own(folder: Path, persistent: bool) -> None:
    reader = transitions(folder)
    expected = [digests(reader) for _ in range(3)]
    loader = load(transitions(folder), 2, persistent_workers=persistent)
    assert [read(loader) for _ in range(3)] == expected
    loader.dataset.set_epoch(1)
    assert [read(loader) for _ in range(2)] == expected[1:]


@pytest.mark.parametrize("persistent", [False, True])
def test_after_leaving_early_the_next_epoch_is_whole(folder: Path, persistent: bool) -> None:
    reader = transitions(folder)
    expected = [digests(reader) for _ in range(3)]
    loader = load(transitions(folder), 2, persistent_workers=persistent)
    first = read(itertools.islice(loader, 1))
    second = read(itertools.islice(loader, 7))
    assert [first, second, read(loader)] == [expected[0][:1], expected[1][:7], expected[2]]


def test_workers_can_be_more_or_fewer_in_another_epoch(folder: Path) -> None:
    reader = transitions(folder)
    expected = [digests(reader) for _ in range(4)]
    shared = transitions(folder)
    assert [read(load(shared, workers)) for workers in (2, 3, 0, 1)] == expected


def test_workers_started_in_the_middle_of_an_iteration_here(folder: Path) -> None:
    reader = transitions(folder)
    begun = iter(reader)
    next(begun)
    other = transitions(folder)
    other.set_epoch(1)
    assert read(load(reader, 2)) == digests(other)
    assert len(digests(begun)) == len(reader) - 1


def test_it_goes_on_in_mid_epoch_with_other_workers_and_ranks(folder: Path) -> None:
    uninterrupted = transitions(folder)
    epochs = [digests(uninterrupted), digests(uninterrupted)]
    cases = [((2, 1), 5, (3, 1)), ((3, 1), 1, (0, 2)), ((0, 3), 3, (1, 2))]
    for (workers, ranks), used, (later_workers, later_ranks) in cases:
        reader = transitions(folder, rank=ranks - 1, world_size=ranks)
        for _ in itertools.islice(load(reader, workers), used):
            pass
        state = json.loads(json.dumps(reader.state_dict(consumed=used)))
        resumed = [transitions(folder, rank=rank, world_size=later_ranks) for rank in range(later_ranks)]
        for each in resumed:
            each.load_state_dict(state)
        loaders = [load(each, later_workers) for each in resumed]
        assert in_turns([read(loader) for loader in loaders]) == epochs[0][used * ranks :]
        assert in_turns([read(loader) for loader in loaders]) == epochs[1]


def test_states_of_resumed_workers_count_from_where_they_resumed(folder: Path) -> None:
    first, second, third = (transitions(folder) for _ in range(3))
    expected = digests(transitions(folder))
    for _ in itertools.islice(load(first, 2), 3):
        pass
    second.load_state_dict(first.state_dict(consumed=3))
    for _ in itertools.islice(load(second, 2, persistent_workers=True), 4):
        pass
    third.load_state_dict(second.state_dict(consumed=4))
    assert read(load(third, 1)) == expected[7:]
    assert third.state_dict(consumed=len(third) - 7)["epoch"] == 1


def test_what_workers_have_used_must_be_said(folder: Path) -> None:
    reader = transitions(folder)
    read(load(reader, 1))
    with pytest.raises(AtariReplayError, match="give state_dict the number of items consumed"):
        reader.state_dict()


@pytest.mark.parametrize("workers", [0, 2])
def test_every_value_becomes_a_tensor_without_a_copy(folder: Path, workers: int) -> None:
    readers = [
        transitions(folder, frame_stack=4),
        Sequences(str(folder), *CONFIG, length=5),
        Episodes(str(folder), *CONFIG),
    ]
    for reader in readers:
        array = next(iter(reader))
        tensors = next(iter(load(reader, workers)))
        assert tensors.keys() == array.keys()
        for name, value in array.items():
            if isinstance(value, np.ndarray):
                assert isinstance(tensors[name], torch.Tensor)
                assert torch.from_numpy(value).data_ptr() == value.ctypes.data
                assert tensors[name].is_contiguous()


def test_whole_episodes_from_workers(folder: Path) -> None:
    reader: Any = Episodes(str(folder), *CONFIG, shuffle=True)
    epochs = [[(each["checkpoint"], each["episode"]) for each in load(reader, 3)] for _ in range(2)]
    alone = Episodes(str(folder), *CONFIG, shuffle=True)
    assert epochs == [[(each["checkpoint"], each["episode"]) for each in alone] for _ in range(2)]


def test_a_copy_of_a_reader_counts_for_itself(folder: Path) -> None:
    reader = transitions(folder)
    copy = pickle.loads(pickle.dumps(reader))
    epochs = [digests(reader) for _ in range(2)]
    assert [read(load(copy, 2)) for _ in range(2)] == epochs


def children(process: int) -> set[int]:
    return {int(pid) for pid in Path(f"/proc/{process}/task/{process}/children").read_text().split()}


def test_an_error_in_a_worker_is_that_of_the_reader(folder: Path, tmp_path: Path) -> None:
    copy = write_dataset(tmp_path, SHARDS)
    reader = transitions(copy)
    for path in copy.glob("data/*/*/*/*.parquet"):
        path.unlink()
    with pytest.raises(AtariReplayError, match="no such file"):
        list(load(reader, 1))


LOOP = """
import sys
from torch.utils.data import DataLoader
from atari_dqn_replay import Transitions
reader = Transitions(sys.argv[1], "breakout-full", "run_1", batch_size=1)
loader = DataLoader(reader, batch_size=None, num_workers=2, persistent_workers=True)
while True:
    for batch in loader:
        print("batch", flush=True)
"""


@pytest.fixture
def loop(folder: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", LOOP, str(folder)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        yield process
        process.kill()


def assert_gone(processes: set[int]) -> None:
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in processes), "the end of the workers")


@pytest.mark.parametrize("to_group", [True, False])
def test_ctrl_c_leaves_no_processes(loop: subprocess.Popen[str], to_group: bool) -> None:
    assert loop.stdout is not None
    loop.stdout.readline()
    started = children(loop.pid)
    assert len(started) >= 2
    if to_group:
        os.killpg(loop.pid, signal.SIGINT)
    else:
        loop.send_signal(signal.SIGINT)
    _, errors = loop.communicate(timeout=PATIENCE)
    assert "KeyboardInterrupt" in errors
    assert_gone(started)


def test_a_worker_that_dies_is_reported(loop: subprocess.Popen[str]) -> None:
    assert loop.stdout is not None
    loop.stdout.readline()
    started = children(loop.pid)
    os.kill(max(started), signal.SIGKILL)
    _, errors = loop.communicate(timeout=PATIENCE)
    assert loop.returncode == 1
    # torch tells that it was killed, unless it stumbles over the broken connection first.
    assert re.search("is killed by signal: Killed|ConnectionResetError|EOFError", errors)
    assert_gone(started)


LATE_TORCH = """
import sys
from atari_dqn_replay import Transitions
reader = Transitions(sys.argv[1], "breakout-full", "run_1", batch_size=50)
own = [[batch["observation"] for batch in reader] for epoch in range(2)]
assert "torch" not in sys.modules
from torch.utils.data import DataLoader
for method in ("fork", "spawn"):
    reader.set_epoch(0)
    loader = DataLoader(
        reader, batch_size=None, num_workers=1, multiprocessing_context=method, persistent_workers=True
    )
    for epoch in range(2):
        batches = [batch["observation"].numpy() for batch in loader]
        assert len(batches) == len(own[epoch])
        assert all((found == expected).all() for found, expected in zip(batches, own[epoch]))
    assert reader.state_dict(consumed=1)["item"] == 1
print("done")
"""


def test_a_reader_never_imports_torch_and_forked_and_spawned_workers_take_it(folder: Path) -> None:
    command = [sys.executable, "-c", LATE_TORCH, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "done\n", done.stderr
