"""What users of `AtariDQNReplay` rely on: plain `datasets` behaviour, straight from replay logs."""

import io
import pickle
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pytest
from datasets.distributed import split_dataset_by_node
from paths import DATA

from atari_dqn_replay import AtariDQNReplay, AtariReplayError, decode_frames

THREE_LAPS = DATA / "three_laps"
"""Breakout, run 1, checkpoints 0 to 3 (3 is partial), written by Dopamine's own buffer."""


@pytest.fixture(scope="module")
def played() -> dict[str, np.ndarray]:
    return dict(np.load(THREE_LAPS / "played.npz"))


def tables(dataset: Any) -> pa.Table:
    return pa.concat_tables(dataset.with_format("arrow").iter(batch_size=700))


def streamed(builder: AtariDQNReplay) -> Any:
    return builder.as_streaming_dataset(split="run_1")


def prepared(builder: AtariDQNReplay) -> Any:
    return builder.as_dataset(split="run_1")


@pytest.mark.slow
def test_streams_what_was_played(tmp_path: Path, played: dict[str, np.ndarray]) -> None:
    builder = AtariDQNReplay("breakout-full", source=THREE_LAPS, cache_dir=str(tmp_path))
    steps = tables(streamed(builder))
    assert (decode_frames(steps["observation"]) == played["observation"]).all()
    assert (steps["action"].to_numpy() == played["action"]).all()
    assert (steps["reward"].to_numpy() == played["reward"]).all()
    ended = steps["terminated"].to_numpy() | steps["truncated"].to_numpy()
    assert (ended == played["terminal"]).all()


@pytest.mark.slow
@pytest.mark.parametrize("num_proc", [None, 2])
def test_prepares_the_same_rows_as_it_streams(tmp_path: Path, num_proc: int | None) -> None:
    builder = AtariDQNReplay("breakout-full", source=THREE_LAPS, cache_dir=str(tmp_path))
    builder.download_and_prepare(num_proc=num_proc)
    assert tables(prepared(builder)).equals(tables(streamed(builder)))


def test_streams_without_a_cache_that_can_be_written(
    tmp_path: Path, played: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    for cache_dir in (str(tmp_path / "file"), str(tmp_path / "file/below"), None):
        monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "file")
        builder = pickle.loads(
            pickle.dumps(AtariDQNReplay("breakout-full", source=THREE_LAPS, cache_dir=cache_dir))
        )
        assert (tables(streamed(builder))["action"].to_numpy() == played["action"]).all()
        with pytest.raises(AtariReplayError, match=r"file.*: the cache cannot be written; give cache_dir="):
            builder.download_and_prepare()
    builder.download_and_prepare(str(tmp_path / "out"))
    assert len(list((tmp_path / "out").glob("*.arrow"))) >= 1


def test_is_a_generator_based_builder_whose_examples_are_rows(tmp_path: Path) -> None:
    builder = AtariDQNReplay("breakout-mixed", source=THREE_LAPS, cache_dir=str(tmp_path))
    assert isinstance(builder, datasets.GeneratorBasedBuilder)
    (split,) = builder._split_generators(None)
    _, example = next(iter(builder._generate_examples(**split.gen_kwargs)))
    assert example["observation"]["bytes"].startswith(b"\x89PNG")


def test_each_step_has_an_image_a_named_action_and_its_return_to_go(tmp_path: Path) -> None:
    builder = AtariDQNReplay("breakout-mixed", source=THREE_LAPS, cache_dir=str(tmp_path))
    builder.download_and_prepare()
    steps = prepared(builder)
    assert steps[0]["observation"].size == (84, 84)
    assert steps.features["action"].names == ["NOOP", "FIRE", "RIGHT", "LEFT"]
    rewards, returns = np.array(steps["reward"]), np.array(steps["return_to_go"])
    episodes = np.array(steps["episode"])
    for episode in np.unique(episodes):
        of_episode = episodes == episode
        assert (returns[of_episode] == rewards[of_episode][::-1].cumsum()[::-1]).all()


def test_views_select_checkpoints(tmp_path: Path) -> None:
    def checkpoints(view: str) -> set[int]:
        builder = AtariDQNReplay(f"breakout-{view}", source=THREE_LAPS, cache_dir=str(tmp_path))
        return set(tables(streamed(builder))["checkpoint"].to_pylist())

    assert checkpoints("mixed") == {0}
    assert checkpoints("expert") == {2}, "the last complete one, not the partial one after it"
    assert checkpoints("full") == {0, 1, 2, 3}


def test_any_other_slice_is_given_by_runs_and_checkpoints(tmp_path: Path) -> None:
    builder = AtariDQNReplay(
        "breakout-full", source=THREE_LAPS, runs=[1], checkpoints=[2, 1], cache_dir=str(tmp_path)
    )
    steps = tables(streamed(builder))
    assert list(dict.fromkeys(steps["checkpoint"].to_pylist())) == [1, 2]


def test_the_episodes_view_says_where_steps_lie(tmp_path: Path) -> None:
    builder = AtariDQNReplay("breakout-episodes", source=THREE_LAPS, cache_dir=str(tmp_path))
    episodes = tables(streamed(builder)).to_pylist()
    assert len(episodes) == 47
    assert sum(episode["complete"] for episode in episodes) == 46
    assert sum(episode["length"] for episode in episodes) == 9500
    joined = [episode for episode in episodes if episode["file"].endswith("steps-00001-of-00002.parquet")]
    assert [(episode["checkpoint"], episode["first_row"]) for episode in joined] == [(0, 0), (1, 0), (2, 0)]


def test_nodes_and_workers_share_the_checkpoints(tmp_path: Path) -> None:
    builder = AtariDQNReplay("breakout-full", source=THREE_LAPS, cache_dir=str(tmp_path))
    stream = streamed(builder)
    whole = tables(stream)
    assert stream.num_shards == 4
    parts = [tables(split_dataset_by_node(stream, rank=rank, world_size=2)) for rank in range(2)]
    keys = [(row["checkpoint"], row["episode"], row["step"]) for part in parts for row in _numbers(part)]
    assert sorted(keys) == [(row["checkpoint"], row["episode"], row["step"]) for row in _numbers(whole)]


def _numbers(table: pa.Table) -> list[dict]:
    return table.select(["checkpoint", "episode", "step"]).to_pylist()


@pytest.mark.slow
def test_a_stream_resumes_where_it_stopped(tmp_path: Path) -> None:
    builder = AtariDQNReplay("breakout-full", source=THREE_LAPS, cache_dir=str(tmp_path))
    rows = [(row["checkpoint"], row["step"]) for row in streamed(builder).decode(False)]
    stream = streamed(builder).decode(False)
    iterator = iter(stream)
    for _ in range(5000):
        next(iterator)
    resumed = streamed(builder).decode(False)
    resumed.load_state_dict(stream.state_dict())
    assert [(row["checkpoint"], row["step"]) for row in resumed] == rows[5000:]


def test_two_iterations_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    builder = AtariDQNReplay("breakout-full", source=THREE_LAPS, cache_dir=str(tmp_path))
    stream = streamed(builder).with_format("arrow")
    pairs = list(zip(stream.iter(batch_size=500), stream.iter(batch_size=500), strict=True))
    assert all(first.equals(second) for first, second in pairs)


def test_a_source_that_changes_is_not_served_from_the_cache(tmp_path: Path) -> None:
    folder = tmp_path / "Breakout" / "1" / "replay_logs"
    folder.mkdir(parents=True)
    logs = THREE_LAPS / "dqn" / "Breakout" / "1" / "replay_logs"

    def prepare(checkpoints: range) -> int:
        for path in logs.iterdir():
            if any(path.name.endswith(f".{number}.gz") for number in checkpoints):
                (folder / path.name).write_bytes(path.read_bytes())
        builder = AtariDQNReplay("breakout-full", source=tmp_path, cache_dir=str(tmp_path / "cache"))
        builder.download_and_prepare()
        return len(prepared(builder))

    assert prepare(range(2)) < prepare(range(4)) == 9500


def test_can_be_pickled_in_the_middle_of_a_stream(tmp_path: Path) -> None:
    builder = AtariDQNReplay("breakout-full", source=THREE_LAPS, cache_dir=str(tmp_path))
    next(iter(streamed(builder)))
    copy = pickle.loads(pickle.dumps(builder))
    assert len(tables(streamed(copy))) == 9500


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("brakout-full", {}, "did you mean breakout"),
        ("breakout-best", {}, "mixed, medium, expert, full, episodes"),
        ("breakout", {}, "expected <game>-<view>"),
        ("pong-full", {}, "holds no Pong; it has Breakout"),
        ("breakout-full", {"runs": [4]}, "has run 1 of Breakout"),
        ("breakout-full", {"checkpoints": [50]}, "no checkpoint 50 of Breakout; it has 0-3"),
        ("breakout-medium", {}, "it has run 1: checkpoints 0-3"),
        ("breakout-full", {"source": "/no/such/folder"}, "no such folder"),
        ("breakout-full", {"source": None}, "say where the replay logs are"),
        (None, {}, "which config?"),
    ],
)
def test_wrong_names_are_answered_with_the_right_ones(
    tmp_path: Path, name: str | None, options: dict, says: str
) -> None:
    arguments: dict[str, Any] = {"source": THREE_LAPS, "cache_dir": str(tmp_path), **options}
    with pytest.raises(AtariReplayError) as error:
        AtariDQNReplay(name, **arguments).download_and_prepare()
    assert says in str(error.value)
    assert not list(tmp_path.rglob("*.arrow"))


def test_a_damaged_log_stops_preparation_and_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "Breakout" / "1" / "replay_logs"
    folder.mkdir(parents=True)
    for path in (THREE_LAPS / "dqn" / "Breakout" / "1" / "replay_logs").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    damaged = folder / "$store$_observation_ckpt.2.gz"
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    builder = AtariDQNReplay("breakout-full", source=tmp_path, cache_dir=str(tmp_path / "cache"))
    with pytest.raises(AtariReplayError, match=r"\$store\$_observation_ckpt\.2\.gz.* damaged"):
        builder.download_and_prepare()
    assert not list((tmp_path / "cache").rglob("*.arrow"))


def test_any_png_reader_shows_an_observation(tmp_path: Path, played: dict[str, np.ndarray]) -> None:
    from PIL import Image

    builder = AtariDQNReplay("breakout-mixed", source=THREE_LAPS, cache_dir=str(tmp_path))
    batch = next(iter(streamed(builder).with_format("arrow").iter(batch_size=1)))
    image = Image.open(io.BytesIO(batch["observation"][0].as_py()["bytes"]))
    assert (np.asarray(image) == played["observation"][0]).all()
