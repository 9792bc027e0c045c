"""What users of torchdata's StatefulDataLoader rely on: the next batch, and then the next epoch."""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reader_datasets import CONFIG, SHARDS, digests, write_dataset

from atari_dqn_replay import AtariReplayError, Episodes, Transitions

stateful = pytest.importorskip("torchdata.stateful_dataloader", reason="torchdata is not installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("dataset"), SHARDS[:4])


def load(reader: Any, workers: int, **options: Any) -> Any:
    method = {"multiprocessing_context": "fork"} if workers else {}  # torchrl makes spawning the default
    return stateful.StatefulDataLoader(reader, batch_size=None, num_workers=workers, **method, **options)


def read(batches: Any) -> list[bytes]:
    return digests({name: np.asarray(value) for name, value in batch.items()} for batch in batches)


def transitions(folder: Path) -> Transitions:
    return Transitions(str(folder), *CONFIG, batch_size=20, frame_stack=1)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_it_goes_on_with_the_next_batch_and_the_next_epoch(folder: Path, workers: int) -> None:
    reader = transitions(folder)
    expected = [digests(reader) for _ in range(3)]
    first = load(transitions(folder), workers)
    read(first)
    batches = iter(first)
    used = read(itertools.islice(batches, 7))
    state = first.state_dict()
    del batches
    resumed = load(transitions(folder), workers)
    resumed.load_state_dict(state)
    assert used + read(resumed) == expected[1]
    assert read(resumed) == expected[2]


def test_it_can_be_resumed_again_and_again(folder: Path) -> None:
    expected = digests(transitions(folder))
    found, state = [], None
    for _ in range(4):
        loader = load(transitions(folder), 2)
        if state is not None:
            loader.load_state_dict(state)
        found += read(itertools.islice(iter(loader), 4))
        state = loader.state_dict()
    assert found == expected[:16]


def test_workers_that_live_on_resume_too(folder: Path) -> None:
    reader = Episodes(str(folder), *CONFIG, shuffle=True)
    orders = [[episode["length"] for episode in reader] for _ in range(3)]
    loader = load(Episodes(str(folder), *CONFIG, shuffle=True), 2, persistent_workers=True)
    lengths = [[int(episode["length"]) for episode in loader]]
    begun = [int(episode["length"]) for episode in itertools.islice(iter(loader), 3)]
    loader.load_state_dict(loader.state_dict())
    lengths += [begun + [int(episode["length"]) for episode in loader]]
    lengths += [[int(episode["length"]) for episode in loader]]
    assert lengths == orders


def test_a_workers_state_is_refused_elsewhere(folder: Path) -> None:
    loader = load(transitions(folder), 2)
    next(iter(loader))
    snapshot = json.dumps(loader.state_dict(), default=str)
    assert '"workers": 2' in snapshot
    (of_worker, *_) = _states(loader.state_dict())
    with pytest.raises(AtariReplayError, match=r"of worker \d of 2 of a StatefulDataLoader"):
        transitions(folder).load_state_dict(of_worker)


def _states(state: Any) -> list[dict[str, int]]:
    """The readers' own states within a loader's."""
    if not isinstance(state, dict):
        return []
    return [state] if "workers" in state else [own for value in state.values() for own in _states(value)]
