"""The config `preview`: a few short episodes of each game, which follow from the published data alone."""

import json
import shutil
import signal
import threading
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from atari_dqn_replay.builder.assembly.build import build, plan_build
from atari_dqn_replay.builder.errors import OutputError, UnknownNameError
from atari_dqn_replay.builder.format.games import Game, find_game
from atari_dqn_replay.builder.publishing.beside_data import update_beside_data
from atari_dqn_replay.builder.publishing.editing import remove_games, render_cards
from atari_dqn_replay.builder.publishing.preview import wanted_previews
from atari_dqn_replay.builder.publishing.publish import publish
from atari_dqn_replay.builder.repos.folder_destination import FolderDestination, FolderSnapshot
from atari_dqn_replay.builder.repos.folder_reader import FolderReader
from atari_dqn_replay.builder.repos.repo_reader import UnreadableFileError
from atari_dqn_replay.builder.shards.preview import choose_episodes
from atari_dqn_replay.builder.shards.writer import write_shard
from atari_dqn_replay.builder.sources.open import open_source
from atari_dqn_replay.builder.verification.verify import verify
from crafting import edit_card
from dataset_folders import build_dataset, contents, manifests
from datasets import load_dataset
from forks import forked, killed_at
from hub_server import HubServer, Request, Response, refusal, running_hub
from logs import write_log
from publishing import commits, held, is_commit, to_hub
from waiting import PATIENCE

from atari_dqn_replay import Transitions

PONG, BREAKOUT = find_game("pong"), find_game("breakout")
FILE, RECORD = "games/pong/preview.parquet", "games/pong/preview.json"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of Pong, of checkpoints with several episodes, and Breakout; not to be changed."""
    logs = tmp_path_factory.mktemp("logs")
    write_log(logs, (40, 25, 30, 70, 33, 28, 50, 30), capacity=100)
    write_log(logs, (20, 35, 60, 45, 31, 62, 29, 30), capacity=100, run=2, seed=1)
    write_log(logs, (50, 20, 40), capacity=100, game="Breakout")
    folder, source = tmp_path_factory.mktemp("built") / "dataset", open_source(str(logs))
    build(plan_build(source, source.games(), folder), folder, preview=3)
    return folder


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    """A copy, to be changed."""
    return Path(shutil.copytree(built, tmp_path / "published"))


@pytest.fixture(scope="module")
def pong(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of three checkpoints of one episode; not to be changed."""
    folder = tmp_path_factory.mktemp("built") / "pong"
    return build_dataset(folder, runs=(1, 2), checkpoints=(0, 1, 2), shards=1)


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some of its checkpoints."""
    return build_dataset(tmp_path_factory.mktemp("built") / "part", runs=(2,), checkpoints=(1,), shards=1)


def loaded(folder: Path, cache: Path) -> Any:
    """What `load_dataset` loads if no config is named."""
    return load_dataset(str(folder), split="train", cache_dir=str(cache))


def chosen(folder: Path, game: str = "pong") -> list[tuple[int, int, int, int]]:
    record = json.loads((folder / f"games/{game}/preview.json").read_text())
    return [
        tuple(each[key] for key in ("run", "checkpoint", "episode", "length")) for each in record["episodes"]
    ]


def test_its_rows_are_those_of_the_full_config(built: Path, tmp_path: Path) -> None:
    preview = loaded(built, tmp_path)
    names = preview.features["action"].names
    assert set(preview["game"]) == {"Breakout", "Pong"}
    for game in (BREAKOUT, PONG):
        full: Any = load_dataset(str(built), f"{game.slug}-full", cache_dir=str(tmp_path))
        rows = preview.filter(lambda name, game=game: name == game.name, input_columns="game")
        place = 0
        for run, checkpoint, episode, length in chosen(built, game.slug):
            steps: Any = full[f"run_{run}"].filter(
                lambda *found, key=(checkpoint, episode): found == key,
                input_columns=["checkpoint", "episode"],
            )
            assert len(steps) == length and steps[-1]["terminated"]
            for copy, step in zip(rows.select(range(place, place + length)), steps, strict=True):
                assert names[copy.pop("action")] == game.actions[step.pop("action")]
                assert (copy.pop("game"), copy.pop("run")) == (game.name, run)
                assert (np.asarray(copy.pop("observation")) == np.asarray(step.pop("observation"))).all()
                assert copy == step
            place += length
        assert place == len(rows)


def test_the_shortest_complete_episodes_of_evenly_spaced_checkpoints_are_chosen(built: Path) -> None:
    tables = [pq.read_table(path) for path in sorted((built / "episodes/pong").rglob("*.parquet"))]
    complete = [row for table in tables for row in table.to_pylist() if row["complete"]]
    numbers = sorted({row["checkpoint"] for row in complete})

    def choose(count: int, **bound: int) -> list[tuple[int, int, int]]:
        of_pong = [each for each in manifests(built) if each.game == "Pong"]
        found = choose_episodes(of_pong, count, lambda path: pq.ParquetFile(built / path), **bound)
        return [(each.checkpoint, each.length, each.run) for each in found]

    def shortest(number: int) -> tuple[int, int, int]:
        return min((number, row["length"], row["run"]) for row in complete if row["checkpoint"] == number)

    assert numbers == [0, 1, 2, 3]
    assert choose(1) == [shortest(2)]
    assert choose(2) == [shortest(0), shortest(3)]
    assert choose(4) == [*map(shortest, numbers)]
    assert [number for number, _, _ in choose(5)] == [0, 0, 1, 2, 3]
    assert len(choose(100)) == len(complete)
    # Of too many steps, the longest episodes are left out.
    lengths = sorted(row["length"] for row in complete)
    assert sorted(length for _, length, _ in choose(100, most_steps=sum(lengths[:4]))) == lengths[:4]
    assert choose(100, most_steps=sum(lengths)) == choose(100)
    assert choose(4, most_steps=lengths[0] - 1) == []


def test_the_viewer_shows_it_first(built: Path) -> None:
    card = (built / "README.md").read_text()
    assert "configs:\n- config_name: preview\n  default: true\n" in card
    assert 'load_dataset("path/to/this/folder", "preview", split="train")' in card


def test_a_built_dataset_with_one_is_right(built: Path) -> None:
    verification = verify(FolderReader(built))
    assert (verification.differences, verification.notes) == ([], [])


def test_the_order_of_publications_does_not_show(pong: Path, part: Path, tmp_path: Path) -> None:
    at_once, step_by_step = (FolderDestination(tmp_path / name) for name in ("at_once", "step_by_step"))
    publish(pong, at_once, preview=2)
    publish(part, step_by_step, preview=2)
    assert chosen(step_by_step.folder) == [(2, 1, 0, 24)]
    publish(pong, step_by_step)
    assert chosen(step_by_step.folder) == [(1, 0, 0, 24), (1, 2, 0, 24)]
    assert contents(at_once.folder) == contents(step_by_step.folder)
    assert publish(pong, at_once).nothing_to_do
    assert publish(pong, at_once, preview=2).nothing_to_do
    assert render_cards(at_once).nothing_to_do


def test_another_number_replaces_it_and_0_removes_it(pong: Path, tmp_path: Path) -> None:
    plain, changed = (FolderDestination(tmp_path / name) for name in ("plain", "changed"))
    publish(pong, plain)
    for count in (1, 3):
        publish(pong, changed, preview=count)
        assert len(chosen(changed.folder)) == count
        assert len(loaded(changed.folder, tmp_path / f"cache{count}")) == 24 * count
    assert publish(pong, changed, preview=0).deleted == [FILE, RECORD]
    assert contents(changed.folder) == contents(plain.folder)


def test_games_come_and_go(pong: Path, tmp_path: Path) -> None:
    breakout = build_dataset(tmp_path / "breakout", "breakout", shards=1)
    first, second = (FolderDestination(tmp_path / name) for name in ("first", "second"))
    publish(pong, first, preview=2)
    publish(breakout, first, preview=1)
    publish(breakout, second, preview=1)
    publish(pong, second, preview=2)
    before = contents(first.folder)
    assert before == contents(second.folder)
    assert len(loaded(first.folder, tmp_path / "both")) == 3 * 24
    remove_games([BREAKOUT], first)
    assert set(loaded(first.folder, tmp_path / "pong")["game"]) == {"Pong"}
    remove_games([PONG], first, runs=[1])
    assert chosen(first.folder) == [(2, 0, 0, 24), (2, 2, 0, 24)]
    remove_games([PONG], first)
    assert set(contents(first.folder)) == {"README.md"}


def test_the_hub_gets_what_was_built(built: Path, hub: HubServer) -> None:
    publish(built, to_hub(hub))
    there, here = held(hub), contents(built)
    for path in (FILE, RECORD, "games/breakout/preview.parquet"):
        assert there[path] == here[path]
    assert b"- config_name: preview\n  default: true" in there["README.md"]
    assert publish(built, to_hub(hub)).nothing_to_do


def test_a_dry_run_says_what_it_would_show(pong: Path, tmp_path: Path) -> None:
    destination = FolderDestination(tmp_path / "published")
    would = str(publish(pong, destination, preview=3, dry_run=True))
    assert would.endswith("would then show up to 3 short episodes of pong in the config preview")
    assert not destination.folder.exists()


@pytest.mark.slow
@pytest.mark.parametrize("n", range(1, 10, 2))
def test_a_kill_leaves_a_config_that_loads(n: int, pong: Path, tmp_path: Path) -> None:
    """The data and a preview of other episodes are there; what is written are the preview and the card."""
    folder = tmp_path / "published"
    publish(pong, FolderDestination(tmp_path / "expected"), preview=2)
    publish(pong, FolderDestination(folder), preview=3)
    killed_at(n, lambda: publish(pong, FolderDestination(folder), preview=2))
    if b"config_name: preview" in (folder / "README.md").read_bytes():
        assert len(loaded(folder, tmp_path / "cache")) in (48, 72)
    publish(pong, FolderDestination(folder), preview=2)
    assert contents(folder) == contents(tmp_path / "expected")


class MendedMeanwhile(FolderDestination):
    """A folder in which someone puts damaged shards right while a publication writes there."""

    def snapshot(self, games: Collection[Game]) -> FolderSnapshot:
        shards, backup = self.folder / "data/pong", self.folder.parent / "shards"
        if backup.exists():
            shutil.rmtree(shards)
            backup.rename(shards)
            return super().snapshot(games)
        shutil.copytree(shards, backup)
        for shard in shards.rglob("*.parquet"):
            shard.write_bytes(b"damaged")
        before = super().snapshot(games)
        edit_card(self.folder, "---\n", "---\n# changed\n")
        return before


def test_a_failure_that_someone_mends_meanwhile_is_forgotten(folder: Path) -> None:
    update_beside_data(MendedMeanwhile(folder), [PONG, BREAKOUT], previews={PONG: 1, BREAKOUT: 1})
    assert len(chosen(folder)) == len(chosen(folder, "breakout")) == 1


# When the client is killed: the kind of request, the commits before it, and whether the Hub carries it out.
MOMENTS: dict[str, tuple[Callable[[Request], bool], int, bool]] = {
    "between the data and the preview": (is_commit, 0, True),
    "as the preview goes up": (lambda request: request.method == "PUT", 1, False),
    "before the Hub answers its commit": (is_commit, 1, True),
}


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_on_the_way_to_the_hub_does_not_show(moment: str, pong: Path, hub: HubServer) -> None:
    with running_hub() as undisturbed:
        publish(pong, to_hub(undisturbed), preview=3)
        expected = held(undisturbed)
    is_kind, before, carried_out = MOMENTS[moment]
    killed = threading.Event()

    def kill(request: Request) -> Response | None:
        if killed.is_set() or not is_kind(request) or commits(hub) != before:
            return None
        killed.set()
        response = hub.handle(request, None) if carried_out else refusal(503, "the client is gone")
        process.kill()
        return response

    hub.fault = kill
    process = forked(lambda: publish(pong, to_hub(hub), preview=3))
    process.join(PATIENCE)
    assert process.exitcode == -signal.SIGKILL
    assert commits(hub) == before + carried_out
    assert (b"config_name: preview" in held(hub)["README.md"]) == (commits(hub) == 2)
    publish(pong, to_hub(hub), preview=3)
    assert held(hub) == expected


def test_a_config_that_people_have_named_so_is_never_replaced(pong: Path, tmp_path: Path) -> None:
    destination = FolderDestination(tmp_path / "published")
    publish(pong, destination)
    own = "configs:\n- config_name: preview\n  data_files: more.csv\n"
    edit_card(destination.folder, "configs:\n", own)
    with pytest.raises(
        OutputError, match=r"has a config 'preview' that people have written.*rename it first"
    ):
        publish(pong, destination, preview=2)
    assert "data_files: more.csv" in (destination.folder / "README.md").read_text()
    assert not (destination.folder / FILE).exists()


def test_a_default_that_people_have_chosen_stays(pong: Path, tmp_path: Path) -> None:
    destination = FolderDestination(tmp_path / "published")
    publish(pong, destination)
    edit_card(
        destination.folder,
        "configs:\n",
        "configs:\n- config_name: mine\n  default: true\n  data_files: more.csv\n",
    )
    publish(pong, destination, preview=2)
    card = (destination.folder / "README.md").read_text()
    assert card.count("default: true") == 1
    assert card.index("config_name: preview") < card.index("config_name: mine")


def test_training_on_it_is_refused_with_what_to_do(built: Path) -> None:
    with pytest.raises(
        UnknownNameError, match=r"is for looking at.*load_dataset, or name a game's own config"
    ):
        Transitions(str(built), "preview", split="train")


def test_a_world_beyond_atari_has_none() -> None:
    crafter = find_game("crafter")
    assert wanted_previews([crafter, PONG], 3) == {PONG: 3}
    with pytest.raises(OutputError, match=r"^Crafter: has no preview, since its actions are not ALE's"):
        wanted_previews([crafter], 3)


def test_a_table_cannot_name_files_outside_of_the_dataset(folder: Path) -> None:
    of_pong = [each for each in manifests(folder) if each.game == "Pong"]
    path = folder / of_pong[0].episodes_table.path
    table = pq.read_table(path)
    place = table.schema.get_field_index("file")
    pq.write_table(table.set_column(place, "file", pa.array(["../other.parquet"] * len(table))), path)
    (folder.parent / "other.parquet").write_bytes(b"")
    with pytest.raises(ValueError, match=r"found the file '../other.parquet', expected data/pong/"):
        choose_episodes(of_pong, 3, lambda path: pq.ParquetFile(folder / path))
    for path in ("../other.parquet", str(folder.parent / "other.parquet")):
        with pytest.raises(UnreadableFileError, match="leads out of the folder"):
            FolderReader(folder).fetch(path).__enter__()


# What `verify` says of one that is wrong.


def rewrite(folder: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change the preview's rows, and let its record and the card vouch for them."""
    table = change(pq.read_table(folder / FILE))
    write_shard(folder / FILE, [table], table.schema)
    vouch(
        folder, lambda record: record["file"] | {"size": (folder / FILE).stat().st_size, "rows": len(table)}
    )


def vouch(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    import hashlib

    record = json.loads((folder / RECORD).read_text())
    record["file"] = change(record) | {"sha256": hashlib.sha256((folder / FILE).read_bytes()).hexdigest()}
    (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n")


def with_reward(table: pa.Table) -> pa.Table:
    rewards = table["reward"].to_numpy().copy()
    rewards[3] += 1
    return table.set_column(4, table.field(4), pa.array(rewards))


def choose_others(folder: Path) -> None:
    record = json.loads((folder / RECORD).read_text())
    first = record["episodes"][0]
    first["episode"], first["first_row"] = first["episode"] + 1, first["first_row"] + 1
    (folder / RECORD).write_text(json.dumps(record))


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "a value": (lambda folder: rewrite(folder, with_reward), "its row group 0 is not a copy of the steps"),
    "a byte": (
        lambda folder: (folder / FILE).write_bytes((folder / FILE).read_bytes()[:-9] + bytes(9)),
        "found SHA-256",
    ),
    "the file": (lambda folder: (folder / FILE).unlink(), f"{FILE}: missing, though {RECORD} names it"),
    "the record": (lambda folder: (folder / RECORD).unlink(), "found a preview without its record"),
    "other episodes": (choose_others, "its record names other episodes than the 3"),
    "not JSON": (lambda folder: (folder / RECORD).write_text("{"), f"{RECORD}: not a record of a preview"),
    "the config": (
        lambda folder: edit_card(folder, "- config_name: preview\n  default: true", "- config_name: look"),
        "README.md (preview): found no such config",
    ),
    "its files": (
        lambda folder: edit_card(folder, "    - games/breakout/preview.parquet\n", ""),
        "split train does not show games/breakout/preview.parquet",
    ),
    "other data": (
        lambda folder: remove_data(folder),
        f"{RECORD}: was made of other data than is here; write the preview of pong anew",
    ),
}


def remove_data(folder: Path) -> None:
    for path in folder.glob("*/pong/run_2/checkpoint_02*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("what", BROKEN)
def test_verify_finds_it(what: str, folder: Path) -> None:
    before = contents(folder)
    spoil, said = BROKEN[what]
    spoil(folder)
    found = [str(difference) for difference in verify(FolderReader(folder)).differences]
    assert any(said in each for each in found), found
    # And what it advises mends it.
    destination = FolderDestination(folder)
    if "with --preview" in " ".join(found):
        render_cards(destination, previews={PONG: 3})
    else:
        render_cards(destination)
    assert verify(FolderReader(folder)).ok or what == "the config"
    if what not in ("the config", "other data"):
        assert contents(folder) == before
