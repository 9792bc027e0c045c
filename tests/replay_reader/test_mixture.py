"""What users of `Mixture` rely on: proportions, an order of its own, and games that go together."""

import itertools
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from atari_dqn_replay.builder.format.features import steps_features
from atari_dqn_replay.builder.format.games import find_game
from reader_datasets import CONFIG, SHARDS, Batch, count_samples, digests, joined, write, write_dataset
from torch.utils.data import DataLoader

from atari_dqn_replay import (
    AtariReplayError,
    EpisodeFilter,
    Mixture,
    Preprocessing,
    Sequences,
    Transitions,
)

FULL = Preprocessing(full_action_space=True)


@pytest.fixture(scope="module")
def breakout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("breakout"), SHARDS)


@pytest.fixture(scope="module")
def pong(breakout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same play under Pong's name, whose actions are others."""
    folder = tmp_path_factory.mktemp("pong") / "dataset"
    shutil.copytree(breakout, folder)
    metadata = steps_features(find_game("pong")).arrow_schema.metadata
    for path in folder.glob("data/*/*/*/*.parquet"):
        write(path, pq.read_table(path).replace_schema_metadata(metadata))
    return folder


def open_both(breakout: Path, pong: Path, **options: Any) -> list[Transitions]:
    given = {"batch_size": 10, "frame_stack": 1, "preprocessing": FULL, **options}
    return [Transitions(folder, *CONFIG, **given) for folder in (breakout, pong)]


def of_reader(batches: list[Batch], number: int) -> list[Batch]:
    chosen = [batch for batch in batches if batch["reader"][0] == number]
    return [{name: value for name, value in batch.items() if name != "reader"} for batch in chosen]


def test_without_weights_every_sample_comes_once(breakout: Path, pong: Path) -> None:
    readers = open_both(breakout, pong)
    found = list(Mixture(readers))
    for number, reader in enumerate(open_both(breakout, pong)):
        assert count_samples(joined(of_reader(found, number))) == count_samples(joined(list(reader)))


def test_each_reader_gives_its_batches_in_its_own_order(breakout: Path, pong: Path) -> None:
    found = list(Mixture(open_both(breakout, pong), weights=[3, 1]))
    for number, reader in enumerate(open_both(breakout, pong)):
        own = digests(of_reader(found, number))
        assert own == digests(reader)[: len(own)]


def test_proportions_are_exact_until_the_first_is_used_up(breakout: Path, pong: Path) -> None:
    readers = open_both(breakout, pong)
    mixture = Mixture(readers, weights=[1, 0.25])
    counts = Counter(int(batch["reader"][0]) for batch in mixture)
    assert counts == {0: len(readers[0]), 1: len(readers[1]) // 4}
    assert sum(counts.values()) == len(mixture)


def test_every_sample_says_which_reader_it_is_from(breakout: Path, pong: Path) -> None:
    for batch in Mixture(open_both(breakout, pong)):
        assert batch["reader"].shape == batch["action"].shape
        assert batch["reader"].dtype == np.int64
        assert len(set(batch["reader"])) == 1


def test_the_order_follows_from_the_seed_and_the_epoch(breakout: Path, pong: Path) -> None:
    def turns(mixture: Mixture) -> list[int]:
        return [int(batch["reader"][0]) for batch in mixture]

    mixture = Mixture(open_both(breakout, pong), seed=1)
    first, second = turns(mixture), turns(mixture)
    assert first == turns(Mixture(open_both(breakout, pong), seed=1)) != second
    assert first != turns(Mixture(open_both(breakout, pong), seed=2))
    assert Counter(first) == Counter(second)


@pytest.mark.slow
@pytest.mark.parametrize("weights", [None, [2, 1]])
def test_ranks_and_workers_take_turns_and_it_goes_on(breakout: Path, pong: Path, weights: Any) -> None:
    def mixture(**options: Any) -> Mixture:
        return Mixture(open_both(breakout, pong, **options), weights)

    expected = digests(mixture())
    ranks = [digests(mixture(rank=rank, world_size=3)) for rank in range(3)]
    assert [each for turn in itertools.zip_longest(*ranks) for each in turn if each is not None] == expected
    shared: Any = mixture()
    loader = DataLoader(shared, batch_size=None, num_workers=2, multiprocessing_context="fork")
    assert digests(numpy(batch) for batch in loader) == expected
    first, second = mixture(rank=1, world_size=2), mixture()
    list(itertools.islice(first, 9))
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert digests(second) == expected[18:]


def numpy(batch: dict[str, torch.Tensor]) -> Batch:
    return {name: value.numpy() for name, value in batch.items()}


def test_actions_that_mean_different_things_are_refused(breakout: Path, pong: Path) -> None:
    with pytest.raises(AtariReplayError, match="Preprocessing\\(full_action_space=True\\)"):
        Mixture(open_both(breakout, pong, preprocessing=None))
    same_game = [Transitions(breakout, *CONFIG), Transitions(breakout, *CONFIG, seed=1)]
    assert len(Mixture(same_game)) == 2 * len(same_game[0])


def test_what_does_not_go_together_is_refused(breakout: Path, pong: Path) -> None:
    one, other = open_both(breakout, pong)
    few = Transitions(breakout, *CONFIG, preprocessing=FULL, episodes=EpisodeFilter(max_length=1))
    ranked = Transitions(breakout, *CONFIG, preprocessing=FULL, rank=1, world_size=2)
    cases: list[tuple[Any, Any, str]] = [
        ([], None, "a mixture of no readers"),
        ([one, Sequences(pong, *CONFIG, length=2, preprocessing=FULL)], None, "of different kinds"),
        ([one, ranked], None, "different ranks"),
        ([one, other], [1], "expected 2 numbers above 0"),
        ([one, other], [1, 0], "expected 2 numbers above 0"),
        ([one, other], [1, float("nan")], "expected 2 numbers above 0"),
        ([one, few], [1, 1000], "a reader would give no batch"),
    ]
    for readers, weights, message in cases:
        with pytest.raises(AtariReplayError, match=message):
            Mixture(readers, weights)


def test_a_state_of_another_mixture_is_refused(breakout: Path, pong: Path) -> None:
    state = Mixture(open_both(breakout, pong), [1, 1]).state_dict()
    for other in (
        Mixture(open_both(breakout, pong), [2, 1]),
        Mixture(open_both(breakout, pong, seed=1), [1, 1]),
    ):
        with pytest.raises(AtariReplayError, match="the state was saved with"):
            other.load_state_dict(state)
