"""The order of samples: complete, the same from wherever it is entered, and how random it is."""

import numpy as np
import pytest
from atari_dqn_replay.replay_reader.anchors import Anchors
from atari_dqn_replay.replay_reader.catalog import EPISODE_FIELDS
from atari_dqn_replay.replay_reader.sample_order import SampleOrder
from hypothesis import given, settings
from hypothesis import strategies as st

sizes = st.lists(st.integers(1, 40), min_size=1, max_size=30)


def slice_of_samples(order: SampleOrder, time: int) -> list[tuple[int, int]]:
    """The samples of a slice, each as its block and its number within it."""
    pieces, sequence = order.slice(time)
    samples = [(block, int(number)) for block, numbers in pieces for number in numbers]
    return [samples[place] for place in sequence]


def all_samples(order: SampleOrder) -> list[tuple[int, int]]:
    return [sample for time in range(order.slices) for sample in slice_of_samples(order, time)]


@settings(max_examples=60, deadline=None)
@given(sizes=sizes, pool=st.integers(1, 70), seed=st.integers(0, 5), shuffle=st.booleans())
def test_each_sample_comes_once(sizes: list[int], pool: int, seed: int, shuffle: bool) -> None:
    order = SampleOrder(np.array(sizes), pool=pool, seed=seed, epoch=1, shuffle=shuffle)
    found = all_samples(order)
    everything = [(block, number) for block, size in enumerate(sizes) for number in range(size)]
    assert sorted(found) == everything
    if not shuffle:
        assert found == everything


@settings(max_examples=60, deadline=None)
@given(sizes=sizes, pool=st.integers(1, 70), shuffle=st.booleans())
def test_a_slice_needs_only_its_live_blocks(sizes: list[int], pool: int, shuffle: bool) -> None:
    order = SampleOrder(np.array(sizes), pool=pool, seed=0, epoch=0, shuffle=shuffle)
    for time in range(order.slices):
        live = [order.block_at(place) for place in order.live_places(time)]
        assert {block for block, _ in slice_of_samples(order, time)} <= set(live)
        assert len(live) <= max(pool + 1, 3)


@settings(max_examples=60, deadline=None)
@given(sizes=sizes, pool=st.integers(1, 70), shuffle=st.booleans(), data=st.data())
def test_it_can_be_entered_anywhere(sizes: list[int], pool: int, shuffle: bool, data: st.DataObject) -> None:
    whole = all_samples(SampleOrder(np.array(sizes), pool=pool, seed=2, epoch=0, shuffle=shuffle))
    sample = data.draw(st.integers(0, len(whole) - 1))
    order = SampleOrder(np.array(sizes), pool=pool, seed=2, epoch=0, shuffle=shuffle)
    time = order.slice_of(sample)
    before = order.samples_before(time)
    assert slice_of_samples(order, time)[sample - before] == whole[sample]


def test_a_pool_that_holds_everything_shuffles_ideally() -> None:
    """The samples that two neighbours in a batch are apart: as in a random permutation."""
    blocks, size = 20, 500
    order = SampleOrder(np.full(blocks, size), pool=2 * blocks, seed=0, epoch=0, shuffle=True)
    place = np.array([block * size + number for block, number in all_samples(order)])
    found = np.sort(np.abs(np.diff(place)))
    ideal = np.sort(np.abs(np.diff(np.random.default_rng(1).permutation(blocks * size))))
    assert np.abs(found - ideal).max() < 0.03 * blocks * size


@pytest.mark.parametrize("pool", [4, 8, 16])
def test_about_so_many_blocks_are_mixed_evenly(pool: int) -> None:
    blocks, size = 100, 400
    order = SampleOrder(np.full(blocks, size), pool=pool, seed=0, epoch=0, shuffle=True)
    for time in range(pool, blocks - pool):
        pieces, _ = order.slice(time)
        shares = np.array([len(numbers) for _, numbers in pieces]) / size
        assert len(shares) == pool + 1
        assert np.abs(shares - 1 / (pool + 1)).max() < 0.1


class TestAnchors:
    """Every `stride`-th row of each episode, from any part of a shard."""

    @settings(max_examples=100, deadline=None)
    @given(
        lengths=st.lists(st.integers(1, 12), min_size=1, max_size=8),
        stride=st.integers(1, 5),
        cut=st.integers(1, 30),
        data=st.data(),
    )
    def test_within(self, lengths: list[int], stride: int, cut: int, data: st.DataObject) -> None:
        episodes = np.zeros(len(lengths), EPISODE_FIELDS)
        episodes["length"] = lengths
        episodes["first_row"] = np.cumsum(lengths) - lengths
        offset = np.array([data.draw(st.integers(0, length - 1)) for length in lengths])
        count = np.array(
            [
                data.draw(st.integers(0, (length - first - 1) // stride + 1))
                for length, first in zip(lengths, offset, strict=True)
            ]
        )
        anchors = Anchors(episodes, offset, count, stride)
        expected = [
            int(episode["first_row"] + first + stride * k)
            for episode, first, number in zip(episodes, offset, count, strict=True)
            for k in range(number)
        ]
        rows = sum(lengths)
        found = [anchors.within(0, start, min(start + cut, rows)) for start in range(0, rows, cut)]
        assert np.concatenate(found).tolist() == expected
        assert len(anchors) == len(expected)
        assert not len(anchors.within(1, 0, rows))
