"""A dataset that was built or published is a source: filtered, merged, and compared like any other."""

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import datasets_of_logs
import numpy as np
import pytest
import rl_unplugged_files
from atari_dqn_replay.builder.assembly.build import build, plan_build
from atari_dqn_replay.builder.errors import AtariReplayError, SourceError
from atari_dqn_replay.builder.format.compression import FAST, SMALL
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.format.manifest import Manifest
from atari_dqn_replay.builder.repos.folder_reader import FolderReader
from atari_dqn_replay.builder.sources.dataset_repo.run import RepoCheckpoint
from atari_dqn_replay.builder.sources.inspection import inspect_source
from atari_dqn_replay.builder.sources.open import open_source
from atari_dqn_replay.builder.verification.verify import verify
from dataset_folders import contents
from hub_server import HubServer
from huggingface_hub import HfApi
from logs import write_log
from paths import SKIPPED_LAP, THREE_LAPS
from web_server import running_web

from atari_dqn_replay import AtariDQNReplay

BREAKOUT = find_game("breakout")
CHECKPOINT = "data/breakout/run_1/checkpoint_01"
MANIFEST = "manifests/breakout/run_1/checkpoint_01.json"


def build_from(source: Path, out: Path, *, compression: str = FAST, **selection: Any) -> Path:
    return datasets_of_logs.build_from(source, out, compression=compression, **selection)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that was logged: an episode crosses each bound of its four checkpoints."""
    return build_from(THREE_LAPS / "dqn", tmp_path_factory.mktemp("dataset"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "selection",
    [
        {},
        {"checkpoints": [1]},
        {"checkpoints": [0, 3]},
        {"compression": SMALL},
    ],
)
def test_it_gives_what_its_own_source_would_give(
    dataset: Path, tmp_path: Path, selection: dict[str, Any]
) -> None:
    """Shards, tables, manifests and card: only what was asked for, and the same to the byte."""
    expected = build_from(THREE_LAPS / "dqn", tmp_path / "of-logs", **selection)
    assert contents(build_from(dataset, tmp_path / "of-dataset", **selection)) == contents(expected)


def test_chosen_episodes_are_read_without_the_others(dataset: Path) -> None:
    """So an export of the best episodes, or one that goes on in mid-run, decodes few frames."""
    reader = open_source(str(dataset)).open_run(BREAKOUT, 1).reader()
    whole = [
        (each.number, each.reward, np.concatenate(list(each.frames)))
        for each in reader.checkpoint(1).episodes()
    ]
    last = len(whole) - 1  # it goes on in later files, so it has a shard of its own
    for chosen in ([last], [1, last], [0, 2]):
        checkpoint = reader.checkpoint(1)
        assert isinstance(checkpoint, RepoCheckpoint)
        for episode, number in zip(checkpoint.chosen(chosen), chosen, strict=True):
            frames = np.concatenate(list(episode.frames))
            assert episode.number == number
            assert np.array_equal(episode.reward, whole[number][1])
            assert np.array_equal(frames, whole[number][2])
    reader.close()


@pytest.mark.slow
def test_a_log_with_a_skipped_lap_comes_through(tmp_path: Path) -> None:
    of_logs = build_from(SKIPPED_LAP / "dqn", tmp_path / "of-logs")
    assert contents(build_from(of_logs, tmp_path / "of-dataset")) == contents(of_logs)


@pytest.mark.slow
def test_episodes_longer_than_checkpoints_come_through(tmp_path: Path) -> None:
    """A checkpoint in which no episode begins, one that holds a single crossing one, and a log cut off."""
    write_log(tmp_path / "logs", [30, 700, 41, 260], capacity=120, in_mid_episode=True)
    of_logs = build_from(tmp_path / "logs", tmp_path / "of-logs")
    assert contents(build_from(of_logs, tmp_path / "of-dataset")) == contents(of_logs)


def test_what_is_remarked_of_a_log_comes_through(tmp_path: Path) -> None:
    log = write_log(tmp_path / "logs", [40, 30, 50], capacity=90)
    path = log.folder / "$store$_action_ckpt.0.gz"
    with gzip.open(path) as file:
        actions = np.load(file)
    with gzip.open(path, "wb") as file:
        np.save(file, actions.astype(np.int64))
    of_logs = build_from(tmp_path / "logs", tmp_path / "of-logs")
    assert '"remarks"' in (of_logs / "manifests/pong/run_1/checkpoint_00.json").read_text()
    assert contents(build_from(of_logs, tmp_path / "of-dataset")) == contents(of_logs)


@pytest.mark.slow
def test_unclipped_rewards_and_final_observations_come_through(tmp_path: Path) -> None:
    episodes = rl_unplugged_files.played("Asterix", [2, 2])
    rl_unplugged_files.write_ordered(tmp_path / "source", episodes, "Asterix")
    of_records = build_from(tmp_path / "source", tmp_path / "of-records")
    assert contents(build_from(of_records, tmp_path / "of-dataset")) == contents(of_records)


@pytest.mark.slow
def test_datasets_merge_into_one(tmp_path: Path) -> None:
    """Two runs and another game, each built elsewhere, and checkpoints of a run from two places."""
    for number, game in ((1, "Pong"), (2, "Pong"), (1, "Asterix")):
        logs = tmp_path / f"logs-{game}-{number}"
        write_log(logs, [50, 40, 60], capacity=60, game=game, run=number, seed=number)
        shutil.copytree(logs, tmp_path / "all", dirs_exist_ok=True)
        for checkpoints in ([0, 1], [2]):
            part = build_from(
                logs, tmp_path / f"part-{game}-{number}-{checkpoints[0]}", checkpoints=checkpoints
            )
            build_from(part, tmp_path / "merged")
    assert contents(tmp_path / "merged") == contents(build_from(tmp_path / "all", tmp_path / "expected"))


@pytest.mark.slow
def test_it_may_lie_on_the_hub_or_on_a_web_server(dataset: Path, hub: HubServer, tmp_path: Path) -> None:
    api = HfApi(endpoint=hub.url, token=hub.token)
    api.create_repo("user/replay", repo_type="dataset", private=True)
    api.upload_folder(folder_path=dataset, repo_id="user/replay", repo_type="dataset")
    on_hub = open_source("hf://datasets/user/replay", {"endpoint": hub.url, "token": hub.token})
    build(plan_build(on_hub, [BREAKOUT], tmp_path / "of-hub", compression=FAST), tmp_path / "of-hub")
    assert contents(tmp_path / "of-hub") == contents(dataset)
    with running_web(dataset) as server:
        on_web = open_source(server.url)
        build(plan_build(on_web, [BREAKOUT], tmp_path / "of-web", compression=FAST), tmp_path / "of-web")
    assert contents(tmp_path / "of-web") == contents(dataset)


def test_a_part_without_a_card_is_a_source(dataset: Path, tmp_path: Path) -> None:
    """What a download of one checkpoint leaves."""
    shutil.copytree(dataset / CHECKPOINT, tmp_path / "part" / CHECKPOINT)
    for path in ("episodes/breakout/run_1/checkpoint_01.parquet", MANIFEST):
        (tmp_path / "part" / path).parent.mkdir(parents=True)
        shutil.copy(dataset / path, tmp_path / "part" / path)
    expected = build_from(dataset, tmp_path / "expected", checkpoints=[1])
    assert contents(build_from(tmp_path / "part", tmp_path / "out")) == contents(expected)


@pytest.mark.slow
def test_it_is_inspected_and_verified_against(dataset: Path, tmp_path: Path) -> None:
    """In both directions: a copy agrees with the dataset, and with the logs that neither has seen."""
    (report,) = inspect_source(open_source(str(dataset)), [BREAKOUT]).runs
    assert (report.checkpoints, report.capacity, report.remarks) == ("0-3", 3000, ())
    assert report.megabytes == sum(path.stat().st_size for path in dataset.rglob("*.parquet")) / 1e6
    copy = build_from(dataset, tmp_path / "copy", checkpoints=[2])
    for source in (dataset, THREE_LAPS / "dqn"):
        verification = verify(FolderReader(copy), source=open_source(str(source)))
        assert not verification.differences, str(verification)


@pytest.mark.slow
def test_the_dataset_builder_reads_it(dataset: Path) -> None:
    def frames(source: Path) -> np.ndarray:
        builder = AtariDQNReplay("breakout-medium", source=source, checkpoints=[2])
        steps: Any = builder.as_streaming_dataset(split="run_1")
        return np.stack([np.asarray(step["observation"]) for step in steps.with_format("numpy").take(300)])

    assert (frames(dataset) == frames(THREE_LAPS / "dqn")).all()


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize("file", [f"{CHECKPOINT}/steps-00000-of-00002.parquet", MANIFEST])
def test_a_damaged_file_stops_only_its_checkpoint(dataset: Path, tmp_path: Path, file: str) -> None:
    shutil.copytree(dataset, tmp_path / "damaged")
    flip(tmp_path / "damaged" / file, 2000 if file.endswith("parquet") else 1)
    with pytest.raises(AtariReplayError, match="breakout/run_1/checkpoint_01"):
        build_from(tmp_path / "damaged", tmp_path / "out")
    expected = build_from(dataset, tmp_path / "expected", checkpoints=[0, 2, 3])
    published = {
        path: content
        for path, content in contents(tmp_path / "out").items()
        if not path.startswith(".work.incomplete")
    }
    assert published == contents(expected)


def test_no_flipped_bit_of_a_manifest_passes_silently(dataset: Path, tmp_path: Path) -> None:
    """Whatever a manifest says after it, reading ends with the episodes as they were, or with one error."""
    shutil.copytree(dataset, tmp_path / "damaged")
    manifest = tmp_path / "damaged" / MANIFEST
    whole, random = manifest.read_bytes(), np.random.default_rng(0)
    expected = episodes_of(dataset)
    refused = 0
    for place in random.integers(len(whole), size=30):
        flip(manifest, int(place))
        try:
            assert episodes_of(tmp_path / "damaged") == expected
        except AtariReplayError:
            refused += 1
        manifest.write_bytes(whole)
    assert refused > 10, "most of a manifest is checked"


def episodes_of(folder: Path) -> list[tuple[Any, ...]]:
    reader = open_source(str(folder)).open_run(BREAKOUT, 1).reader()
    try:
        return [
            (
                each.number,
                each.action.tobytes(),
                each.reward.tobytes(),
                each.terminated,
                each.truncated,
                each.complete,
                b"".join(frames.tobytes() for frames in each.frames),
            )
            for each in reader.checkpoint(1).episodes()
        ]
    finally:
        reader.close()


def test_a_file_that_agrees_with_its_manifest_and_not_with_the_others_is_refused(
    dataset: Path, tmp_path: Path
) -> None:
    """As when the files of two builds are mixed by hand: checksums alone do not show it."""
    shutil.copytree(dataset, tmp_path / "mixed")
    table = "episodes/breakout/run_1/checkpoint_01.parquet"
    other = "episodes/breakout/run_1/checkpoint_02.parquet"
    shutil.copy(dataset / other, tmp_path / "mixed" / table)
    path = tmp_path / "mixed" / MANIFEST
    theirs = Manifest.from_json((dataset / MANIFEST.replace("01", "02")).read_text(), "")
    content = json.loads(path.read_text())
    content["episodes_table"] = {
        **content["episodes_table"],
        "size": theirs.episodes_table.size,
        "sha256": theirs.episodes_table.sha256,
        "rows": theirs.episodes_table.rows,
    }
    path.write_text(json.dumps(content))
    with pytest.raises(SourceError, match=r"checkpoint_01\.parquet: its episodes have [0-9,]+ steps, but"):
        episodes_of(tmp_path / "mixed")
