"""From played episodes to a dataset that stock `datasets` streams, from a folder and from the Hub."""

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from atari_dqn_replay.builder.assembly.build import build, plan_build
from atari_dqn_replay.builder.card.pictures.coverage import Coverage, coverage, overlaps
from atari_dqn_replay.builder.errors import SourceError, UnknownNameError
from atari_dqn_replay.builder.format.packed_png import packed_png
from atari_dqn_replay.builder.publishing import picture_material
from atari_dqn_replay.builder.publishing.picture_material import find_material
from atari_dqn_replay.builder.publishing.publish import publish
from atari_dqn_replay.builder.repos.folder_destination import FolderDestination
from atari_dqn_replay.builder.repos.folder_reader import FolderReader
from atari_dqn_replay.builder.repos.repo_folder import read_manifests
from atari_dqn_replay.builder.sources.open import open_source
from atari_dqn_replay.builder.verification.content import check_content
from atari_dqn_replay.builder.worlds.crafter import ACTIONS, CRAFTER
from atari_dqn_replay.replay_reader.errors import DatasetError
from crafter_datasets import CRAFTER as GAME
from crafter_datasets import crafter_dataset, crafter_episodes
from dataset_folders import contents
from datasets import load_dataset
from hub_server import HubServer
from PIL import Image
from publishing import REPO, to_hub

from atari_dqn_replay import AtariDQNReplay, Episodes, Sequences, Transitions

pytestmark = pytest.mark.slow


def played() -> list[dict[str, np.ndarray]]:
    """Returns the files of the played episodes, in order."""
    paths = sorted((crafter_episodes() / "Crafter/1/episodes").glob("*.npz"))
    return [dict(np.load(path, allow_pickle=False)) for path in paths]


def test_load_dataset_streams_every_step_as_it_was_played() -> None:
    rows = list(load_dataset(str(crafter_dataset()), "crafter-full", split="run_1", streaming=True))
    files = played()
    frames = np.concatenate([file["observation"] for file in files])
    np.testing.assert_array_equal(np.stack([np.asarray(row["observation"]) for row in rows]), frames)
    states = np.concatenate([file["state"][:-1] for file in files])
    for place, name in enumerate(CRAFTER.state_columns):
        assert [row[name] for row in rows] == states[:, place].tolist()
    assert [row["action"] for row in rows] == np.concatenate([file["action"] for file in files]).tolist()


def test_the_episodes_have_their_maps_and_last_states() -> None:
    episodes = load_dataset(str(crafter_dataset()), "crafter-episodes", split="run_1", streaming=True)
    files = played()
    for row, file in zip(episodes, files, strict=True):
        np.testing.assert_array_equal(np.asarray(row["final_observation"]), file["final_observation"])
        assert [row[name] for name in CRAFTER.state_columns] == file["state"][-1].tolist()
        assert [row["environment"], row["world_seed"], row["world_episode"]] == file["origin"].tolist()
        assert np.asarray(row["terrain"]).shape == (64, 64)
        picture = np.asarray(Image.open(io.BytesIO(file["map"].tobytes())))
        np.testing.assert_array_equal(np.asarray(row["map"]), picture)
        assert row["map"].size == (1024, 1024)


def test_actions_have_names_and_there_are_two_configs() -> None:
    features = load_dataset(str(crafter_dataset()), "crafter-full", split="run_1", streaming=True).features
    assert features is not None
    assert features["action"].names == list(ACTIONS)
    with pytest.raises(UnknownNameError, match="Crafter has crafter-full and crafter-episodes"):
        AtariDQNReplay("crafter-expert", source=str(crafter_episodes()))


def test_the_readers_have_frames_in_colour_and_the_state() -> None:
    first = next(iter(Episodes(str(crafter_dataset()), "crafter-full", split="run_1")))
    file = played()[0]
    np.testing.assert_array_equal(first["observation"], file["observation"])
    np.testing.assert_array_equal(first["inventory_health"], file["state"][:-1, 2])
    segments = next(iter(Sequences(str(crafter_dataset()), "crafter-full", split="run_1", length=16)))
    assert segments["observation"].shape == (32, 16, 64, 64, 3)
    dataset = str(crafter_dataset())
    in_order = Sequences(
        dataset, "crafter-full", split="run_1", length=100, shuffle=False, columns=["player_x"]
    )
    with_state = next(iter(in_order))
    length = len(file["action"])
    assert with_state["player_x"][0, :length].tolist() == file["state"][:-1, 0].tolist()
    assert not with_state["player_x"][0, length:].any() and with_state["mask"][0].sum() == length
    with pytest.raises(DatasetError, match=r"columns='mana': .* has no such column; others are player_x"):
        Sequences(dataset, "crafter-full", split="run_1", length=16, columns=["mana"])
    batch = next(iter(Transitions(str(crafter_dataset()), "crafter-full", split="run_1", frame_stack=1)))
    assert batch["observation"].shape[-3:] == (64, 64, 3)


def test_a_dataset_built_from_the_dataset_is_the_same_to_the_byte(tmp_path: Path) -> None:
    source = open_source(str(crafter_dataset()))
    build(plan_build(source, [GAME], tmp_path), tmp_path)
    assert contents(tmp_path) == contents(crafter_dataset())


def test_verify_finds_a_map_that_has_changed(tmp_path: Path) -> None:
    source = open_source(str(crafter_episodes()))
    build(plan_build(source, [GAME], tmp_path), tmp_path)
    (manifest,) = read_manifests(tmp_path, GAME)
    path = tmp_path / manifest.episodes_table.path
    table = pq.read_table(path)
    maps = table["map"].to_pylist()
    maps[0]["bytes"] = maps[0]["bytes"][:-30]
    field = table.schema.field("map")
    place = table.schema.get_field_index("map")
    pq.write_table(table.set_column(place, field, pa.array(maps, field.type)), path)
    repo = FolderReader(tmp_path)
    found = [str(each) for each in check_content(repo, manifest, repo.files())]
    assert any("map: an image ends within a chunk" in each for each in found)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:1000]), "not an .npz file that can be read"),
        (lambda path: path.rename(path.with_name("000007-0003.npz")), "holds episode 0 of environment 0"),
        (lambda path: (path.parent / "provenance.json").unlink(), "provenance.json: cannot be read"),
    ],
)
def test_damaged_episodes_are_named(tmp_path: Path, damage: Callable[[Path], object], message: str) -> None:
    folder = tmp_path / "Crafter/1/episodes"
    folder.mkdir(parents=True)
    for name in ("provenance.json", "000000-0000.npz"):
        (folder / name).write_bytes((crafter_episodes() / "Crafter/1/episodes" / name).read_bytes())
    damage(folder / "000000-0000.npz")
    with pytest.raises(SourceError, match=message) as caught:
        list(open_source(str(tmp_path)).open_run(GAME, 1).reader().checkpoint(1).episodes())
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "map",
            lambda _: np.zeros(50, np.uint8),
            "'map' is no picture of a map .it does not begin as a PNG does",
        ),
        (
            "map",
            lambda _: np.frombuffer(packed_png(np.zeros((1, 65_000), np.uint8)), np.uint8),
            "'map' is no picture of a map .it has 65,000×1 pixels for 64×64 fields",
        ),
        ("state", lambda state: np.full_like(state, -1), "player_x is -1 to -1, expected 0 to 63"),
    ],
)
def test_what_is_not_on_a_map_is_refused(
    tmp_path: Path, name: str, change: Callable[[np.ndarray], np.ndarray], message: str
) -> None:
    folder = tmp_path / "Crafter/1/episodes"
    folder.mkdir(parents=True)
    shutil.copy(crafter_episodes() / "Crafter/1/episodes/provenance.json", folder)
    file = played()[0]
    np.savez(folder / "000000-0000.npz", allow_pickle=False, **file | {name: change(file[name])})
    with pytest.raises(SourceError, match=message):
        list(open_source(str(tmp_path)).open_run(GAME, 1).reader().checkpoint(1).episodes())


def test_pictures_show_no_player_outside_the_map() -> None:
    table = pa.table({"player_x": [3, -1], "player_y": [0, 63]})
    with pytest.raises(ValueError, match="a player is outside the map of 64×64 fields"):
        picture_material._places_in(table, CRAFTER.fields)


def test_paths_are_of_the_world_most_common_in_their_shard() -> None:
    worlds = [("b", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 0), ("a", 2)]
    rows = [{"world_seed": 7, "world_episode": world, "file": file} for file, world in worlds]
    assert picture_material._find_one_world(rows, "a") == [2, 5]


def test_missing_episodes_are_counted_and_three_of_them_named(tmp_path: Path) -> None:
    folder = tmp_path / "Crafter/1/episodes"
    folder.mkdir(parents=True)
    shutil.copy(crafter_episodes() / "Crafter/1/episodes/provenance.json", folder)
    (folder / "000002-0007.npz").touch()
    found = open_source(str(tmp_path)).open_run(GAME, 1).remarks()
    assert found == ["no episode 000000-0007.npz, 000001-0007.npz"]
    (folder / "999999-0003.npz").touch()
    found = open_source(str(tmp_path)).open_run(GAME, 1).remarks()
    assert found == ["no episode 000000-0003.npz, 000000-0007.npz, 000001-0003.npz and 999,998 more"]


LOAD = """
import gc, json, sys
from datasets import load_dataset
rows = load_dataset(sys.argv[1], "crafter-full", split="run_1", streaming=True)
print(json.dumps([[row["player_x"], row["step"], row["observation"].mode] for row in rows]))
del rows
gc.collect()
"""


def test_it_streams_from_the_hub(hub: HubServer, tmp_path: Path) -> None:
    publish(crafter_dataset(), to_hub(hub))
    environment = {**os.environ, **hub.environment(), "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", LOAD, REPO], env=environment, capture_output=True, text=True, check=True
    )
    rows = json.loads(done.stdout)
    states = np.concatenate([file["state"][:-1, 0] for file in played()])
    assert [row[0] for row in rows] == states.tolist()
    assert {row[2] for row in rows} == {"RGB"}


def test_the_card_claims_nothing_of_atari() -> None:
    card = (crafter_dataset() / "README.md").read_text()
    page = (crafter_dataset() / "games/crafter/README.md").read_text()
    metadata, text = card.split("---\n")[1:3]
    assert "atari" not in metadata.lower()
    assert "# Crafter, newly played" in text
    for word in ("Atari replay", "ALE", "DQN Replay Dataset", "sticky", "84×84", "27,000"):
        assert word not in text + page
    assert "| `inventory_wood` | int8 | int8 |" in page
    assert "| `map` |  | image |" in page


def test_the_picture_of_coverage_shows_the_episodes_of_one_map() -> None:
    dataset = crafter_dataset()
    snapshot = FolderDestination(dataset).snapshot([GAME])
    shown = find_material(GAME, read_manifests(dataset, GAME), snapshot).coverage
    assert shown is not None
    files = played()
    together = [file for file in files if file["origin"][2] == 0]  # both players' first episodes
    assert len(shown.paths) == len(together) == 2
    for path, file in zip(shown.paths, together, strict=True):
        np.testing.assert_array_equal(path, file["state"][:-1, :2])
    assert shown.visits.sum() == sum(len(file["action"]) for file in files)
    np.testing.assert_array_equal(shown.map, np.asarray(Image.open(io.BytesIO(together[0]["map"].tobytes()))))
    picture = Image.open(io.BytesIO(coverage(shown)))
    assert (picture.format, picture.size) == ("WEBP", (880, 320))


def test_overlap_is_what_both_saw_of_what_either_saw() -> None:
    still, moved = np.array([[10, 10]]), np.array([[10, 10], [19, 10]])
    shown = Coverage(np.zeros((1, 1, 3), np.uint8), [still, moved], np.zeros((64, 64), np.int64), (4, 3))
    np.testing.assert_array_equal(overlaps(shown), [[1, 0.5], [0.5, 1]])
