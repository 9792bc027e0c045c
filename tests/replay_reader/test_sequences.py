"""What users of `Sequences` rely on: which windows there are, and every value in them."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reader_datasets import (
    CONFIG,
    FILTERS,
    SHARDS,
    Batch,
    Ending,
    assert_same,
    collate,
    count_samples,
    digests,
    joined,
    read_episodes,
    stack_at,
    write_dataset,
)

from atari_dqn_replay import AtariReplayError, EpisodeFilter, Preprocessing, Sequences

LONGEST = 200


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("dataset"), SHARDS)


@pytest.fixture(scope="module")
def played(folder: Path) -> list[Batch]:
    return read_episodes(folder)


def first_steps(length: int, given: dict[str, Any]) -> Iterator[int]:
    """Where the windows of an episode of `length` steps begin: before its first step, if they are padded."""
    size, stride = given["length"], given["stride"]
    match given["padding"]:
        case "end":
            yield from range(0, length, stride)
        case "none":
            yield from range(0, length - size + 1, stride)
        case "start":
            yield from sorted(last - size + 1 for last in range(length - 1, -1, -stride))


def window_at(episode: Batch, first: int, size: int, frame_stack: int) -> dict[str, Any]:
    """The definition, one step after another."""
    shape = (84, 84) if frame_stack == 1 else (frame_stack, 84, 84)
    window = {
        "observation": np.zeros((size, *shape), np.uint8),
        "action": np.zeros(size, np.int64),
        "reward": np.zeros(size, np.float32),
        "return_to_go": np.zeros(size, np.float32),
        "step": np.zeros(size, np.int64),
        "terminated": np.zeros(size, bool),
        "truncated": np.zeros(size, bool),
        "mask": np.zeros(size, bool),
    }
    length = len(episode["action"])
    for place, step in enumerate(range(first, first + size)):
        if 0 <= step < length:
            window["observation"][place] = stack_at(episode["observation"], step, frame_stack).reshape(shape)
            for name in ("action", "reward", "step", "terminated"):
                window[name][place] = episode[name][step]
            window["return_to_go"][place] = episode["reward"][step:].sum()
            window["truncated"][place] = step == length - 1 and not episode["terminated"][step]
            window["mask"][place] = True
    return window


def expected_windows(played: list[Batch], given: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        window_at(episode, first, given["length"], given["frame_stack"])
        for episode in played
        if FILTERS[given["episodes"]](episode)
        for first in first_steps(len(episode["action"]), given)
    ]


def is_quick(given: dict[str, Any]) -> bool:
    return given["length"] * given["frame_stack"] <= 25 * given["stride"]


options = st.fixed_dictionaries(
    {
        "length": st.sampled_from([1, 2, 5, 20, 150, LONGEST + 1]),
        "stride": st.sampled_from([1, 3, 20, 250]),
        "padding": st.sampled_from(["end", "start", "none"]),
        "frame_stack": st.integers(1, 3),
        "batch_size": st.sampled_from([1, 9, 64]),
        "episodes": st.sampled_from(list(FILTERS)),
    }
).filter(is_quick)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(given=options)
def test_in_order_every_value_is_that_of_the_definition(
    folder: Path, played: list[Batch], given: dict[str, Any]
) -> None:
    expected = expected_windows(played, given)
    if not expected:
        with pytest.raises(AtariReplayError, match="no episode has length="):
            Sequences(str(folder), *CONFIG, shuffle=False, **given)
        return
    found = list(Sequences(str(folder), *CONFIG, shuffle=False, **given))
    assert_same(joined(found), collate(expected))


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(given=options, seed=st.integers(0, 9))
def test_shuffled_each_comes_once_with_the_same_values(
    folder: Path, played: list[Batch], given: dict[str, Any], seed: int
) -> None:
    expected = expected_windows(played, given)
    if expected:
        memory = 8 * (LONGEST + 10) * 7056
        found = list(Sequences(str(folder), *CONFIG, seed=seed, memory=memory, **given))
        assert count_samples(joined(found)) == count_samples(collate(expected))


@pytest.mark.parametrize("padding", ["end", "start", "none"])
@pytest.mark.parametrize("length", [50, 900])
def test_windows_across_blocks_and_longer_than_a_block(tmp_path: Path, padding: Any, length: int) -> None:
    endings = [Ending(length) for length in (1, 140, 1000, 30, 260)]
    folder = write_dataset(tmp_path, [endings], rows_in_group=400)
    given = {"length": length, "stride": 128, "padding": padding, "frame_stack": 1, "episodes": None}
    expected = expected_windows(read_episodes(folder), given)
    found = Sequences(str(folder), *CONFIG, batch_size=4, **given)
    assert count_samples(joined(list(found))) == count_samples(collate(expected))


def test_dtypes_and_shapes_are_the_documented_ones(folder: Path) -> None:
    batch = next(iter(Sequences(str(folder), *CONFIG, length=20, batch_size=8)))
    assert {name: (value.shape, str(value.dtype)) for name, value in batch.items()} == {
        "observation": ((8, 20, 84, 84), "uint8"),
        "action": ((8, 20), "int64"),
        "reward": ((8, 20), "float32"),
        "return_to_go": ((8, 20), "float32"),
        "step": ((8, 20), "int64"),
        "terminated": ((8, 20), "bool"),
        "truncated": ((8, 20), "bool"),
        "mask": ((8, 20), "bool"),
    }
    assert all(value.flags.writeable and value.flags.c_contiguous for value in batch.values())
    stacked = next(iter(Sequences(str(folder), *CONFIG, length=20, batch_size=8, frame_stack=4)))
    assert stacked["observation"].shape == (8, 20, 4, 84, 84)


def test_every_step_is_in_a_window(folder: Path, played: list[Batch]) -> None:
    steps = sum(len(episode["action"]) for episode in played)
    for padding in ("end", "start"):
        sequences = Sequences(str(folder), *CONFIG, length=7, stride=7, padding=padding)
        assert sum(int(batch["mask"].sum()) for batch in sequences) == steps


def test_pictures_as_a_model_wants_them(folder: Path) -> None:
    def shape(frame_stack: int, **options: Any) -> tuple[int, ...]:
        preprocessing = Preprocessing(**options)
        given = {"length": 5, "batch_size": 2, "frame_stack": frame_stack, "preprocessing": preprocessing}
        return next(iter(Sequences(str(folder), *CONFIG, **given)))["observation"].shape

    assert shape(1, channels_last=True) == (2, 5, 84, 84), "there is no channel"
    assert shape(4, channels_last=True) == (2, 5, 84, 84, 4)
    assert shape(1, rgb=True) == (2, 5, 3, 84, 84)
    assert shape(1, rgb=True, channels_last=True, size=(64, 64)) == (2, 5, 64, 64, 3)


def test_order_ranks_and_resumption_are_those_of_all_readers(folder: Path) -> None:
    def sequences(**options: Any) -> Sequences:
        return Sequences(str(folder), *CONFIG, length=10, stride=2, batch_size=16, **options)

    expected = digests(sequences())
    ranks = [digests(sequences(rank=rank, world_size=3)) for rank in range(3)]
    turns = [batch for turn in itertools.zip_longest(*ranks) for batch in turn if batch is not None]
    assert turns == expected
    first, second = sequences(), sequences()
    list(itertools.islice(first, 11))
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert digests(second) == expected[11:]


def test_impossible_options(folder: Path) -> None:
    impossible: list[tuple[dict[str, Any], str]] = [
        ({"length": 0}, "length=0, stride=1: expected 1 or more"),
        ({"length": 4, "stride": 0}, "stride=0"),
        ({"length": 4, "padding": "both"}, "padding='both'"),
        ({"length": 4, "frame_stack": 0}, "frame_stack=0"),
        (
            {"length": 201, "padding": "none"},
            "no episode has length=201 steps, the longest has 200; take a shorter length",
        ),
        ({"length": 2, "padding": "none", "episodes": EpisodeFilter(max_length=1)}, "the longest has 1"),
    ]
    for options, message in impossible:
        with pytest.raises(AtariReplayError, match=message):
            Sequences(str(folder), *CONFIG, **options)
