"""The card of a dataset repo: what it says, that its examples run, and that merging loses nothing."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from atari_dqn_replay.builder.card.card import game_pages, merge_card, remove_game
from atari_dqn_replay.builder.card.metadata import arrow_bytes_per_step, size_category
from atari_dqn_replay.builder.errors import OutputError
from atari_dqn_replay.builder.format.checkpoint_id import CheckpointId
from atari_dqn_replay.builder.format.features import episodes_features, steps_features
from atari_dqn_replay.builder.format.frame_format import GREY84, FrameFormat
from atari_dqn_replay.builder.format.frames import encode_frames
from atari_dqn_replay.builder.format.games import GAMES, find_game
from atari_dqn_replay.builder.format.manifest import (
    Manifest,
    ParquetRecord,
    ReturnSummary,
    RowCounts,
    ShardRecord,
    StepCounts,
)
from atari_dqn_replay.builder.format.preview import Preview
from atari_dqn_replay.builder.format.provenance import COLLECTED, Provenance
from dataset_folders import write_card
from datasets import load_dataset
from hub_server import HubServer
from huggingface_hub import DatasetCard, HfApi
from hypothesis import given, settings
from hypothesis import strategies as st
from logs import real_frames
from msgspec.structs import replace
from paths import ROOT

EPISODE_STEPS = 10

PLAYED = Provenance(COLLECTED, {"policy": "uniform random", "seed": 3, "protocol": {"frame_skip": 4}})


def manifest(
    game: str,
    checkpoint: int = 0,
    *,
    run: int = 1,
    partial: bool = False,
    episodes: int = 2,
    provenance: Provenance | None = None,
    columns: Iterable[str] = ("observation", "reward"),
    mean: float | None = -20.5,
) -> Manifest:
    """A checkpoint's manifest; its last episode is cut, its others have 10 steps each."""
    where = CheckpointId(find_game(game), run, checkpoint)
    steps = episodes * EPISODE_STEPS
    return Manifest(
        game=where.game.name,
        run=run,
        checkpoint=checkpoint,
        partial=partial,
        last_complete=not partial,
        capacity=100,
        provenance=provenance or Provenance(),
        row_counts=RowCounts(rows_read=100, transitions=steps, padding=6, stale=1, repeated=93 - steps),
        step_counts=StepCounts(steps, 0, 0, episodes, episodes - 1),
        returns=ReturnSummary(mean, mean, mean),
        sources=(),
        shards=(ShardRecord(where.shard(0, 1), 1000, "0" * 64, steps, dict.fromkeys(columns, "0" * 32)),),
        episodes_table=ParquetRecord(where.episodes_table, 100, "0" * 64, episodes),
        earlier=None,
        later=None,
    )


def write_repo(root: Path, manifests: Sequence[Manifest], **options: Any) -> Path:
    """A dataset repo with the card and the tables that the manifests tell of, with frames of real play."""
    for each in manifests:
        for record, table in ((each.shards[0], steps(each)), (each.episodes_table, episodes(each))):
            path = root / record.path
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, path)
        (root / each.path).parent.mkdir(parents=True, exist_ok=True)
        (root / each.path).write_text(each.to_json())
    write_card(root, manifests, **options)
    return root


def steps(of: Manifest) -> pa.Table:
    count = of.step_counts.steps
    number = np.arange(count)
    columns = {
        "observation": encode_frames(real_frames(of.game, count)),
        "action": number % 3,
        "reward": number % 5 == 4,
        "terminated": number % EPISODE_STEPS == EPISODE_STEPS - 1,
        "truncated": np.zeros(count),
        "return_to_go": np.zeros(count),
        "checkpoint": np.full(count, of.checkpoint),
        "episode": number // EPISODE_STEPS,
        "step": number % EPISODE_STEPS,
    }
    schema = steps_features(of.find_game()).arrow_schema
    return pa.table([pa.array(columns[field.name]).cast(field.type) for field in schema], schema=schema)


def episodes(of: Manifest) -> pa.Table:
    rows = [
        {
            "game": of.game,
            "run": of.run,
            "checkpoint": of.checkpoint,
            "episode": episode,
            "length": EPISODE_STEPS,
            "return": float(episode),
            "terminated": True,
            "truncated": False,
            "complete": episode < of.step_counts.complete_episodes,
            "final_observation": None,
            "file": of.shards[0].path,
            "first_row": episode * EPISODE_STEPS,
        }
        for episode in range(of.step_counts.episodes)
    ]
    return pa.Table.from_pylist(rows, schema=episodes_features().arrow_schema)


def data_of(card: str) -> Any:
    """The card's YAML as the Hub's own client reads it."""
    return DatasetCard(card).data


def config_names(card: str) -> list[str]:
    return [config["config_name"] for config in data_of(card).to_dict().get("configs", [])]


def files_of(card: str, config: str) -> dict[str, str | list[str]]:
    """The files of a config by split, below its `data_dir`."""
    entries = {entry["config_name"]: entry for entry in data_of(card)["configs"]}
    return {split["split"]: split["path"] for split in entries[config]["data_files"]}


def info_of(card: str, config: str) -> dict[str, Any]:
    return {entry["config_name"]: entry for entry in data_of(card)["dataset_info"]}[config]


def section_of(card: str, game: str) -> str:
    found = re.search(rf"<!-- generated:game:{game}\b.*?<!-- /generated:game:{game} -->", card, re.DOTALL)
    assert found, f"no section of {game}"
    return found[0]


def page_of(manifests: Sequence[Manifest], game: str) -> str:
    return game_pages(manifests)[f"games/{game}/README.md"]


def head_of(card: str) -> str:
    return card.partition("<!-- generated:head -->")[2].partition("<!-- /generated:head -->")[0]


PONG = [manifest("pong", number) for number in (0, 9, 10)] + [manifest("pong", 11, partial=True)]
BREAKOUT = [manifest("breakout", number, run=run, provenance=PLAYED) for run in (1, 2) for number in (0, 1)]


# --- What the YAML says ---------------------------------------------------------------------------------


def test_each_game_has_the_configs_for_which_it_has_checkpoints() -> None:
    """Pong holds checkpoints 0, 9, 10 and a partial 11; Breakout only 0 and 1, so it has no `medium`."""
    assert config_names(merge_card(None, [*PONG, *BREAKOUT])) == [
        "breakout-full",
        "pong-full",
        "breakout-mixed",
        "breakout-expert",
        "breakout-episodes",
        "pong-mixed",
        "pong-medium",
        "pong-expert",
        "pong-episodes",
    ]


def test_a_config_names_its_files_by_split() -> None:
    card = merge_card(None, [*PONG, *BREAKOUT])
    assert files_of(card, "pong-mixed") == {"run_1": "run_1/checkpoint_00/*.parquet"}
    assert files_of(card, "pong-medium") == {"run_1": "run_1/checkpoint_09/*.parquet"}
    assert files_of(card, "pong-expert") == {"run_1": "run_1/checkpoint_10/*.parquet"}
    assert files_of(card, "pong-episodes") == {
        "run_1": ["run_1/checkpoint_0[09].parquet", "run_1/checkpoint_1[01].parquet"]
    }
    folders = {entry["config_name"]: entry.get("data_dir") for entry in data_of(card)["configs"]}
    assert [folders["pong-mixed"], folders["pong-episodes"]] == ["data/pong", "episodes/pong"]


def test_the_first_config_names_whole_paths() -> None:
    """Where `datasets` looks for them to find out what kind of files they are."""
    assert files_of(merge_card(None, [*PONG, *BREAKOUT]), "breakout-full") == {
        "run_1": "data/breakout/run_1/checkpoint_0[01]/*.parquet",
        "run_2": "data/breakout/run_2/checkpoint_0[01]/*.parquet",
    }


def test_a_run_without_the_checkpoint_has_no_split() -> None:
    card = merge_card(None, [manifest("pong", 0), manifest("pong", 1, run=2)])
    assert list(files_of(card, "pong-mixed")) == ["run_1"]
    assert list(files_of(card, "pong-full")) == ["run_1", "run_2"]


def test_a_checkpoint_without_steps_gives_no_empty_split() -> None:
    card = merge_card(None, [manifest("pong", 0), manifest("pong", 1, episodes=0)])
    assert "pong-expert" not in config_names(card)


def test_sizes_are_those_of_the_files() -> None:
    info = info_of(merge_card(None, PONG), "pong-full")
    assert [(split["name"], split["num_examples"]) for split in info["splits"]] == [("run_1", 80)]
    assert info["download_size"] == 4000
    assert info["splits"][0]["num_bytes"] == 80 * arrow_bytes_per_step(GREY84)


def test_the_size_of_previews_is_that_of_their_frames() -> None:
    colour = replace(manifest("breakout"), frames="rgb64")
    games = {"pong": PONG[0], "breakout": colour}
    previews = {
        find_game(slug): Preview(
            find_game(slug).name, 1, "0" * 16, (), ParquetRecord(f"games/{slug}", 500, "0" * 64, rows)
        )
        for slug, rows in (("pong", 7), ("breakout", 9))
    }
    card = merge_card(None, [*games.values()], previews=previews)
    expected = 7 * arrow_bytes_per_step(GREY84) + 9 * arrow_bytes_per_step(FrameFormat(64, 64, 3))
    assert info_of(card, "preview")["splits"][0]["num_bytes"] == expected


def test_the_hub_finds_it_by_its_tags() -> None:
    data = data_of(merge_card(None, PONG))
    assert data.task_categories == ["reinforcement-learning"]
    assert {"atari", "offline-reinforcement-learning", "dqn"} <= set(data.tags)
    assert data.size_categories == ["n<1K"]


@pytest.mark.parametrize(
    ("rows", "category"),
    [(999, "n<1K"), (1000, "1K<n<10K"), (50_000_000, "10M<n<100M"), (10**12, "n>1T")],
)
def test_size_categories_are_the_hubs(rows: int, category: str) -> None:
    assert size_category(rows) == category


def test_a_license_is_never_assumed() -> None:
    assert data_of(merge_card(None, PONG)).license is None
    licensed = merge_card(None, PONG, license="cc-by-4.0")
    assert data_of(licensed).license == "cc-by-4.0"
    assert data_of(merge_card(licensed, BREAKOUT)).license == "cc-by-4.0"


def test_unclipped_rewards_are_a_column_where_the_source_has_them() -> None:
    card = merge_card(None, [*PONG, manifest("breakout", columns=("reward", "unclipped_reward"))])

    def columns(config: str) -> list[str]:
        return [feature["name"] for feature in info_of(card, config)["features"]]

    assert "unclipped_reward" in columns("breakout-full")
    assert "unclipped_reward" not in columns("pong-full")


# --- That `datasets` reads it ---------------------------------------------------------------------------


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repo of two games in the folder that the card's examples name, with a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    return write_repo(tmp_path / "path/to/this/folder", [*PONG, *BREAKOUT])


@pytest.mark.slow
def test_every_config_streams(repo: Path) -> None:
    card = (repo / "README.md").read_text(encoding="utf-8")
    for config in config_names(card):
        for split in info_of(card, config)["splits"]:
            stream = load_dataset(str(repo), config, split=split["name"], streaming=True)
            assert sum(1 for _ in stream) == split["num_examples"]


@pytest.mark.slow
def test_every_config_loads_and_passes_the_checks_of_datasets(repo: Path) -> None:
    """`load_dataset` compares the rows of each split with the card, as the card states them."""
    card = (repo / "README.md").read_text(encoding="utf-8")
    for config in config_names(card):
        info = info_of(card, config)
        loaded = load_dataset(str(repo), config)
        assert {name: len(split) for name, split in loaded.items()} == {
            split["name"]: split["num_examples"] for split in info["splits"]
        }
    mixed: Any = load_dataset(str(repo), "pong-mixed", split="run_1")
    assert mixed.features["action"].names == list(find_game("pong").actions)
    assert (np.asarray(mixed[5]["observation"]) == real_frames("Pong", 6)[5]).all()
    assert mixed.info.splits["run_1"].num_bytes == pytest.approx(
        info_of(card, "pong-mixed")["splits"][0]["num_bytes"], rel=0.01
    )


def test_a_game_must_be_named(repo: Path) -> None:
    """No config is the default one: nobody loads a game by mistake."""
    with pytest.raises(ValueError, match="Config name is missing"):
        load_dataset(str(repo), split="run_1", streaming=True)


@pytest.mark.slow
def test_the_examples_of_the_card_run(repo: Path) -> None:
    names = run_examples((repo / "README.md").read_text(encoding="utf-8"))
    assert names["repo"] == "path/to/this/folder"
    assert (names["frames"] == real_frames("Breakout", 20)).all()
    assert len(list(names["one_checkpoint"])) == 20
    assert [row["step"] for row in names["rewarded"]] == [4, 9, 4, 9]
    assert len(names["states"]) == names["best"]["length"] == EPISODE_STEPS
    assert names["together"].features["action"].names == names["ALE"]
    assert {row["action"] for row in names["together"].take(20)} <= set(range(18))


def test_the_stacking_example_stacks_within_an_episode(repo: Path) -> None:
    names = run_examples((repo / "README.md").read_text(encoding="utf-8"))
    frames = real_frames("Breakout", 20)[:EPISODE_STEPS]
    expected = np.zeros((EPISODE_STEPS, 4, 84, 84), np.uint8)
    for step in range(EPISODE_STEPS):
        for age in range(min(step + 1, 4)):
            expected[step, 3 - age] = frames[step - age]
    assert (names["states"] == expected).all()


ON_THE_HUB = """
import re, sys
from datasets import load_dataset
card = open(sys.argv[1], encoding="utf-8").read()
names = {}
for example in re.findall(r"^```python\\n(.*?)^```$", card, re.DOTALL | re.MULTILINE):
    exec(example, names)
assert names["repo"] == "user/atari"
for config in re.findall(r"^- config_name: (.*)$", card.partition("dataset_info:")[0], re.MULTILINE):
    streamed = load_dataset("user/atari", config, streaming=True)
    loaded = load_dataset("user/atari", config)
    for split in loaded:
        print(config, split, len(loaded[split]), sum(1 for _ in streamed[split]))
"""


@pytest.mark.slow
def test_configs_and_examples_work_on_the_hub_too(hub: HubServer, tmp_path: Path) -> None:
    folder = write_repo(tmp_path / "repo", [*PONG, *BREAKOUT], repo_id="user/atari")
    api = HfApi(endpoint=hub.url, token=hub.token)
    api.create_repo("user/atari", repo_type="dataset")
    api.upload_folder(repo_id="user/atari", repo_type="dataset", folder_path=folder)
    run = subprocess.run(
        [sys.executable, "-c", ON_THE_HUB, str(folder / "README.md")],
        env={**hub.environment(), "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    card = (folder / "README.md").read_text(encoding="utf-8")
    counts = [line.split() for line in run.stdout.splitlines() if line.count(" ") == 3 and "run_" in line]
    assert counts == [
        [config, split["name"], str(split["num_examples"]), str(split["num_examples"])]
        for config in config_names(card)
        for split in info_of(card, config)["splits"]
    ]


def test_the_examples_name_the_repo() -> None:
    assert 'repo = "user/atari"' in merge_card(None, PONG, repo_id="user/atari")
    assert 'repo = "path/to/this/folder"' in merge_card(None, PONG)


def run_examples(card: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for example in re.findall(r"^```python\n(.*?)^```$", card, re.DOTALL | re.MULTILINE):
        exec(example, names)
    return names


# --- Where the data came from ---------------------------------------------------------------------------


@pytest.mark.slow
def test_a_record_of_megabytes_makes_no_page_of_megabytes() -> None:
    details = {f"{place} *key*": {"nested": "<value>" * 30_000} for place in range(2_000)}
    (first, *_) = PONG
    odd = msgspec.structs.replace(first, provenance=Provenance("<origin>" * 10, details))
    assert len(merge_card(None, [odd])) < len(merge_card(None, [first])) + 1_000
    page = page_of([odd], "pong")
    assert len(page) < 300_000
    assert "and 1,960 more, which the manifests record" in page
    assert "<value>" not in page


def test_what_differs_from_the_originals_logs_is_said() -> None:
    beyond = "rewards from -3 to 5: not clipped to [-1, 1] as the original's are"
    odd = [msgspec.structs.replace(each, remarks=(beyond,)) for each in PONG[:2]]
    page = page_of([*odd, *PONG[2:]], "pong")
    said = r"differs from the original's logs:\n\n- checkpoints [0-9, ]+ \(run_1\): rewards from -3 to 5: not"
    assert re.search(said, page)
    assert "differs" not in page_of(PONG, "pong")
    many = [msgspec.structs.replace(PONG[0], remarks=tuple(f"remark {number}" for number in range(30)))]
    assert "and 10 more remarks, which the manifests record" in page_of(many, "pong")


def test_collected_data_is_never_presented_as_the_original() -> None:
    card = merge_card(None, BREAKOUT)
    assert data_of(card).pretty_name == "Newly played Atari replay logs"
    assert "dqn" not in data_of(card)["tags"]
    assert "# Newly played Atari replay logs" in head_of(card)
    assert "**This is not the original" in head_of(card)
    assert "converted" not in head_of(card)
    assert "Newly played. 2 runs, 80 steps" in section_of(card, "breakout")
    page = page_of(BREAKOUT, "breakout")
    assert "**Newly played; not from the original DQN Replay Dataset.**" in page
    assert "- policy: uniform random\n" in page
    assert "- protocol, frame_skip: 4\n" in page
    assert "- seed: 3\n" in page


def test_converted_data_without_a_record_is_not_presented_as_the_original_either() -> None:
    card = merge_card(None, PONG)
    assert data_of(card).pretty_name == "Atari replay logs in the layout of the DQN Replay Dataset"
    assert "The source carried no record of its origin" in head_of(card)
    assert "legacy ROMs of atari-py 0.2.5" in head_of(card)
    assert "The source carried no record of its origin" in page_of(PONG, "pong")
    assert "newly played" not in card.lower()


def test_a_repo_of_both_tells_which_is_which() -> None:
    card = merge_card(None, [*PONG, *BREAKOUT])
    assert data_of(card).pretty_name == "Atari replay logs, converted and newly played"
    assert "A part of this is newly played" in head_of(card)
    assert re.search(r"\| \[Breakout\]\(games/breakout/README.md\) .* \| newly played \|", head_of(card))
    assert "The steps of Pong were converted" in head_of(card)
    assert re.search(r"\| \[Pong\]\(.* \| converted, origin not recorded \|", head_of(card))


def test_the_head_follows_when_another_origin_joins() -> None:
    """Publishing only Pong, the card still knows that Breakout was newly played."""
    assert head_of(merge_card(merge_card(None, BREAKOUT), PONG)) == head_of(
        merge_card(None, [*PONG, *BREAKOUT])
    )


def test_one_game_may_have_runs_of_both_origins() -> None:
    manifests = [manifest("pong"), manifest("pong", run=2, provenance=PLAYED)]
    page = page_of(manifests, "pong")
    assert "**Newly played (run_2); not from the original" in page
    assert "Converted (run_1) from files" in page
    assert "newly played; converted, origin not recorded" in head_of(merge_card(None, manifests))


def test_another_recorded_origin_is_quoted() -> None:
    manifests = [manifest("pong", provenance=Provenance("rl-unplugged", {"version": "1.0"}))]
    page = page_of(manifests, "pong")
    assert "gives their origin as “rl-unplugged”" in page
    assert "- version: 1.0\n" in page
    assert "no record" not in page + merge_card(None, manifests)


def test_details_that_differ_name_their_runs() -> None:
    played = [Provenance(COLLECTED, {"policy": "random", "seed": seed}) for seed in (7, 8)]
    page = page_of([manifest("pong", run=run, provenance=played[run - 1]) for run in (1, 2)], "pong")
    assert "- policy: random\n- seed: 7 (run_1), 8 (run_2)\n" in page


# --- What a game's page counts --------------------------------------------------------------------------


def test_every_row_read_is_accounted_for() -> None:
    assert (
        "Of 400 rows read, 80 are transitions, 24 padding before episodes, 4 stale "
        "(the ring had never written them) and 292 repeated from the file before."
    ) in page_of(PONG, "pong")


def test_returns_have_a_row_for_each_checkpoint_and_a_column_for_each_run() -> None:
    manifests = [
        manifest("pong", 0, mean=-20.126),
        manifest("pong", 0, run=2, mean=None),
        manifest("pong", 1, partial=True, mean=1234.5),
    ]
    section = page_of(manifests, "pong")
    assert "| checkpoint | steps | episodes | complete | run_1 | run_2 |\n" in section
    assert "| 0 | 40 | 4 | 2 | -20.13 [-20.13, -20.13] | none complete |\n" in section
    assert "| 1 | 20 | 2 | 1 | 1,234.5 [1,234.5, 1,234.5], partial |  |\n" in section


def test_a_row_of_blocks_shows_how_the_returns_grow() -> None:
    """Means over the runs, from the first checkpoint to the last complete one."""
    grown = [
        manifest("pong", number, run=run, mean=2.0 * number + run) for number in (0, 1, 4) for run in (1, 2)
    ]
    assert "| ▁▃█ 1.5 → 9.5 |" in head_of(merge_card(None, [*grown, manifest("pong", 5, partial=True)]))
    assert "| −20.5 |" in head_of(merge_card(None, [manifest("pong")]))
    assert "|  |" in head_of(merge_card(None, [manifest("pong", mean=None)]))


def test_checkpoints_that_are_not_here_are_named() -> None:
    assert "not here are 1-8 (run_1)." in page_of(PONG, "pong")
    assert "not here" not in page_of(BREAKOUT, "breakout")


# --- The whole collection -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole_card() -> str:
    """The card of 60 games, 5 runs and 51 checkpoints of a million rows; a tenth of the runs has one less."""
    million = manifest("pong", episodes=99_999)
    counts = million.step_counts
    manifests = [
        replace(
            million,
            game=game.name,
            run=run,
            checkpoint=number,
            partial=number == 50,
            last_complete=number == 49,
            step_counts=counts,
            returns=ReturnSummary(number * 31.4 + place, -20.0, 4000.0),
            shards=(replace(million.shards[0], path=where.shard(0, 1), size=60_000_000 + 97 * place),),
            episodes_table=replace(million.episodes_table, path=where.episodes_table),
        )
        for place, game in enumerate(GAMES)
        for run in range(1, 6)
        for number in range(50 if (7 * place + run) % 10 == 0 else 51)
        for where in [CheckpointId(game, run, number)]
    ]
    return merge_card(None, manifests, repo_id="user/atari-dqn-replay")


@pytest.fixture(scope="module")
def its_configs(whole_card: str) -> list[str]:
    return config_names(whole_card)


@pytest.mark.slow
def test_the_card_of_the_whole_collection_is_small(whole_card: str, its_configs: list[str]) -> None:
    assert len(whole_card.encode()) < 200_000
    assert len(its_configs) == 300


@pytest.mark.slow
def test_its_table_links_the_page_of_each_game(whole_card: str) -> None:
    links = re.findall(r"\(games/([a-z-]+)/README.md\)", whole_card)
    assert links == sorted(game.slug for game in GAMES)


@pytest.mark.slow
def test_its_first_hundred_configs_hold_all_the_data(its_configs: list[str]) -> None:
    """The Hub's Croissant metadata shows no more."""
    assert {f"{game.slug}-full" for game in GAMES} <= {*its_configs[:100]}


@pytest.mark.slow
def test_no_anchor_of_its_yaml_is_used_a_hundred_times(whole_card: str) -> None:
    """The YAML package of npm takes that for an attack."""
    uses = Counter(re.findall(r": [&*](\w+)$", whole_card, re.MULTILINE))
    assert uses and max(uses.values()) < 100


# --- Merging --------------------------------------------------------------------------------------------


def test_a_second_game_loses_nothing() -> None:
    before = merge_card(None, PONG)
    after = merge_card(before, BREAKOUT)
    assert section_of(after, "pong") == section_of(before, "pong")
    for config in config_names(before):
        assert info_of(after, config) == info_of(before, config)


def test_the_columns_are_described_for_all_games_in_whatever_order_they_came() -> None:
    """A dataset of a world alone says nothing of replay logs; with a game of Atari it must."""
    world = [replace(manifest("crafter", 1, provenance=PLAYED), capacity=0, frames="rgb64")]
    logged = [replace(each, row_counts=replace(each.row_counts, final_observations=2)) for each in BREAKOUT]
    at_once = merge_card(None, [*world, *PONG, *logged])
    assert merge_card(merge_card(merge_card(None, world), PONG), logged) == at_once
    assert merge_card(merge_card(merge_card(None, logged), PONG), world) == at_once
    assert "Order of play" in at_once and "64×64, RGB or 84×84, grey" in at_once
    assert remove_game(merge_card(merge_card(None, world), PONG), find_game("pong")) == merge_card(
        None, world
    )
    edited = merge_card(None, world).replace("the frame before the action", "what the player sees")
    assert "what the player sees" in merge_card(edited, PONG)


def test_publishing_a_game_again_replaces_what_was_said_of_it() -> None:
    before = merge_card(None, [*PONG, *BREAKOUT])
    after = merge_card(before, [manifest("pong", 0, episodes=5)])
    assert [name for name in config_names(after) if name.startswith("pong")] == [
        "pong-full",
        "pong-mixed",
        "pong-expert",
        "pong-episodes",
    ]
    assert info_of(after, "pong-full")["splits"][0]["num_examples"] == 50
    assert section_of(after, "breakout") == section_of(before, "breakout")


games = st.lists(
    st.sampled_from(["alien", "breakout", "ms-pacman", "pong", "zaxxon"]), unique=True, min_size=1
)
provenances = st.sampled_from([Provenance(), PLAYED, Provenance("elsewhere")])


@st.composite
def publications(draw: st.DrawFn) -> list[list[Manifest]]:
    """Some games, each with some checkpoints, in the order in which they are published."""
    places = st.tuples(st.integers(1, 3), st.integers(0, 12))
    return [
        [
            manifest(game, checkpoint, run=run, provenance=draw(provenances), partial=checkpoint == 12)
            for run, checkpoint in draw(st.lists(places, unique=True, min_size=1, max_size=4))
        ]
        for game in draw(games)
    ]


def publish(publications: Sequence[Sequence[Manifest]]) -> str:
    card = None
    for manifests in publications:
        card = merge_card(card, manifests, license="mit")
    assert card is not None
    return card


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(publications(), st.randoms())
def test_the_order_of_publishing_does_not_matter(games: list[list[Manifest]], random: Any) -> None:
    at_once = merge_card(None, [each for game in games for each in game], license="mit")
    assert publish(games) == at_once
    random.shuffle(games)
    for game in games:
        random.shuffle(game)
    assert publish(games) == at_once


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(publications())
def test_publishing_twice_changes_nothing(games: list[list[Manifest]]) -> None:
    card = publish(games)
    for game in games:
        assert merge_card(card, game) == card


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(publications())
def test_removing_a_game_undoes_its_publication(games: list[list[Manifest]]) -> None:
    *others, last = games
    if others:
        assert remove_game(publish(games), last[0].find_game()) == publish(others)
    else:
        empty = remove_game(publish(games), last[0].find_game())
        assert config_names(empty) == []
        assert merge_card(empty, last) == publish(games)


# --- What people write ----------------------------------------------------------------------------------


def test_hand_edits_survive() -> None:
    card = merge_card(None, PONG)
    card = card.replace(
        "tags:\n- atari\n", "# ours\nlanguage: [en]  # none, really\ntags:\n- my-tag\n- atari\n"
    )
    card = re.sub(r"pretty_name: .*", "pretty_name: 'My Pong'", card)
    card = card.replace("## Columns\n", "## Our findings\n\nPong is *easy*.\n\n## Columns, explained\n")
    card = card.replace("## How it was made", "## How we made it") + "\n## Notes at the end\n"
    merged = merge_card(card, BREAKOUT)
    for kept in (
        "# ours\nlanguage: [en]  # none, really\ntags:\n- my-tag\n",
        "pretty_name: 'My Pong'\n",
        "## Our findings\n\nPong is *easy*.\n\n## Columns, explained\n",
        "## How we made it\n",
    ):
        assert kept in merged
    assert merged.endswith("\n<!-- /generated:game:pong -->\n\n## Notes at the end\n")
    assert "converted and newly played" in head_of(merged)


def test_a_removed_tag_stays_removed_and_a_removed_section_too() -> None:
    card = merge_card(None, PONG).replace("- replay-buffer\n", "")
    card = re.sub(r"<!-- generated:usage -->.*<!-- /generated:usage -->", "", card, flags=re.DOTALL)
    merged = merge_card(card, BREAKOUT)
    assert "replay-buffer" not in data_of(merged)["tags"]
    assert "How to load it" not in merged


def test_the_head_cannot_be_removed() -> None:
    """It says what is not the original."""
    card = re.sub(
        r"<!-- generated:head -->.*<!-- /generated:head -->", "", merge_card(None, PONG), flags=re.DOTALL
    )
    assert "A part of this is newly played" in head_of(merge_card(card, BREAKOUT))


FOREIGN = """---
license: apache-2.0
tags: [mine]
configs:
- config_name: scores
  data_files: scores.csv
dataset_info:
  features:
  - name: score
    dtype: int32
---
# My Atari things

Some text.
"""


def test_a_readme_that_is_not_ours_keeps_what_it_has() -> None:
    card = merge_card(FOREIGN, PONG)
    data = data_of(card)
    assert data.license == "apache-2.0"
    assert data["tags"][0] == "mine"
    assert "atari" in data["tags"]
    assert config_names(card)[:2] == ["scores", "pong-full"]
    assert info_of(card, "default")["features"] == [{"name": "score", "dtype": "int32"}]
    text = DatasetCard(card).text
    assert text.lstrip().startswith("# My Atari things\n\nSome text.\n")
    assert "### Pong" in text
    assert merge_card(card, PONG) == card


@pytest.mark.parametrize("existing", ["", "\n", "# Title\n", "no newline", "---\nlicense: mit\n---\n"])
def test_any_small_readme_will_do(existing: str) -> None:
    card = merge_card(existing, PONG)
    assert "pong-expert" in config_names(card)
    assert existing.removeprefix("---\nlicense: mit\n---\n").strip() in card
    assert merge_card(card, PONG) == card


def test_windows_line_ends_stay() -> None:
    card = merge_card(merge_card(None, PONG).replace("\n", "\r\n"), BREAKOUT)
    assert card.replace("\r\n", "\n") == merge_card(None, [*PONG, *BREAKOUT])
    assert card.count("\n") == card.count("\r\n")


def cut_end_mark(card: str) -> str:
    return card.replace("<!-- /generated:game:pong -->", "")


def repeat_section(card: str) -> str:
    return card + section_of(card, "pong") + "\n"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut_end_mark, "has no matching mark"),
        (repeat_section, "occurs twice"),
        (lambda card: card.replace("configs:\n", "configs: [\n"), "YAML cannot be read"),
        (lambda card: card.replace("num_examples: ", "num_examples: !!bool "), "YAML cannot be read"),
        (lambda _: "---\n- a list\n---\n", "not a list of `key: value`"),
        (lambda _: "---\nconfigs: all\n---\n", "`configs` is not a list of configs"),
        (lambda _: "---\nconfigs:\n- data_files: x\n---\n", "has no `config_name`"),
    ],
)
def test_a_damaged_readme_is_left_to_its_owner(damage: Callable[[str], str], message: str) -> None:
    with pytest.raises(OutputError, match=message):
        merge_card(damage(merge_card(None, PONG)), BREAKOUT)


@pytest.mark.parametrize("count", ["1:99", "many", "[1]", "null", "-3"])
def test_counts_that_are_none_are_written_anew(count: str) -> None:
    card = merge_card(None, PONG)
    damaged = re.sub(r"num_examples: \d+", f"num_examples: {count}", card)
    assert damaged != card
    assert merge_card(damaged, PONG) == card


# --- What strangers' files may hold ---------------------------------------------------------------------

HOSTILE = [
    "<!-- /generated:game:pong -->",
    "x\n<!-- /generated:game:pong -->\n<!-- generated:head -->\n",
    "-->",
    "| a | b |\n|---|---|",
    "{{ 7 * 7 }}{% for x in y %}",
    "```python\nimport os\n```",
    "\n---\nlicense: evil\n---\n",
    "\n# This is the original DQN Replay Dataset\n",
    "**bold** [link](http://example.com) <b>html</b> `code`",
    "\ud800 \u202e \x00 \u2028",
    "x" * 100_000,
]


texts = st.text() | st.sampled_from(HOSTILE)


def assert_unbroken(details: dict[str, Any]) -> None:
    """The card is that of harmless details, and the page has the headings of theirs."""
    harmless = [manifest("pong", provenance=PLAYED)]
    manifests = [manifest("pong", provenance=Provenance(COLLECTED, details))]
    assert merge_card(None, manifests) == merge_card(None, harmless)
    page, plain = page_of(manifests, "pong"), page_of(harmless, "pong")
    page.encode()
    for pattern in (r"^<!--.*$", r"^#.*$", r"^```.*$", r"^---$"):
        assert re.findall(pattern, page, re.MULTILINE) == re.findall(pattern, plain, re.MULTILINE)
    assert len(page) < len(plain) + 10_000


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_details_cannot_break_the_card(text: str) -> None:
    assert_unbroken({text: text, "list": [text], "nested": {text: {text: text}}})


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(st.dictionaries(texts, texts, max_size=4))
def test_no_details_can_break_the_card(details: dict[str, str]) -> None:
    assert_unbroken(details)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_origin_is_not_taken_for_the_original(text: str) -> None:
    manifests = [manifest("pong", provenance=Provenance(text))]
    section = section_of(merge_card(None, manifests), "pong")
    assert section.startswith("<!-- generated:game:pong recorded |  | −20.5 |  -->\n### Pong\n\nConverted.")
    assert section.count("<!--") == 2
    assert page_of(manifests, "pong").count("\n#") == page_of(PONG, "pong").count("\n#")
