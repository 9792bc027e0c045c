"""RL Unplugged's episodes, and TFDS's form of them, from files to a dataset."""

import contextlib
import dataclasses
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pytest
import rl_unplugged_files as files
from atari_dqn_replay.builder.assembly.build import build, plan_build
from atari_dqn_replay.builder.errors import AtariReplayError, SourceError, UnknownNameError
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.format.manifest import Manifest
from atari_dqn_replay.builder.format.protocol import TIME_LIMIT
from atari_dqn_replay.builder.sources.inspection import inspect_source
from atari_dqn_replay.builder.sources.open import open_source
from atari_dqn_replay.builder.sources.rl_unplugged.png_frames import PngDecoder
from atari_dqn_replay.builder.sources.rl_unplugged.recorded_episode import (
    RL_UNPLUGGED,
    TFDS_1_0,
    TFDS_1_1,
    RecordForm,
)
from atari_dqn_replay.builder.sources.rl_unplugged.tf_example import Example
from atari_dqn_replay.builder.sources.run import Episode
from command import run as run_command
from hypothesis import given, settings
from hypothesis import strategies as st
from logs import log_transitions
from rl_unplugged_files import PlayedEpisode

from atari_dqn_replay import AtariDQNReplay, decode_frames

pytestmark = pytest.mark.slow

ASTERIX = find_game("asterix")
GAME = "Asterix"


@pytest.fixture(scope="module")
def played() -> list[PlayedEpisode]:
    """Asterix, three checkpoints of 4, 3 and 5 episodes, the last of which is cut off."""
    episodes = files.played(GAME, [4, 3, 5])
    assert any((episode.reward > 1).any() for episode in episodes), "rewards that clipping changes"
    return episodes


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory, played: list[PlayedEpisode]) -> dict[str, Path]:
    """The same play in every form."""
    root = tmp_path_factory.mktemp("sources")
    return {
        "ordered": files.write_ordered(root / "ordered", played, GAME),
        "strewn": files.write_strewn(root / "strewn", played, GAME),
        "tfds 1.0.0": files.write_tfds(root / "tfds-1.0.0", played, GAME, version="1.0.0"),
        "tfds 1.1.0": files.write_tfds(root / "tfds-1.1.0", played, GAME),
    }


FORMS = ("ordered", "strewn", "tfds 1.0.0", "tfds 1.1.0")


def build_folder(out: Path, source: Path, **selection: Any) -> list[Manifest]:
    return list(build(plan_build(open_source(str(source)), [ASTERIX], out, **selection), out).manifests)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def whole(dataset: Any) -> pa.Table:
    return pa.concat_tables(dataset.with_format("arrow").iter(batch_size=500))


def column(episodes: Sequence[PlayedEpisode], name: str) -> np.ndarray:
    return np.concatenate([getattr(episode, name) for episode in episodes])


def check_steps(table: pa.Table, played: Sequence[PlayedEpisode]) -> None:
    assert (decode_frames(table["observation"]) == column(played, "observation")).all()
    assert (table["action"].to_numpy() == column(played, "action")).all()
    assert (table["reward"].to_numpy() == column(played, "clipped_reward")).all()
    assert (table["unclipped_reward"].to_numpy() == column(played, "reward")).all()
    ends = np.cumsum([len(episode) for episode in played]) - 1
    over = [end for end, episode in zip(ends, played, strict=True) if episode.final_observation is not None]
    assert np.flatnonzero(table["terminated"].to_numpy()).tolist() == over
    assert not table["truncated"].to_numpy().any()
    keys = [(each.checkpoint, each.index, step) for each in played for step in range(len(each))]
    assert (
        list(zip(*(table[name].to_pylist() for name in ("checkpoint", "episode", "step")), strict=True))
        == keys
    )


@pytest.mark.parametrize("form", FORMS)
def test_streams_what_was_played(
    tmp_path: Path, sources: dict[str, Path], played: list[PlayedEpisode], form: str
) -> None:
    builder = AtariDQNReplay("asterix-full", source=sources[form], cache_dir=str(tmp_path))
    stream: Any = builder.as_streaming_dataset(split="run_1")
    check_steps(whole(stream), played)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, sources: dict[str, Path]) -> Path:
    out = tmp_path_factory.mktemp("built") / "dataset"
    build_folder(out, sources["ordered"])
    return out


def test_plain_load_dataset_reads_what_was_played(
    tmp_path: Path, built: Path, played: list[PlayedEpisode]
) -> None:
    def load(view: str) -> Any:
        return datasets.load_dataset(str(built), f"asterix-{view}", split="run_1", cache_dir=str(tmp_path))

    check_steps(whole(load("full")), played)
    for row, episode in zip(load("episodes"), played, strict=True):
        assert row["length"] == len(episode)
        assert row["return"] == episode.clipped_reward.sum()
        assert row["complete"] == row["terminated"] == (episode.final_observation is not None)
        if episode.final_observation is None:
            assert row["final_observation"] is None
        else:
            assert (np.asarray(row["final_observation"]) == episode.final_observation).all()


@pytest.mark.parametrize("form", FORMS[1:])
def test_every_form_gives_the_same_shards(
    tmp_path: Path, built: Path, sources: dict[str, Path], form: str
) -> None:
    build_folder(tmp_path / "out", sources[form])
    expected = {name: data for name, data in contents(built).items() if name.endswith(".parquet")}
    assert {name: contents(tmp_path / "out")[name] for name in expected} == expected


@pytest.mark.parametrize("form", ["ordered", "strewn"])
def test_the_division_of_work_does_not_show(tmp_path: Path, sources: dict[str, Path], form: str) -> None:
    for checkpoints in ([2], [0, 1]):
        build_folder(tmp_path / "parts", sources[form], checkpoints=checkpoints)
    build_folder(tmp_path / "whole", sources[form])
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_build_and_builder_give_the_same_rows(tmp_path: Path, built: Path, sources: dict[str, Path]) -> None:
    for view in ("mixed", "full", "episodes"):
        builder = AtariDQNReplay(f"asterix-{view}", source=sources["strewn"], cache_dir=str(tmp_path))
        builder.download_and_prepare()
        stored = datasets.load_dataset(str(built), f"asterix-{view}", split="run_1", cache_dir=str(tmp_path))
        assert whole(builder.as_dataset(split="run_1")).equals(whole(stored)), view


def test_every_entry_is_accounted_for_and_every_file_vouched_for(
    built: Path, played: list[PlayedEpisode], sources: dict[str, Path]
) -> None:
    for path in sorted(built.glob("manifests/*/*/*.json")):
        manifest = Manifest.from_json(path.read_text(), str(path))
        of_checkpoint = [episode for episode in played if episode.checkpoint == manifest.checkpoint]
        rows = manifest.row_counts
        assert rows.transitions == sum(map(len, of_checkpoint)) == manifest.step_counts.steps
        assert rows.final_observations == sum(each.final_observation is not None for each in of_checkpoint)
        assert rows.rows_read == rows.transitions + rows.final_observations
        assert manifest.provenance.origin == "rl_unplugged"
        (source,) = manifest.sources
        assert source.size == (sources["ordered"] / source.path).stat().st_size


def test_the_card_says_which_source_it_was(built: Path) -> None:
    card = "\n".join(path.read_text() for path in built.rglob("README.md"))
    assert "in the form of [RL Unplugged]" in card
    assert "The other 11 are what was seen after an episode's last step." in card
    assert "clipped as well" in card


def test_a_second_build_has_nothing_to_do(tmp_path: Path, sources: dict[str, Path]) -> None:
    for form in FORMS:
        out = tmp_path / form
        build_folder(out, sources[form])
        plan = plan_build(open_source(str(sources[form])), [ASTERIX], out)
        assert (len(plan.to_build), len(plan.done)) == (0, 3)


def test_ring_buffer_logs_and_recorded_episodes_agree(
    tmp_path: Path, played: list[PlayedEpisode], sources: dict[str, Path]
) -> None:
    whole_episodes = played[:-1]
    ends = np.cumsum([len(episode) for episode in whole_episodes]) - 1
    terminal = np.zeros(ends[-1] + 1, bool)
    terminal[ends] = True
    log_transitions(
        tmp_path / "logs",
        column(whole_episodes, "observation"),
        column(whole_episodes, "action"),
        column(whole_episodes, "reward"),
        terminal,
        capacity=900,
        game=GAME,
    )

    def read(source: Path) -> pa.Table:
        builder = AtariDQNReplay("asterix-full", source=source, cache_dir=str(tmp_path / "cache"))
        stream: Any = builder.as_streaming_dataset(split="run_1")
        return whole(stream).slice(0, len(terminal)).combine_chunks()

    names = ["observation", "action", "reward", "terminated", "truncated", "return_to_go", "step"]
    assert read(tmp_path / "logs").select(names).equals(read(sources["ordered"]).select(names))


def test_inspect_shows_every_form(tmp_path: Path, sources: dict[str, Path]) -> None:
    for form in FORMS:
        source = open_source(str(sources[form]))
        (report,) = inspect_source(source, source.games()).runs
        assert (report.game, report.run, report.checkpoints) == (GAME, 1, "0-2")
        assert (report.origin, report.remarks) == ("rl_unplugged", ())
    shutil.copytree(sources["ordered"], tmp_path / "gap")
    (tmp_path / "gap" / GAME / "run_1-00001-of-00003").unlink()
    done = run_command("inspect", tmp_path / "gap")
    assert "0, 2" in done.stdout
    assert "shards missing of 3: 1" in done.stdout


def test_the_folder_above_does_as_well(tmp_path: Path, sources: dict[str, Path]) -> None:
    shutil.copytree(sources["strewn"], tmp_path / "atari_episodes_v2")
    shutil.copytree(sources["ordered"], tmp_path / "atari_episodes_ordered")
    source = open_source(str(tmp_path))
    assert source.describe().endswith("atari_episodes_ordered")
    assert open_source(str(sources["tfds 1.1.0"] / "rlu_atari_checkpoints_ordered")).runs(ASTERIX) == [1]


def test_any_file_system_will_do(sources: dict[str, Path], played: list[PlayedEpisode]) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.put(str(sources["ordered"] / GAME), f"/rl-unplugged/{GAME}", recursive=True)
    opened = open_source("memory://rl-unplugged").open_run(ASTERIX, 1)
    lengths = [len(each) for number in opened.checkpoints for each in drained(opened.reader(), number)]
    assert lengths == [len(episode) for episode in played]


def drained(reader: Any, number: int) -> list[Episode]:
    episodes = []
    for episode in reader.checkpoint(number).episodes():
        for _ in episode.frames:
            pass
        episodes.append(episode)
    return episodes


def test_a_source_tells_what_it_has(sources: dict[str, Path], played: list[PlayedEpisode]) -> None:
    for form in FORMS:
        source = open_source(str(sources[form]))
        assert [game.name for game in source.games()] == [GAME]
        with pytest.raises(UnknownNameError, match="no run 2 of Asterix; it has 1"):
            source.open_run(ASTERIX, 2)
        with pytest.raises(SourceError, match="holds no Pong; it has Asterix"):
            source.runs(find_game("pong"))
        opened = source.open_run(ASTERIX, 1)
        with pytest.raises(UnknownNameError, match="no checkpoint 3 of Asterix; it has 0-2"):
            opened.reader().checkpoint(3)
        for number in opened.checkpoints:
            rows = sum(len(each) for each in played if each.checkpoint == number)
            assert rows / 1.5 < opened.rows(number) < rows * 1.5, "about"


# Ends


def read_one(features: dict[str, Any], form: RecordForm = RL_UNPLUGGED) -> Episode:
    return read_record(files.example(features), form)


def read_record(content: bytes, form: RecordForm = RL_UNPLUGGED) -> Episode:
    episode = form.read(Example(content, "here"), ASTERIX).episode(DECODER)
    assert sum(map(len, episode.frames)) == len(episode)
    return episode


DECODER = PngDecoder()


@pytest.mark.parametrize(
    ("length", "over", "terminated", "truncated", "final"),
    [
        (TIME_LIMIT - 1, True, True, False, True),
        (TIME_LIMIT, True, False, True, True),
        (TIME_LIMIT, False, False, True, False),
        (TIME_LIMIT - 1, False, False, False, False),
    ],
)
def test_an_episode_as_long_as_the_time_limit_is_truncated(
    length: int, over: bool, terminated: bool, truncated: bool, final: bool
) -> None:
    episode = read_one(blank_episode(length + over, over))
    assert len(episode) == length
    assert (episode.terminated, episode.truncated) == (terminated, truncated)
    assert episode.complete == (terminated or truncated)
    assert (episode.final_observation is not None) == final


def test_an_entry_beyond_the_time_limit_is_only_seen() -> None:
    episode = read_one(blank_episode(TIME_LIMIT + 1, over=False))
    assert len(episode) == TIME_LIMIT
    assert episode.truncated and episode.final_observation is not None


def blank_episode(entries: int, over: bool) -> dict[str, Any]:
    zeros = np.zeros(entries, np.float32)
    discounts = np.ones(entries, np.float32)
    discounts[-1] = not over
    return {
        "checkpoint_idx": np.array([0]),
        "episode_idx": np.array([0]),
        "episode_return": zeros[:1],
        "clipped_episode_return": zeros[:1],
        "observations": [BLANK] * entries,
        "actions": np.zeros(entries, np.int64),
        "unclipped_rewards": zeros,
        "clipped_rewards": zeros,
        "discounts": discounts,
    }


BLANK = files.png(np.zeros((84, 84), np.uint8))


# What is not believed


def without(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda features: {key: value for key, value in features.items() if key != name}


def with_(name: str, change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda features: {**features, name: change(features[name])}


def set_at(place: int, value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(values: np.ndarray) -> np.ndarray:
        values = values.copy()
        values[place] = value
        return values

    return change


RECORD_NAMES = [
    *("checkpoint_idx", "episode_idx", "episode_return", "clipped_episode_return"),
    *("observations", "actions", "unclipped_rewards", "clipped_rewards", "discounts"),
]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        *[(without(name), f"lacks {name}") for name in RECORD_NAMES],
        *[(with_(name, lambda _: []), name) for name in RECORD_NAMES if name != "observations"],
        (with_("observations", lambda pngs: pngs[:-1]), "discounts but"),
        (with_("actions", lambda actions: actions[1:]), "discounts but"),
        (with_("unclipped_rewards", lambda rewards: rewards[1:]), "discounts but"),
        (with_("clipped_rewards", lambda rewards: np.append(rewards, rewards[:1])), "discounts but"),
        (with_("discounts", lambda discounts: discounts[1:]), "discounts but"),
        (with_("actions", lambda actions: actions.astype(np.float32)), "actions is a float_list"),
        (with_("observations", lambda pngs: np.arange(len(pngs))), "observations is a int64_list"),
        (with_("checkpoint_idx", lambda _: np.array([0, 0])), "checkpoint_idx has 2 values"),
        (with_("checkpoint_idx", lambda _: np.array([-1])), "checkpoint -1"),
        (with_("checkpoint_idx", lambda _: np.array([1 << 40])), "checkpoint 1099511627776"),
        (with_("episode_idx", lambda _: np.array([-1])), "episode -1"),
        (with_("episode_idx", lambda _: np.array([1 << 31])), "episode 2147483648"),
        (with_("actions", set_at(3, 9)), "holds action 9, but Asterix has the 9 actions 0 to 8"),
        (with_("actions", set_at(0, -1)), "holds action -1"),
        (with_("discounts", set_at(5, 0)), "a discount before the episode's end is not above 0"),
        (with_("discounts", set_at(5, np.nan)), "a discount before the episode's end is not above 0"),
        (with_("discounts", set_at(-1, 1)), "add up to"),
        (with_("episode_return", lambda value: value + 1), "but episode_return is"),
        (with_("clipped_episode_return", lambda value: value - 1), "but clipped_episode_return is"),
        (with_("episode_return", lambda value: value * np.nan), "but episode_return is nan"),
        (with_("unclipped_rewards", set_at(2, np.inf)), "unclipped_rewards add up to inf"),
        (with_("clipped_rewards", lambda rewards: np.roll(rewards, 1)), "clipped"),
        (with_("observations", lambda pngs: [*pngs[:-1], b"no"]), "at the end: observation 0 is no PNG"),
        (with_("observations", lambda pngs: [pngs[0], b"", *pngs[2:]]), "observation 1 is no PNG"),
        (lambda _: blank_episode(1, over=True), "without a transition"),
        (lambda _: {**blank_episode(1, over=True), "discounts": np.zeros(0, np.float32)}, "0 discounts but"),
        (lambda _: {}, "lacks checkpoint_idx; it has no features"),
    ],
)
def test_a_record_that_does_not_add_up_is_an_error(
    played: list[PlayedEpisode], change: Callable[[dict[str, Any]], dict[str, Any]], says: str
) -> None:
    scored = next(episode for episode in played if (episode.reward > 1).any())
    with pytest.raises(SourceError) as error:
        read_one(change(files.rl_unplugged_features(scored)))
    assert says in str(error.value)
    assert str(error.value).startswith("here")


@settings(max_examples=200, deadline=None)  # each decodes frames
@given(data=st.data())
def test_any_record_is_an_episode_or_a_source_error(data: st.DataObject) -> None:
    content = bytearray(files.example(blank_episode(4, over=data.draw(st.booleans()))))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(SourceError):
        read_record(bytes(content))


@pytest.mark.parametrize("form", [TFDS_1_0, TFDS_1_1])
def test_tfds_records_are_checked_as_well(played: list[PlayedEpisode], form: RecordForm) -> None:
    version = "1.0.0" if form is TFDS_1_0 else "1.1.0"
    scored = next(episode for episode in played if (episode.reward > 1).any())
    features = files.tfds_features(scored, version=version)
    assert (read_one(features, form).reward == scored.clipped_reward).all()
    changes = [
        *(without(name) for name in features if name not in _NOT_READ),
        with_("steps/discount", set_at(0, 0)),
        with_("episode_return", lambda value: value + 1),
        with_("steps/action", lambda actions: actions[1:]),
    ]
    for change in changes:
        with pytest.raises(SourceError, match="here"):
            read_one(change(dict(features)), form)


_NOT_READ = ("steps/is_first", "steps/is_last", "steps/is_terminal")
"""They say what the discounts say."""


def test_shuffled_transitions_are_refused_with_a_way_out(tmp_path: Path) -> None:
    transition = {"o_t": [BLANK] * 4, "a_t": np.array([1]), "d_t": np.ones(1, np.float32)}
    for shard in range(2):
        path = tmp_path / "atari" / GAME / f"run_1-{shard:05d}-of-00002"
        files.write_gzip(path, files.tfrecord([files.example(transition)] * 3))
    with pytest.raises(SourceError, match=r"episodes cannot be had; use `atari_episodes_ordered`"):
        open_source(str(tmp_path)).open_run(ASTERIX, 1)
    source = open_source(str(tmp_path))
    (report,) = inspect_source(source, source.games()).runs
    assert "episodes cannot be had" in report.remarks[0]


def changed_copy(folder: Path, source: Path, change: Callable[[Path], object]) -> Path:
    shutil.copytree(source, folder)
    change(folder / GAME)
    return folder


def test_an_episode_that_is_there_twice_is_an_error(tmp_path: Path, played: list[PlayedEpisode]) -> None:
    twice = [*played[:4], played[3]]
    ordered = files.write_ordered(tmp_path / "ordered", twice, GAME)
    with pytest.raises(SourceError, match="episode 3 comes after episode 3"):
        build_folder(tmp_path / "out", ordered)
    strewn = files.write_strewn(tmp_path / "strewn", [*played, played[7]], GAME)
    with pytest.raises(SourceError, match=r"holds episode 0 of checkpoint 2, which .* holds as well"):
        build_folder(tmp_path / "out", strewn)


def test_an_episode_in_another_checkpoints_file_is_an_error(
    tmp_path: Path, played: list[PlayedEpisode]
) -> None:
    stray = dataclasses.replace(played[1], checkpoint=2)
    root = files.write_ordered(tmp_path / "source", [*played[:1], *played[2:7]], GAME)
    records = [files.example(files.rl_unplugged_features(each)) for each in (played[0], stray)]
    files.write_gzip(root / GAME / "run_1-00000-of-00002", files.tfrecord(records))
    with pytest.raises(SourceError, match="is episode 1 of checkpoint 2, where those of checkpoint 0"):
        build_folder(tmp_path / "out", root)
    built = {path.stem for path in (tmp_path / "out").glob("manifests/*/*/*.json")}
    assert built == {"checkpoint_01"}, "the others are not held up"


def test_a_missing_shard_is_a_missing_checkpoint_or_an_error(
    tmp_path: Path, sources: dict[str, Path]
) -> None:
    ordered = changed_copy(
        tmp_path / "o", sources["ordered"], lambda folder: (folder / "run_1-00001-of-00003").unlink()
    )
    assert [manifest.checkpoint for manifest in build_folder(tmp_path / "out", ordered)] == [0, 2]
    strewn = changed_copy(
        tmp_path / "s", sources["strewn"], lambda folder: (folder / "run_1-00004-of-00007").unlink()
    )
    with pytest.raises(SourceError, match=r"missing shards \(4\) every checkpoint would lack some"):
        build_folder(tmp_path / "out", strewn)


def test_shards_of_two_exports_are_not_mixed(tmp_path: Path, sources: dict[str, Path]) -> None:
    def add(folder: Path) -> None:
        shutil.copy(folder / "run_1-00000-of-00003", folder / "run_1-00000-of-00050")

    with pytest.raises(SourceError, match="does not belong to the 3 shards beside it"):
        open_source(str(changed_copy(tmp_path / "s", sources["ordered"], add))).open_run(ASTERIX, 1)


@pytest.mark.parametrize("form", ["ordered", "strewn"])
def test_a_damaged_file_leaves_nothing_half_done(tmp_path: Path, sources: dict[str, Path], form: str) -> None:
    def damage(folder: Path) -> None:
        path = sorted(folder.iterdir())[1]
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 16
        path.write_bytes(content)

    source = changed_copy(tmp_path / "s", sources[form], damage)
    with pytest.raises(SourceError, match="run_1-00001-of-0000"):
        build_folder(tmp_path / "out", source)
    assert not list((tmp_path / "out").glob("[!.]*/**/*.incomplete"))
    whole_ones = {path.stem for path in (tmp_path / "out").glob("manifests/*/*/*.json")}
    assert whole_ones == ({"checkpoint_00", "checkpoint_02"} if form == "ordered" else set())


def test_tfds_files_are_counted(tmp_path: Path, sources: dict[str, Path]) -> None:
    def folder_of(copy: Path) -> Path:
        return copy / "rlu_atari_checkpoints_ordered" / "Asterix_run_1" / "1.1.0"

    shutil.copytree(sources["tfds 1.1.0"], tmp_path / "short")
    path = sorted(folder_of(tmp_path / "short").glob("*checkpoint_00*"))[0]
    length = int.from_bytes(path.read_bytes()[:8], "little")
    path.write_bytes(path.read_bytes()[: 16 + length])
    with pytest.raises(SourceError, match="holds 1 records of 2"):
        build_folder(tmp_path / "out", tmp_path / "short")

    shutil.copytree(sources["tfds 1.1.0"], tmp_path / "gap")
    sorted(folder_of(tmp_path / "gap").glob("*checkpoint_01*"))[1].unlink()
    opened = open_source(str(tmp_path / "gap")).open_run(ASTERIX, 1)
    assert "checkpoint_01.tfrecord-00001-of-00002 is missing" in opened.remarks()[0]
    with pytest.raises(SourceError, match="no such file"):
        build_folder(tmp_path / "out", tmp_path / "gap")


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"splits": [1]}', '{"splits": [{"name": "a", "shardLengths": "x"}]}']
)
def test_a_tfds_record_that_cannot_be_read_is_an_error(
    tmp_path: Path, sources: dict[str, Path], text: str
) -> None:
    shutil.copytree(sources["tfds 1.1.0"], tmp_path / "copy")
    next((tmp_path / "copy").rglob("dataset_info.json")).write_text(text)
    with pytest.raises(SourceError, match=r"dataset_info\.json: does not say"):
        open_source(str(tmp_path / "copy")).open_run(ASTERIX, 1)


@pytest.mark.parametrize(
    "name", ["../run_1-00000-of-00001", "run_1-00000-of-00001/..", "run_0-00000-of-00001", "run_1-0-of-1"]
)
def test_other_names_are_passed_over(tmp_path: Path, sources: dict[str, Path], name: str) -> None:
    path = tmp_path / "source" / GAME / name.replace("/", "⁄")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"something")
    with pytest.raises(AtariReplayError):
        open_source(str(tmp_path / "source")).open_run(ASTERIX, 1)


def test_a_source_that_grows_is_looked_at_again(tmp_path: Path, played: list[PlayedEpisode]) -> None:
    source = files.write_strewn(tmp_path / "source", played[:7], GAME)
    assert open_source(str(source)).open_run(ASTERIX, 1).checkpoints == [0, 1]
    files.write_strewn(tmp_path / "source", played, GAME)
    assert open_source(str(source)).open_run(ASTERIX, 1).checkpoints == [0, 1, 2]


def test_only_what_will_be_asked_for_is_copied_aside(sources: dict[str, Path]) -> None:
    reader = open_source(str(sources["strewn"])).open_run(ASTERIX, 1).reader()
    reader.expect([0])
    counts = [len(drained(reader, number)) for number in (0, 1, 0, 2)]
    reader.close()
    assert counts == [4, 3, 4, 5], "and what was not foreseen is read all the same"


def test_the_info_files_of_real_tfds_have_these_fields(sources: dict[str, Path]) -> None:
    """As `tfds` 4.9.10 writes them; the whole reader was tried on its folders and on TensorFlow's files."""
    info = json.loads(next(sources["tfds 1.1.0"].rglob("dataset_info.json")).read_text())
    assert info["splits"][0] == {"name": "checkpoint_00", "shardLengths": ["2", "2"]}
