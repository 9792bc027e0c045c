"""What users of `ReplayDataset` rely on: every value, every index, and a cache that is whole or not there."""

import hashlib
import json
import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from atari_dqn_replay.builder.errors import AtariReplayError, UnknownNameError
from atari_dqn_replay.builder.format.frame_format import GREY84
from atari_dqn_replay.builder.format.frames import decode_frames, encode_frames
from atari_dqn_replay.replay_reader.catalog import open_catalog
from atari_dqn_replay.replay_reader.errors import DatasetError
from atari_dqn_replay.replay_reader.frame_store import FrameStore, write_store
from atari_dqn_replay.replay_reader.step_shards import ArrowShard, ParquetShard
from command import run
from hub_server import HubServer
from huggingface_hub import HfApi
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paths import THREE_LAPS
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, WeightedRandomSampler
from waiting import PATIENCE

from atari_dqn_replay import EpisodeFilter, Preprocessing, ReplayDataset, Transitions

CONFIG = ("breakout-full", "run_1")

Batch = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real episodes in four checkpoints; the log's end cuts the last one off."""
    out = tmp_path_factory.mktemp("built") / "dataset"
    done = run("build", "breakout", "--source", THREE_LAPS, "--out", out)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def dataset(folder: Path, cache: Path) -> ReplayDataset:
    return ReplayDataset(str(folder), *CONFIG, cache_dir=cache)


@pytest.fixture(scope="module")
def played(folder: Path) -> list[Batch]:
    """The steps of each episode, in order of play."""
    shards = [pq.read_table(path) for path in sorted(folder.glob("data/*/*/*/*.parquet"))]
    table = pa.concat_tables(shards)
    steps = {name: table[name].to_numpy() for name in table.column_names if name != "observation"}
    steps["observation"] = decode_frames(table["observation"])
    starts = np.flatnonzero(steps["step"] == 0)
    return [
        {name: column[start:stop] for name, column in steps.items()}
        for start, stop in zip(starts, [*starts[1:], len(table)], strict=True)
    ]


def stack_at(frames: np.ndarray, step: int, frame_stack: int) -> np.ndarray:
    blank = np.zeros((84, 84), np.uint8)
    return np.stack([frames[t] if t >= 0 else blank for t in range(step - frame_stack + 1, step + 1)])


def transition_at(episode: Batch, step: int, frame_stack: int, n_step: int, gamma: float) -> dict[str, Any]:
    """The definition, one step after another."""
    frames, length = episode["observation"], len(episode["action"])
    terminates = bool(episode["terminated"][-1])
    reward, taken = 0.0, 0
    while taken < n_step and step + taken < length:
        if taken and not terminates and step + taken == length - 1:
            break
        reward += gamma**taken * float(episode["reward"][step + taken])
        taken += 1
    following = step + taken
    return {
        "observation": stack_at(frames, step, frame_stack),
        "action": episode["action"][step],
        "reward": np.float32(reward),
        "next_observation": stack_at(frames, following, frame_stack)
        if following < length
        else np.zeros((frame_stack, 84, 84), np.uint8),
        "terminated": terminates and step + n_step >= length,
        "truncated": not terminates and step + n_step >= length,
        "discount": np.float32(gamma**taken if following < length else 0),
    }


def assert_equal(found: Any, expected: Any) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        value = np.asarray(value)
        assert found[name].shape == value.shape, name
        if name in ("reward", "discount"):
            assert found[name].dtype == np.float32
            assert np.allclose(found[name], value, rtol=1e-6, atol=0), name
        else:
            assert (np.asarray(found[name]) == value).all(), name


def open_anew(folder: Path, cache: Path, **options: Any) -> ReplayDataset:
    return ReplayDataset(str(folder), *CONFIG, cache_dir=cache, **options)


def stores(cache: Path) -> dict[str, int]:
    """Names and inodes: a file that is written again has another one."""
    return {path.name: path.stat().st_ino for path in cache.glob("*.frames")}


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_value_is_that_of_a_slow_reference(
    folder: Path, cache: Path, played: list[Batch], data: st.DataObject
) -> None:
    frame_stack = data.draw(st.integers(1, 12), "frame_stack")
    n_step = data.draw(st.integers(1, 30), "n_step")
    gamma = data.draw(st.sampled_from([0.0, 0.9, 0.99, 1.0]), "gamma")
    least = data.draw(st.sampled_from([0, 150, 220]), "min_length")
    dataset = open_anew(
        folder,
        cache,
        frame_stack=frame_stack,
        n_step=n_step,
        gamma=gamma,
        episodes=EpisodeFilter(min_length=least),
    )
    places = [
        (episode, step)
        for episode in played
        if len(episode["step"]) >= least
        for step in range(len(episode["step"]))
    ]
    assert len(dataset) == len(places)
    anywhere = st.integers(-len(places), len(places) - 1)
    at_ends = st.sampled_from(
        [
            index + near
            for index, (_, step) in enumerate(places)
            if step == 0
            for near in range(-3, 3)
            if index + near < len(places)
        ]
    )
    indices = data.draw(st.lists(anywhere | at_ends, max_size=12), "indices")
    batch = dataset.gather(indices)
    assert len(batch["action"]) == len(indices)
    for k, index in enumerate(indices):
        expected = transition_at(*places[index], frame_stack, n_step, gamma)
        assert_equal({name: value[k] for name, value in batch.items()}, expected)
        assert_equal(dataset[index], expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"frame_stack": 1, "n_step": 5, "gamma": 0.9},
        {"episodes": EpisodeFilter(top=0.3)},
        {"episodes": EpisodeFilter(complete=False)},
        {
            "preprocessing": Preprocessing(size=(42, 42), rgb=True, channels_last=True, dtype="float32"),
            "episodes": EpisodeFilter(checkpoints=[1]),
        },
        {"preprocessing": Preprocessing(full_action_space=True, clip_reward=True)},
        {"frame_stack": 6, "n_step": 3},
    ],
    ids=range(7),
)
def test_all_of_it_agrees_with_transitions_in_order(
    folder: Path, cache: Path, options: dict[str, Any]
) -> None:
    dataset = open_anew(folder, cache, **options)
    batches = Transitions(str(folder), *CONFIG, batch_size=500, shuffle=False, **options)
    assert len(dataset) == batches.samples
    start = 0
    for expected in batches:
        found = dataset[start : start + 500]
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert found[name].dtype == value.dtype, name
            assert np.array_equal(found[name], value), name
        start += len(expected["action"])
    assert start == len(dataset)


@pytest.mark.slow
def test_tables_and_streams_give_the_same(folder: Path, dataset: ReplayDataset, tmp_path: Path) -> None:
    for streaming in (False, True):
        loaded: Any = datasets.load_dataset(
            str(folder), CONFIG[0], split=CONFIG[1], streaming=streaming, cache_dir=str(tmp_path)
        )
        other = ReplayDataset(loaded, cache_dir=tmp_path / "cache")
        assert len(other) == len(dataset)
        indices = np.random.default_rng(0).integers(len(dataset), size=64)
        assert_equal(other.gather(indices), dataset.gather(indices))
        opened = ReplayDataset(open_catalog(loaded), cache_dir=tmp_path / "cache")
        assert opened.stored_in == other.stored_in


def test_numbers_of_any_kind_are_indices(dataset: ReplayDataset) -> None:
    last = len(dataset) - 1
    for index in (-1, last, np.int16(-1), np.uint64(last), np.array(last), torch.tensor(-1)):
        assert_equal(dataset[index], dataset[last])  # pyright: ignore[reportArgumentType]
    batch = dataset.gather([3, 1, 3])
    for indices in ([3, 1, 3], (3, 1, 3), np.array([3, 1, 3], np.uint8), torch.tensor([3, 1, 3]), range(3)):
        found: Any = dataset[indices]  # pyright: ignore[reportArgumentType]
        assert_equal(found, dataset.gather(range(3)) if isinstance(indices, range) else batch)
    assert_equal(dataset[-2:], dataset.gather([last - 1, last]))
    assert dataset[torch.tensor([3])]["observation"].shape == (1, 4, 84, 84)  # pyright: ignore
    assert dataset.gather([])["observation"].shape == (0, 4, 84, 84)
    assert sum(1 for _ in zip(dataset, range(5), strict=False)) == 5  # pyright: ignore


def test_an_index_out_of_range_is_an_index_error(dataset: ReplayDataset) -> None:
    for index in (len(dataset), -len(dataset) - 1, 2**63 - 1):
        with pytest.raises(IndexError, match=f"index {index} is out of range for 9,500 transitions"):
            dataset[index]
        with pytest.raises(IndexError):
            dataset.gather([0, index])
        with pytest.raises(IndexError):
            dataset.__getitems__([index])


@pytest.mark.parametrize("index", [1.0, "1", None, True, [True, False], [[1, 2]], [0.5]])
def test_what_is_no_index_is_a_type_error(dataset: ReplayDataset, index: Any) -> None:
    with pytest.raises(TypeError, match="expected integers"):
        dataset[index]


@pytest.mark.slow
@pytest.mark.parametrize(("context", "workers"), [(None, 0), ("fork", 2), ("spawn", 1)])
def test_a_data_loader_takes_it_as_it_is(
    dataset: ReplayDataset, cache: Path, context: str | None, workers: int
) -> None:
    before = stores(cache)
    chosen = range(0, len(dataset), 10)
    expected = dataset.gather(chosen)
    by_numbers = {"batch_size": 100, "sampler": chosen}
    by_batches = {"batch_size": None, "sampler": BatchSampler(chosen, 100, drop_last=False)}
    for options in [by_batches] if context == "spawn" else [by_numbers, by_batches]:
        loader = DataLoader(dataset, **options, num_workers=workers, multiprocessing_context=context)  # pyright: ignore
        found = list(loader)
        assert len(found) == 10
        for name, value in expected.items():
            joined = torch.cat([batch[name] for batch in found]).numpy()
            assert joined.dtype == value.dtype, name
            assert np.array_equal(joined, value), name
    assert stores(cache) == before, "no worker prepares frames again"


def test_shuffled_by_a_data_loader_each_comes_once(folder: Path, cache: Path) -> None:
    dataset = open_anew(folder, cache, frame_stack=1)
    sampler = BatchSampler(RandomSampler(dataset), 500, drop_last=False)  # pyright: ignore
    loader = DataLoader(dataset, batch_size=None, sampler=sampler)  # pyright: ignore
    frames = [hash(frame.numpy().tobytes()) for batch in loader for frame in batch["observation"]]
    assert sorted(frames) == sorted(hash(frame.tobytes()) for frame in dataset[:]["observation"])


def test_weights_draw_the_episodes_they_favour(dataset: ReplayDataset) -> None:
    episodes = dataset.episodes
    best = episodes["return"] == episodes["return"].max()
    weights = np.repeat(best, episodes["length"])
    sampler = WeightedRandomSampler(weights.tolist(), 200, generator=torch.Generator().manual_seed(0))
    indices = list(sampler)
    assert weights[indices].all()
    loader = DataLoader(dataset, batch_size=None, sampler=BatchSampler(sampler, 50, drop_last=True))  # pyright: ignore
    assert sum(len(batch["action"]) for batch in loader) == 200


def test_it_is_pickled_as_the_paths_of_its_files(dataset: ReplayDataset, cache: Path) -> None:
    before = stores(cache)
    content = pickle.dumps(dataset)
    assert len(content) < 20_000
    assert_equal(pickle.loads(content).gather([5, 9000]), dataset.gather([5, 9000]))
    assert stores(cache) == before


@pytest.mark.slow
def test_the_second_opening_writes_nothing_and_a_changed_shard_is_read_again(
    folder: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "dataset"))
    first = open_anew(copy, tmp_path / "cache", frame_stack=1)
    before = stores(tmp_path / "cache")
    assert len(before) == len(list(copy.glob("data/*/*/*/*.parquet")))
    assert first.stored_bytes == sum(path.stat().st_size for path in (tmp_path / "cache").glob("*.frames"))
    open_anew(copy, tmp_path / "cache", frame_stack=2, n_step=3)
    assert stores(tmp_path / "cache") == before
    shard = next(copy.glob("data/*/*/checkpoint_01/*.parquet"))
    table = pq.read_table(shard)
    frames = 255 - decode_frames(table["observation"])
    pq.write_table(table.set_column(0, table.schema.field(0), encode_frames(frames)), shard)
    changed = open_anew(copy, tmp_path / "cache", frame_stack=1)
    assert len(stores(tmp_path / "cache").keys() - before.keys()) == 1
    found, old = (opened[:]["observation"][:, -1] for opened in (changed, first))
    assert ((found != old).any(axis=(1, 2))).sum() == len(table)


def test_only_the_shards_of_chosen_episodes_are_read(folder: Path, tmp_path: Path) -> None:
    open_anew(folder, tmp_path, episodes=EpisodeFilter(checkpoints=[2]))
    assert len(stores(tmp_path)) == len(list(folder.glob("data/*/*/checkpoint_02/*.parquet")))


def test_the_cache_is_bounded(folder: Path, tmp_path: Path) -> None:
    first = open_anew(folder, tmp_path, episodes=EpisodeFilter(checkpoints=[0]))
    old = stores(tmp_path)
    second = open_anew(folder, tmp_path, episodes=EpisodeFilter(checkpoints=[1]), cache_bytes=0)
    assert len(stores(tmp_path)) == len(second._stores)
    assert not stores(tmp_path).keys() & old.keys()
    assert first[0]["observation"].any(), "a file that is mapped can be read although it is removed"
    with pytest.raises(DatasetError, match="open the dataset again"):
        pickle.loads(pickle.dumps(first))


def test_what_others_keep_in_its_cache_stays(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "download.incomplete").write_text("of another program")
    (tmp_path / "film.frames").write_text("of another program")
    (tmp_path / "a.frames.incomplete").mkdir()
    (tmp_path / "b.incomplete").mkdir()
    before = {path.name for path in tmp_path.iterdir()}
    assert len(open_anew(folder, tmp_path, cache_bytes=0))
    assert before <= {path.name for path in tmp_path.iterdir()}


OPEN = """
import hashlib, sys
import numpy as np
from atari_dqn_replay import ReplayDataset
dataset = ReplayDataset(sys.argv[1], "breakout-full", "run_1", cache_dir=sys.argv[2], frame_stack=1)
print(hashlib.sha256(dataset.gather(np.arange(len(dataset)))["observation"]).hexdigest())
"""


@pytest.mark.slow
def test_processes_that_open_at_once_share_one_store(
    folder: Path, tmp_path: Path, dataset: ReplayDataset
) -> None:
    command = [sys.executable, "-c", OPEN, str(folder), str(tmp_path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = {process.communicate(timeout=PATIENCE)[0] for process in processes}
    assert len(outputs) == 1
    assert len(outputs.pop()) == 65
    assert len(stores(tmp_path)) == len(dataset._stores)
    assert not list(tmp_path.glob("*.incomplete"))


@pytest.mark.slow
def test_from_the_hub_it_is_fetched_once(
    hub: HubServer, folder: Path, cache: Path, tmp_path: Path, dataset: ReplayDataset
) -> None:
    api = HfApi(endpoint=hub.url, token=hub.token)
    api.create_repo("user/atari", repo_type="dataset")
    api.upload_folder(repo_id="user/atari", repo_type="dataset", folder_path=folder)
    command = [sys.executable, "-c", OPEN * 2, "user/atari", str(tmp_path / "cache")]
    done = subprocess.run(command, env=hub.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    frames = open_anew(folder, cache, frame_stack=1)[:]["observation"]
    expected = hashlib.sha256(frames.tobytes()).hexdigest()
    assert done.stdout.split() == [expected, expected]
    assert len(stores(tmp_path / "cache")) == len(dataset._stores)


class DyingShard(ParquetShard):
    """Whose reader is killed at a certain row."""

    def read_tables(self, start: int, stop: int, columns: Any) -> Iterator[pa.Table]:
        if start >= 2048:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read_tables(start, stop, columns)


class InterruptedShard(ParquetShard):
    """Ctrl-C is pressed at a certain row."""

    def read_tables(self, start: int, stop: int, columns: Any) -> Iterator[pa.Table]:
        if start >= 2048:
            raise KeyboardInterrupt
        return super().read_tables(start, stop, columns)


@pytest.fixture(scope="module")
def long_shard(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """All steps in one file of several row groups."""
    path = tmp_path_factory.mktemp("long") / "steps.parquet"
    parts = [pq.read_table(part) for part in sorted(folder.glob("data/*/*/*/*.parquet"))]
    pq.write_table(pa.concat_tables(parts), path, row_group_size=2048, compression="zstd")
    return str(path)


def test_a_killed_opening_leaves_nothing_that_the_next_one_stumbles_over(
    folder: Path, long_shard: str, tmp_path: Path, dataset: ReplayDataset
) -> None:
    half = tmp_path / "half.frames"
    child = multiprocessing.get_context("fork").Process(
        target=write_store, args=(DyingShard(long_shard), half, 1)
    )
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    assert not half.exists()
    assert list(tmp_path.glob("*.incomplete"))
    opened = open_anew(folder, tmp_path)
    assert not list(tmp_path.glob("*.incomplete"))
    assert_equal(opened[4321], dataset[4321])


class CountingShard(ParquetShard):
    """Counts the blocks that were read."""

    blocks = 0

    def read_tables(self, start: int, stop: int, columns: Any) -> Iterator[pa.Table]:
        self.blocks += 1
        return super().read_tables(start, stop, columns)


def test_blocks_do_not_pile_up_before_a_slow_disk(long_shard: str, tmp_path: Path) -> None:
    table = pa.concat_tables([pq.read_table(long_shard)] * 4)
    pq.write_table(table, tmp_path / "longer.parquet", row_group_size=2048)
    shard, written, ahead = CountingShard(str(tmp_path / "longer.parquet")), [], []
    assert shard.frame_format == GREY84  # which reads the first frame, once
    shard.blocks = 0

    def write_slowly(steps: int) -> None:
        time.sleep(0.1)
        written.append(steps)
        ahead.append(shard.blocks - len(written))

    write_store(shard, tmp_path / "longer.frames", 2, write_slowly)
    assert sum(written) == len(table)
    assert len(written) > 12
    assert max(ahead) <= 2 + 2, "one for each thread and two more"


def test_an_interrupted_opening_leaves_nothing(long_shard: str, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_store(InterruptedShard(long_shard), tmp_path / "half.frames", 2)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_store_that_was_cut_short_is_written_again(folder: Path, cache: Path, tmp_path: Path) -> None:
    open_anew(folder, tmp_path)
    for path, size in zip(sorted(tmp_path.glob("*.frames")), (0, 10, 1000, 5000), strict=False):
        os.truncate(path, size)
        with pytest.raises(DatasetError, match="cannot be read"):
            FrameStore(path)
    again, expected = (open_anew(folder, place, frame_stack=1)[:] for place in (tmp_path, cache))
    assert np.array_equal(again["observation"], expected["observation"])


def test_a_damaged_chunk_is_an_error(folder: Path, tmp_path: Path) -> None:
    opened = open_anew(folder, tmp_path, episodes=EpisodeFilter(checkpoints=[1]))
    path = next(tmp_path.glob("*.frames"))
    with path.open("r+b") as file:
        file.write(b"\xff" * 200)
    with pytest.raises(DatasetError, match="is damaged"):
        opened[:]


def test_frames_held_in_memory_give_the_same_batches(folder: Path, cache: Path) -> None:
    chosen: dict[str, Any] = {"episodes": EpisodeFilter(checkpoints=[0, 2])}
    numbers = np.random.default_rng(0).integers(0, 1000, 40)
    for options in ({"frame_stack": 1}, {"frame_stack": 4, "n_step": 3}):
        stored = open_anew(folder, cache, **chosen, **options)
        size = len(stored) * 84 * 84
        held = open_anew(folder, cache, **chosen, **options, memory_bytes=size)
        assert_equal(held.gather(numbers), stored.gather(numbers))
        assert_equal(held.numbers(), stored.numbers())
        assert_equal(pickle.loads(pickle.dumps(held))[7], stored[7])
        assert len(pickle.dumps(held)) < size / 10
        with pytest.raises(DatasetError, match="memory_bytes allows"):
            open_anew(folder, cache, **chosen, **options, memory_bytes=size - 1)


def test_a_shard_without_rows_has_an_empty_store(
    dataset: ReplayDataset, folder: Path, tmp_path: Path
) -> None:
    source = next(folder.glob("data/*/*/*/*.parquet"))
    pq.write_table(pq.read_table(source).slice(0, 0), tmp_path / "empty.parquet")
    write_store(ParquetShard(str(tmp_path / "empty.parquet")), tmp_path / "empty.frames", 1)
    store = FrameStore(tmp_path / "empty.frames")
    assert (store.rows, len(store.action)) == (0, 0)


def test_a_number_of_frames_that_fills_no_chunk_is_kept(folder: Path, tmp_path: Path) -> None:
    table = datasets.Dataset(pq.read_table(next(folder.glob("data/*/*/*/*.parquet"))))
    for rows in (1, 7, 8, 9):
        few = datasets.Dataset(table.data.slice(0, rows), info=table.info)
        write_store(ArrowShard(few), tmp_path / "few.frames", 1)
        store = FrameStore(tmp_path / "few.frames")
        frames = np.concatenate([store.chunk(chunk) for chunk in range(-(-rows // 8))])
        expected = decode_frames(few.data["observation"]).reshape(rows, -1)
        assert (frames[:rows] == expected).all()
        assert not frames[rows:].any()


def test_impossible_options_are_refused(folder: Path, tmp_path: Path) -> None:
    options: list[tuple[dict[str, Any], str]] = [
        ({"frame_stack": 0}, "frame_stack=0"),
        ({"n_step": 0}, "n_step=0"),
        ({"n_step": 2, "preprocessing": Preprocessing(clip_reward=True)}, "clip_reward"),
        ({"episodes": EpisodeFilter(min_return=1e9)}, "no episode is left"),
        ({"episodes": EpisodeFilter(top=2)}, "top=2"),
        ({"preprocessing": Preprocessing(dtype="int8")}, "int8"),  # pyright: ignore[reportArgumentType]
    ]
    for option, message in options:
        with pytest.raises(DatasetError, match=message):
            open_anew(folder, tmp_path / "cache", **option)
    assert not (tmp_path / "cache").exists()


def test_what_does_not_exist_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="run_2"):
        ReplayDataset(str(folder), "breakout-full", "run_2", cache_dir=tmp_path)
    with pytest.raises(AtariReplayError, match="config"):
        ReplayDataset(str(folder), cache_dir=tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match="give another cache_dir"):
        open_anew(folder, tmp_path / "file")


def test_a_damaged_shard_is_named_and_what_was_read_is_kept(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "dataset"))
    shard = sorted(copy.glob("data/*/*/*/*.parquet"))[-1]
    content = bytearray(shard.read_bytes())
    content[len(content) // 2 :][:2000] = bytes(2000)
    content[10_000:12_000] = bytes(2000)
    shard.write_bytes(content)
    with pytest.raises(DatasetError, match=shard.name):
        open_anew(copy, tmp_path / "cache")
    assert len(stores(tmp_path / "cache")) == len(list(copy.glob("data/*/*/*/*.parquet"))) - 1
    assert not list((tmp_path / "cache").glob("*.incomplete"))


def test_an_episodes_table_of_other_steps_is_refused(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "dataset"))
    path = next(copy.glob("episodes/*/*/checkpoint_01.parquet"))
    table = pq.read_table(path)
    rows = table.to_pylist()
    rows[0]["length"] += 1
    rows[1]["length"] -= 1
    rows[1]["first_row"] += 1
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
    with pytest.raises(DatasetError, match="episodes lie elsewhere"):
        open_anew(copy, tmp_path / "cache")


def test_manifests_count_what_is_there(folder: Path, dataset: ReplayDataset) -> None:
    manifests = [json.loads(path.read_text()) for path in folder.glob("manifests/*/*/*.json")]
    assert len(dataset) == sum(manifest["step_counts"]["steps"] for manifest in manifests)
