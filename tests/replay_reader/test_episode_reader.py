"""What users of `Episodes` rely on: whole episodes, the chosen ones, and nothing else read."""

import itertools
import json
import shutil
import threading
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
from atari_dqn_replay.builder.format.checkpoint_id import CheckpointId
from atari_dqn_replay.replay_reader.errors import DatasetError
from hypothesis import given, settings
from hypothesis import strategies as st
from reader_datasets import (
    BREAKOUT,
    CONFIG,
    FILTERS,
    SHARDS,
    Batch,
    Ending,
    read_episodes,
    stack_at,
    write_dataset,
)

from atari_dqn_replay import AtariReplayError, EpisodeFilter, Episodes, Preprocessing

Place = tuple[int, int]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("dataset"), SHARDS)


@pytest.fixture(scope="module")
def played(folder: Path) -> list[Batch]:
    return read_episodes(folder)


def place(episode: dict[str, Any]) -> Place:
    return episode["checkpoint"], episode["episode"]


def places(episodes: Any) -> list[Place]:
    return [place(episode) for episode in episodes]


def assert_is(found: dict[str, Any], expected: Batch, frame_stack: int) -> None:
    length = len(expected["action"])
    frames = [stack_at(expected["observation"], step, frame_stack) for step in range(length)]
    stacked = np.stack(frames)
    assert (found["observation"] == (stacked[:, 0] if frame_stack == 1 else stacked)).all()
    for name in ("action", "reward", "return_to_go", "terminated"):
        assert (found[name] == expected[name]).all(), name
    assert found["truncated"].tolist() == [False] * (length - 1) + [not expected["terminated"][-1]]
    assert place(found) == (expected["checkpoint"][0], expected["episode"][0])
    assert found["length"] == length
    assert found["return"] == expected["reward"].sum()
    assert found["complete"] == bool(expected["terminated"][-1] | expected["truncated"][-1])


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(
    frame_stack=st.integers(1, 5),
    shuffle=st.booleans(),
    chosen=st.sampled_from(list(FILTERS)),
    seed=st.integers(0, 9),
)
def test_each_chosen_episode_comes_once_and_whole(
    folder: Path,
    played: list[Batch],
    frame_stack: int,
    shuffle: bool,
    chosen: EpisodeFilter | None,
    seed: int,
) -> None:
    expected = [episode for episode in played if FILTERS[chosen](episode)]
    episodes = Episodes(
        str(folder), *CONFIG, frame_stack=frame_stack, shuffle=shuffle, episodes=chosen, seed=seed
    )
    found = list(episodes)
    assert len(episodes) == len(found)
    for one, other in zip(sorted(found, key=place) if shuffle else found, expected, strict=True):
        assert_is(one, other, frame_stack)


def test_shapes_and_dtypes_are_the_documented_ones(folder: Path) -> None:
    episode = next(iter(Episodes(str(folder), *CONFIG)))
    arrays = {name: value for name, value in episode.items() if isinstance(value, np.ndarray)}
    assert {name: (value.shape, str(value.dtype)) for name, value in arrays.items()} == {
        "observation": ((40, 84, 84), "uint8"),
        "action": ((40,), "int64"),
        "reward": ((40,), "float32"),
        "return_to_go": ((40,), "float32"),
        "terminated": ((40,), "bool"),
        "truncated": ((40,), "bool"),
    }
    assert all(value.flags.writeable for value in arrays.values())
    others = {name: type(value) for name, value in episode.items() if name not in arrays}
    assert others == {"checkpoint": int, "episode": int, "length": int, "return": float, "complete": bool}


def test_the_best_tenth(folder: Path, played: list[Batch]) -> None:
    returns = sorted((float(episode["reward"].sum()) for episode in played), reverse=True)
    best = Episodes(str(folder), *CONFIG, episodes=EpisodeFilter(top=0.1))
    assert sorted((episode["return"] for episode in best), reverse=True) == returns[: -(-len(returns) // 10)]


def test_row_groups_without_a_chosen_episode_are_not_read(tmp_path: Path) -> None:
    lengths = [60, 1500, 3000, 30, 2500]
    folder = write_dataset(tmp_path, [[Ending(length) for length in lengths]], rows_in_group=2048)
    shard = folder / CheckpointId(BREAKOUT, 1, 0).shard(0, 1)
    groups = pq.read_metadata(shard)
    pages = [groups.row_group(1).column(number) for number in range(groups.num_columns)]
    content = bytearray(shard.read_bytes())
    for page in pages:
        start = min(page.dictionary_page_offset or page.data_page_offset, page.data_page_offset)
        content[start : start + page.total_compressed_size] = bytes(page.total_compressed_size)
    shard.write_bytes(content)
    short = EpisodeFilter(max_length=60)
    assert places(Episodes(folder, *CONFIG, episodes=short)) == [(0, 0), (0, 3)]
    with pytest.raises(AtariReplayError, match=r"is damaged|cannot be read"):
        list(Episodes(folder, *CONFIG))


def test_order(folder: Path, played: list[Batch]) -> None:
    in_order = [(int(episode["checkpoint"][0]), int(episode["episode"][0])) for episode in played]
    assert places(Episodes(str(folder), *CONFIG)) == in_order
    episodes = Episodes(str(folder), *CONFIG, shuffle=True, seed=3)
    epochs = [places(episodes) for _ in range(3)]
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert all(sorted(epoch) == in_order for epoch in epochs)
    assert places(Episodes(str(folder), *CONFIG, shuffle=True, seed=3)) == epochs[0]
    assert places(Episodes(str(folder), *CONFIG, shuffle=True, seed=4)) != epochs[0]


@pytest.mark.parametrize("shuffle", [False, True])
def test_ranks_take_turns_and_go_on_with_others(folder: Path, shuffle: bool) -> None:
    def open_rank(rank: int = 0, world_size: int = 1) -> Episodes:
        return Episodes(str(folder), *CONFIG, shuffle=shuffle, rank=rank, world_size=world_size)

    expected = places(open_rank())
    for before, after, used in [(1, 1, 0), (1, 2, 7), (3, 2, 4), (2, 3, 3)]:
        first = open_rank(before - 1, before)
        list(itertools.islice(first, used))
        state = json.loads(json.dumps(first.state_dict()))
        ranks = []
        for rank in range(after):
            second = open_rank(rank, after)
            second.load_state_dict(state)
            ranks.append(places(second))
        turns = [each for turn in itertools.zip_longest(*ranks) for each in turn if each is not None]
        assert turns == expected[before * used :]


def test_a_state_of_another_order_is_refused(folder: Path) -> None:
    state = Episodes(str(folder), *CONFIG, shuffle=True).state_dict()
    for options in (
        {},
        {"shuffle": True, "seed": 1},
        {"shuffle": True, "episodes": EpisodeFilter(min_length=2)},
    ):
        with pytest.raises(AtariReplayError, match="the state was saved with"):
            Episodes(str(folder), *CONFIG, **options).load_state_dict(state)


def test_preprocessing(folder: Path) -> None:
    wanted = Preprocessing(full_action_space=True, clip_reward=True, size=(42, 42), dtype="float32")
    plain = next(iter(Episodes(str(folder), *CONFIG)))
    episode = next(iter(Episodes(str(folder), *CONFIG, preprocessing=wanted)))
    assert episode["observation"].shape == (40, 42, 42)
    assert episode["observation"].dtype == np.float32
    assert (episode["action"] == np.array([0, 1, 3, 4])[plain["action"]]).all()
    assert (episode["reward"] == np.sign(plain["reward"])).all()
    assert episode["return"] == plain["return"]


def test_leaving_early_leaves_no_threads(folder: Path) -> None:
    before = threading.active_count()
    for _ in Episodes(str(folder), *CONFIG):
        break
    assert threading.active_count() == before


def test_a_shard_of_another_build_is_refused(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    other = write_dataset(tmp_path / "other", [[Ending(length) for length in (3, 1, 40, 130)]])
    shard = CheckpointId(BREAKOUT, 1, 0).shard(0, 1)
    shutil.copy(other / shard, copy / shard)
    with pytest.raises(AtariReplayError, match="episodes lie elsewhere"):
        list(Episodes(copy, *CONFIG))


@pytest.mark.parametrize("kind", ["prepared", "files", "without tables"])
def test_steps_alone_do_not_tell_which_episodes_are_complete(folder: Path, tmp_path: Path, kind: str) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "dataset"))
    given: Any = (copy, *CONFIG)
    if kind == "without tables":
        shutil.rmtree(copy / "episodes")
    elif kind == "prepared":
        given = (
            datasets.load_dataset(str(copy), CONFIG[0], split=CONFIG[1], cache_dir=str(tmp_path / "hf")),
        )
    else:
        shards = [str(path) for path in sorted(copy.glob("data/*/*/*/*.parquet"))]
        for number, shard in enumerate(shards):
            shutil.copy(shard, tmp_path / f"{number:03d}.parquet")
        files = sorted(str(path) for path in tmp_path.glob("*.parquet"))
        given = (datasets.load_dataset("parquet", data_files=files, split="train", streaming=True),)
    expected = Episodes(folder, *CONFIG).catalog.episodes
    opened = Episodes(*given)
    found = opened.catalog.episodes
    for name in ("length", "return", "terminated", "truncated"):
        assert (found[name] == expected[name]).all(), name
    assert expected["complete"].any()
    assert not found["complete"].any()
    assert not next(iter(opened))["complete"]
    for complete in (True, False):
        with pytest.raises(DatasetError, match=f"complete={complete}: these steps have no episodes tables"):
            Episodes(*given, episodes=EpisodeFilter(complete=complete))
