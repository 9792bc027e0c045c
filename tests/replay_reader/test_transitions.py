"""What users of `Transitions` rely on: every value, each step once, every kind of input, clear errors."""

import itertools
import json
import shutil
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from atari_dqn_replay.builder.format.checkpoint_id import CheckpointId
from atari_dqn_replay.builder.format.frames import decode_frames, encode_frames
from datasets.distributed import split_dataset_by_node
from hub_server import HubServer, Request, Response
from huggingface_hub import HfApi
from hypothesis import given, settings
from hypothesis import strategies as st
from reader_datasets import (
    BREAKOUT,
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
    write,
    write_dataset,
)

from atari_dqn_replay import AtariReplayError, EpisodeFilter, Preprocessing, Transitions


def transition_at(episode: Batch, step: int, frame_stack: int, n_step: int, gamma: float) -> dict[str, Any]:
    """The definition, one step after another."""
    frames, length = episode["observation"], len(episode["action"])
    terminates = bool(episode["terminated"][-1])
    reward, taken = 0.0, 0
    while taken < n_step and step + taken < length:
        if taken and not terminates and step + taken == length - 1:
            break  # bootstrapped from its last observation
        reward += gamma**taken * float(episode["reward"][step + taken])
        taken += 1
    return {
        "observation": stack_at(frames, step, frame_stack),
        "action": episode["action"][step],
        "reward": reward,
        "next_observation": stack_at(frames, step + taken, frame_stack),
        "terminated": terminates and step + n_step >= length,
        "truncated": not terminates and step + n_step >= length,
        "discount": gamma**taken if step + taken < length else 0.0,
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("dataset"), SHARDS)


@pytest.fixture(scope="module")
def played(folder: Path) -> list[Batch]:
    return read_episodes(folder)


options = st.fixed_dictionaries(
    {
        "frame_stack": st.integers(1, 6),
        "n_step": st.integers(1, 5),
        "gamma": st.sampled_from([1.0, 0.5, 0.75]),  # exact in float32
        "batch_size": st.sampled_from([1, 2, 7, 32, 300, 5000]),
        "episodes": st.sampled_from(list(FILTERS)),
    }
)


def expected_transitions(played: list[Batch], given: dict[str, Any]) -> Batch:
    return collate(
        [
            transition_at(episode, step, given["frame_stack"], given["n_step"], given["gamma"])
            for episode in played
            if FILTERS[given["episodes"]](episode)
            for step in range(len(episode["action"]))
        ]
    )


class TestValues:
    @pytest.mark.slow
    @settings(max_examples=20, deadline=None)
    @given(given=options)
    def test_in_order_every_value_is_that_of_the_definition(
        self, folder: Path, played: list[Batch], given: dict[str, Any]
    ) -> None:
        batches = Transitions(str(folder), *CONFIG, shuffle=False, **given)
        found = list(batches)
        assert [len(batch["action"]) for batch in found[:-1]] == [given["batch_size"]] * (len(found) - 1)
        assert len(found) == len(batches)
        assert_same(joined(found), expected_transitions(played, given))

    @pytest.mark.slow
    @settings(max_examples=20, deadline=None)
    @given(given=options, seed=st.integers(0, 9), blocks=st.integers(5, 9))
    def test_shuffled_each_comes_once_with_the_same_values(
        self, folder: Path, played: list[Batch], given: dict[str, Any], seed: int, blocks: int
    ) -> None:
        batches = Transitions(str(folder), *CONFIG, seed=seed, memory=blocks * 210 * 7056, **given)
        assert count_samples(joined(list(batches))) == count_samples(expected_transitions(played, given))

    def test_dtypes_and_shapes_are_the_documented_ones(self, folder: Path) -> None:
        batch = next(iter(Transitions(str(folder), *CONFIG, batch_size=32)))
        assert {name: (value.shape, str(value.dtype)) for name, value in batch.items()} == {
            "observation": ((32, 4, 84, 84), "uint8"),
            "action": ((32,), "int64"),
            "reward": ((32,), "float32"),
            "next_observation": ((32, 4, 84, 84), "uint8"),
            "terminated": ((32,), "bool"),
            "truncated": ((32,), "bool"),
            "discount": ((32,), "float32"),
        }
        assert all(value.flags.writeable and value.flags.c_contiguous for value in batch.values())

    @pytest.mark.slow
    def test_blocks_within_a_shard_and_episodes_across_them(self, tmp_path: Path) -> None:
        lengths = [4000, 90, 1, 9, 1200]
        folder = write_dataset(tmp_path, [[Ending(length) for length in lengths]], rows_in_group=2048)
        episodes = read_episodes(folder)
        given = {"frame_stack": 2, "n_step": 3, "gamma": 0.5, "episodes": None}
        expected = expected_transitions(episodes, given)
        in_order = Transitions(str(folder), *CONFIG, shuffle=False, batch_size=500, **given)
        assert_same(joined(list(in_order)), expected)
        shuffled = Transitions(str(folder), *CONFIG, batch_size=500, **given)
        assert count_samples(joined(list(shuffled))) == count_samples(expected)

    def test_a_truncated_episode_is_bootstrapped_from_its_last_observation(self, tmp_path: Path) -> None:
        folder = write_dataset(tmp_path, [[Ending(3, "limit")]])
        (episode,) = read_episodes(folder)
        (batch,) = Transitions(str(folder), *CONFIG, frame_stack=1, n_step=2, gamma=0.5, shuffle=False)
        first, second, third = episode["reward"]
        assert batch["reward"].tolist() == [first + 0.5 * second, second, third]
        assert batch["discount"].tolist() == [0.25, 0.5, 0]
        assert batch["truncated"].tolist() == [False, True, True]
        assert not batch["terminated"].any()
        assert (batch["next_observation"][:2, 0] == episode["observation"][2]).all()
        assert not batch["next_observation"][2].any(), "no log stores it"

    def test_drop_last_leaves_out_the_rest(self, folder: Path) -> None:
        batches = Transitions(str(folder), *CONFIG, batch_size=100, drop_last=True)
        assert {len(batch["action"]) for batch in batches} == {100}
        assert len(batches) == batches.samples // 100

    def test_the_best_share_of_the_episodes(self, folder: Path, played: list[Batch]) -> None:
        best = sorted(played, key=lambda episode: -episode["reward"].sum())[: -(-len(played) // 4)]
        found = Transitions(str(folder), *CONFIG, episodes=EpisodeFilter(top=0.25))
        assert found.samples == sum(len(episode["action"]) for episode in best)


class TestPreprocessing:
    def batch(self, folder: Path, **options: Any) -> Batch:
        return next(iter(Transitions(str(folder), *CONFIG, seed=1, preprocessing=Preprocessing(**options))))

    def test_pictures(self, folder: Path) -> None:
        plain = self.batch(folder)["observation"]
        assert (self.batch(folder, channels_last=True)["observation"] == np.moveaxis(plain, 1, -1)).all()
        assert (self.batch(folder, rgb=True)["observation"] == plain[:, :, None]).all()
        assert self.batch(folder, rgb=True)["next_observation"].shape == (32, 4, 3, 84, 84)
        both = self.batch(folder, rgb=True, channels_last=True)["observation"]
        assert both.shape == (32, 4, 84, 84, 3)
        floats = self.batch(folder, dtype="float32")["observation"]
        assert floats.dtype == np.float32
        assert (floats == plain / np.float32(255)).all()
        halved = self.batch(folder, size=(42, 42))["observation"]
        means = plain.reshape(32, 4, 42, 2, 42, 2).mean(axis=(3, 5))
        assert np.abs(halved - means).max() <= 0.5

    def test_actions_of_all_games(self, folder: Path) -> None:
        numbers = np.array([0, 1, 3, 4])  # NOOP FIRE RIGHT LEFT
        assert (
            self.batch(folder, full_action_space=True)["action"] == numbers[self.batch(folder)["action"]]
        ).all()

    def test_clipped_rewards(self, folder: Path) -> None:
        plain, clipped = self.batch(folder)["reward"], self.batch(folder, clip_reward=True)["reward"]
        assert (clipped == np.clip(plain, -1, 1)).all()
        assert clipped.dtype == np.float32
        with pytest.raises(AtariReplayError, match="would clip sums"):
            Transitions(str(folder), *CONFIG, n_step=3, preprocessing=Preprocessing(clip_reward=True))

    @pytest.mark.parametrize("option", [{"dtype": "int8"}, {"size": (0, 84)}])
    def test_impossible_options(self, folder: Path, option: dict[str, Any]) -> None:
        with pytest.raises(AtariReplayError, match="expected"):
            self.batch(folder, **option)


class TestOrder:
    def read(self, folder: Path, **options: Any) -> list[bytes]:
        return digests(Transitions(str(folder), *CONFIG, batch_size=20, **options))

    def test_it_follows_from_the_seed(self, folder: Path) -> None:
        assert self.read(folder, seed=3) == self.read(folder, seed=3)
        assert self.read(folder, seed=3) != self.read(folder, seed=4)

    def test_every_epoch_has_another(self, folder: Path, played: list[Batch]) -> None:
        batches = Transitions(str(folder), *CONFIG, batch_size=20)
        epochs = [joined(list(batches)) for _ in range(3)]
        assert len({epoch["observation"].tobytes() for epoch in epochs}) == 3
        assert count_samples(epochs[0]) == count_samples(epochs[1]) == count_samples(epochs[2])
        batches.set_epoch(1)
        assert (joined(list(batches))["observation"] == epochs[1]["observation"]).all()

    @pytest.mark.parametrize("world_size", [2, 3])
    def test_ranks_take_turns(self, folder: Path, world_size: int) -> None:
        ranks = [self.read(folder, rank=rank, world_size=world_size) for rank in range(world_size)]
        turns = [batch for turn in itertools.zip_longest(*ranks) for batch in turn if batch is not None]
        assert turns == self.read(folder)

    def test_iterators_at_once_go_over_epochs_of_their_own(self, folder: Path) -> None:
        batches = Transitions(str(folder), *CONFIG, batch_size=20)
        pairs = list(zip(batches, batches, strict=True))
        assert digests(first for first, _ in pairs) == self.read(folder)
        batches.set_epoch(1)
        assert digests(second for _, second in pairs) == digests(batches)

    @pytest.mark.slow
    def test_it_goes_on_where_it_was_left(self, folder: Path) -> None:
        uninterrupted = Transitions(str(folder), *CONFIG, batch_size=20)
        expected = digests(itertools.chain(uninterrupted, uninterrupted))
        for used in (0, 1, 17, len(uninterrupted) - 1, len(uninterrupted)):
            first = Transitions(str(folder), *CONFIG, batch_size=20)
            begun = digests(itertools.islice(first, used))
            state = json.loads(json.dumps(first.state_dict()))
            second = Transitions(str(folder), *CONFIG, batch_size=20)
            second.load_state_dict(state)
            rest = digests(second) if used < len(first) else []
            assert begun + rest + digests(second) == expected, used

    @pytest.mark.slow
    def test_it_goes_on_with_other_ranks(self, folder: Path) -> None:
        expected = self.read(folder)
        for before, after, used in [(1, 3, 5), (2, 1, 4), (3, 2, 3)]:
            first = Transitions(str(folder), *CONFIG, batch_size=20, rank=before - 1, world_size=before)
            list(itertools.islice(first, used))
            ranks = []
            for rank in range(after):
                second = Transitions(str(folder), *CONFIG, batch_size=20, rank=rank, world_size=after)
                second.load_state_dict(first.state_dict())
                ranks.append(digests(second))
            turns = [batch for turn in itertools.zip_longest(*ranks) for batch in turn if batch is not None]
            assert turns == expected[before * used :]

    def test_a_state_of_another_order_is_refused(self, folder: Path) -> None:
        state = Transitions(str(folder), *CONFIG, seed=1).state_dict()
        others: list[dict[str, Any]] = [
            {"seed": 2},
            {"seed": 1, "batch_size": 16},
            {"seed": 1, "memory": 6 * 210 * 7056},
            {"seed": 1, "episodes": EpisodeFilter(min_length=2)},
        ]
        for other in others:
            with pytest.raises(AtariReplayError, match="the state was saved with"):
                Transitions(str(folder), *CONFIG, **other).load_state_dict(state)

    def test_leaving_early_leaves_no_threads(self, folder: Path) -> None:
        before = threading.active_count()
        for _ in Transitions(str(folder), *CONFIG):
            break
        assert threading.active_count() == before


def read_from_hub(hub: HubServer, kind: str = "repo") -> Batch:
    source: Any = "user/replay"
    with hub.of_this_process():
        if kind == "stream":
            source = datasets.load_dataset(source, "breakout-full", split="run_1", streaming=True)
        return joined(list(Transitions(source, "breakout-full", "run_1", frame_stack=2, batch_size=50)))


@pytest.fixture
def repo(hub: HubServer, folder: Path) -> HubServer:
    api = HfApi(endpoint=hub.url, token=hub.token)
    api.create_repo("user/replay", repo_type="dataset")
    api.upload_folder(repo_id="user/replay", repo_type="dataset", folder_path=folder)
    return hub


class TestInputs:
    def expected(self, folder: Path) -> Counter[tuple[int, ...]]:
        return count_samples(joined(list(Transitions(str(folder), *CONFIG, frame_stack=2))))

    def count(self, source: Any, **options: Any) -> Counter[tuple[int, ...]]:
        return count_samples(joined(list(Transitions(source, frame_stack=2, **options))))

    def test_a_path_object(self, folder: Path) -> None:
        assert count_samples(joined(list(Transitions(folder, *CONFIG, frame_stack=2)))) == self.expected(
            folder
        )

    def test_a_dataset(self, folder: Path, tmp_path: Path) -> None:
        source = datasets.load_dataset(str(folder), CONFIG[0], split="run_1", cache_dir=str(tmp_path))
        assert self.count(source) == self.expected(folder)

    def test_a_stream(self, folder: Path) -> None:
        source = datasets.load_dataset(str(folder), CONFIG[0], split="run_1", streaming=True)
        assert self.count(source) == self.expected(folder)

    def test_a_stream_that_is_split_by_node(self, folder: Path) -> None:
        source = datasets.load_dataset(str(folder), CONFIG[0], split="run_1", streaming=True)
        parts = [self.count(split_dataset_by_node(source, rank, 3)) for rank in range(3)]
        assert sum(parts, Counter()) == self.expected(folder)

    @pytest.mark.slow
    @pytest.mark.parametrize("kind", ["repo", "stream"])
    def test_a_repo_on_the_hub(self, repo: HubServer, folder: Path, tmp_path: Path, kind: str) -> None:
        assert count_samples(read_from_hub(repo, kind)) == self.expected(folder)

    def test_a_folder_without_episodes_tables(self, folder: Path, tmp_path: Path) -> None:
        shutil.copytree(folder, tmp_path / "copy", ignore=shutil.ignore_patterns("episodes"))
        expected = self.expected(folder)
        assert count_samples(joined(list(Transitions(tmp_path / "copy", *CONFIG, frame_stack=2)))) == expected

    @pytest.mark.slow
    def test_connections_that_break_off(self, repo: HubServer, folder: Path, tmp_path: Path) -> None:
        asked = itertools.count()

        def break_off(request: Request) -> Response | None:
            if request.method == "GET" and request.path.endswith(".parquet"):
                number = next(asked)
                if number in (5, 20):
                    raise ConnectionError
                if number == 25:
                    return Response(500, {"error": "a fault of the test"})
                if number in (12, 30):
                    return Response(206, None, {}, Severed(request.path), 0, 1000)
            return None

        repo.fault = break_off
        assert count_samples(read_from_hub(repo)) == self.expected(folder)
        assert next(asked) > 30


class Severed(type(Path())):
    """A file whose connection is lost once it is opened."""

    def open(self, *_: Any, **__: Any) -> Any:
        raise ConnectionError


class TestBadInput:
    def copy(self, folder: Path, to: Path) -> Path:
        shutil.copytree(folder, to / "copy")
        return to / "copy"

    def shard(self, folder: Path, checkpoint: int = 4) -> Path:
        return folder / CheckpointId(BREAKOUT, 1, checkpoint).shard(0, 1)

    def rewrite(self, path: Path, name: str, column: Any) -> None:
        table = pq.read_table(path)
        write(path, table.set_column(table.schema.get_field_index(name), name, column))

    def test_unknown_names(self, folder: Path, tmp_path: Path) -> None:
        for arguments, message in [
            ((str(folder), "breakout-best", "run_1"), "unknown config 'breakout-best'"),
            ((str(folder), "pong-full", "run_1"), "BuilderConfig 'pong-full' not found"),
            ((str(folder), "breakout-full", "run_2"), "has no split 'run_2'; it has run_1"),
            ((str(folder), "breakout-episodes", "run_1"), "a table of episodes; name one of steps"),
            ((str(folder), None, None), "name a config and a split"),
            ((str(tmp_path / "nowhere"), "breakout-full", "run_1"), "nowhere"),
        ]:
            with pytest.raises(AtariReplayError, match=message):
                Transitions(*arguments)

    def test_another_schema(self, tmp_path: Path) -> None:
        other = datasets.Dataset.from_dict({"image": [1], "label": [2]})
        with pytest.raises(AtariReplayError, match=r"lacks observation, action.*Expected the steps"):
            Transitions(other)

    def test_a_column_of_another_kind(self, folder: Path, tmp_path: Path) -> None:
        copy = self.copy(folder, tmp_path)
        self.rewrite(self.shard(copy), "reward", pa.array(["much"] * 200))
        with pytest.raises(AtariReplayError, match="reward holds string"):
            Transitions(copy, *CONFIG)

    def test_values_that_are_missing(self, folder: Path, tmp_path: Path) -> None:
        copy = self.copy(folder, tmp_path)
        self.rewrite(self.shard(copy), "action", pa.array([None] * 200, pa.int64()))
        with pytest.raises(AtariReplayError, match="action is missing in 200 of them"):
            list(Transitions(copy, *CONFIG))

    def test_a_shard_that_is_cut_short(self, folder: Path, tmp_path: Path) -> None:
        copy = self.copy(folder, tmp_path)
        self.shard(copy).write_bytes(self.shard(copy).read_bytes()[:-100])
        with pytest.raises(AtariReplayError, match=r"steps-00000-of-00001\.parquet: is damaged or cut short"):
            Transitions(copy, *CONFIG)

    def test_a_shard_that_is_damaged_within(self, folder: Path, tmp_path: Path) -> None:
        copy = self.copy(folder, tmp_path)
        content = bytearray(self.shard(copy).read_bytes())
        content[4:2000] = bytes(1996)
        self.shard(copy).write_bytes(content)
        with pytest.raises(AtariReplayError, match=r"checkpoint_04.*(damaged|cannot be read)"):
            list(Transitions(copy, *CONFIG))

    def test_a_shard_of_another_build(self, folder: Path, tmp_path: Path) -> None:
        copy = self.copy(folder, tmp_path)
        shutil.copy(self.shard(copy, 0), self.shard(copy))
        with pytest.raises(AtariReplayError, match="has 174 rows, the episodes tables describe 200"):
            Transitions(copy, *CONFIG)
        moved = pq.read_table(self.shard(folder))
        write(self.shard(copy), pa.concat_tables([moved.slice(100), moved.slice(0, 100)]))
        with pytest.raises(AtariReplayError, match="episodes lie elsewhere than the episodes table says"):
            list(Transitions(copy, *CONFIG))

    def test_a_frame_of_another_size(self, folder: Path, tmp_path: Path) -> None:
        copy = self.copy(folder, tmp_path)
        images = datasets.Dataset.from_dict(
            {"observation": [np.zeros((90, 90), np.uint8)] * 200},
            features=datasets.Features({"observation": datasets.Image()}),
        )
        self.rewrite(self.shard(copy), "observation", images.data.column("observation"))
        with pytest.raises(AtariReplayError, match="expected 84×84 grey"):
            list(Transitions(copy, *CONFIG))

    def test_datasets_that_are_out_of_order(self, folder: Path, tmp_path: Path) -> None:
        whole: Any = datasets.load_dataset(
            str(folder), CONFIG[0], split="run_1", cache_dir=str(tmp_path / "cache")
        )
        stream: Any = datasets.load_dataset(str(folder), CONFIG[0], split="run_1", streaming=True)
        filtered = datasets.load_dataset(
            str(folder), CONFIG[0], split="run_1", streaming=True, filters=[("reward", ">", 0)]
        )
        for source, message in [
            (whole.shuffle(seed=0), "was shuffled, filtered or selected from"),
            (whole.filter(lambda row: row["reward"] > 0), "was shuffled, filtered or selected from"),
            (whole.shuffle(seed=0).flatten_indices(), "not in order of play|does not begin with"),
            (whole.select(range(5, 100)), "does not begin with the first step"),
            (stream.shuffle(seed=0), "not as load_dataset"),
            (stream.filter(lambda row: row["reward"] > 0), "not as load_dataset"),
            (stream.take(5), "not as load_dataset"),
            (stream.reshard(), "filters or resharded"),
            (filtered, "filters or resharded"),
        ]:
            with pytest.raises(AtariReplayError, match=message):
                Transitions(source)

    def test_impossible_options(self, folder: Path) -> None:
        impossible: list[tuple[dict[str, Any], str]] = [
            ({"batch_size": 0}, "a batch of 0 samples"),
            ({"frame_stack": 0}, "frame_stack=0"),
            ({"n_step": 0}, "n_step=0"),
            ({"seed": -1}, "seed -1"),
            ({"rank": 2, "world_size": 2}, "rank 2 of 2; expected 0 to 1"),
            ({"memory": 1 << 20}, "a memory of 1,048,576 bytes is too little; expected at least 7,0"),
            ({"episodes": EpisodeFilter(min_length=10_000)}, "no episode is left"),
            ({"episodes": EpisodeFilter(top=10)}, "top=10"),
        ]
        for options, message in impossible:
            with pytest.raises(AtariReplayError, match=message):
                Transitions(str(folder), *CONFIG, **options)

    def test_the_least_memory_that_is_named_is_enough(self, folder: Path) -> None:
        with pytest.raises(AtariReplayError, match="expected at least") as refusal:
            Transitions(str(folder), *CONFIG, memory=1 << 20)
        least = int(str(refusal.value).split()[-1].replace(",", ""))
        batches = Transitions(str(folder), *CONFIG, memory=least)
        assert sum(len(batch["action"]) for batch in batches) == batches.samples


def test_reading_does_not_write_to_the_dataset(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    list(Transitions(str(folder), *CONFIG))
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_frames_are_encoded_as_build_does(folder: Path) -> None:
    """So that what is tested here is what users read."""
    column = pq.read_table(next(folder.glob("data/*/*/*/*.parquet")), columns=["observation"])["observation"]
    assert column.combine_chunks().equals(encode_frames(decode_frames(column)))
