"""The pictures of a published game: they follow from its data, and the card names those that are there."""

import io
from pathlib import Path

import numpy as np
import pytest
from atari_dqn_replay.builder.card.pictures.draw import draw
from atari_dqn_replay.builder.errors import OutputError
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.publishing import picture_material
from atari_dqn_replay.builder.publishing.editing import remove_games, render_cards
from atari_dqn_replay.builder.publishing.picture_material import find_material
from atari_dqn_replay.builder.publishing.publish import publish
from atari_dqn_replay.builder.repos.folder_destination import FolderDestination
from dataset_folders import Contents, build_dataset, contents, frames_of, manifests
from forks import killed_at
from hub_server import HubServer
from PIL import Image
from publishing import held, to_hub

PONG = find_game("pong")
PICTURES = [f"games/pong/{name}.webp" for name in ("best_episode", "contact_sheet", "learning")]


@pytest.fixture(autouse=True)
def roomy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let small datasets have pictures."""
    monkeypatch.setattr(picture_material, "SHARE", 100.0)


@pytest.fixture(scope="module")
def pong(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of three checkpoints; not to be changed."""
    folder = tmp_path_factory.mktemp("built") / "pong"
    return build_dataset(folder, runs=(1, 2), checkpoints=(0, 1, 2), shards=1)


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some of its checkpoints."""
    return build_dataset(tmp_path_factory.mktemp("built") / "part", runs=(2,), checkpoints=(1,), shards=1)


def pictures_in(files: Contents) -> list[str]:
    return sorted(path for path in files if path.endswith(".webp"))


def named_in(files: Contents) -> list[str]:
    """The pictures that the card and the game's page show."""
    card, page = files["README.md"].decode(), files.get("games/pong/README.md", b"").decode()
    return [path for path in PICTURES if path in card and f"({path.rpartition('/')[2]})" in page]


@pytest.mark.slow
def test_a_published_game_has_pictures(pong: Path, tmp_path: Path) -> None:
    publish(pong, FolderDestination(tmp_path / "published"))
    files = contents(tmp_path / "published")
    assert pictures_in(files) == named_in(files) == PICTURES
    episode = Image.open(io.BytesIO(files[PICTURES[0]]))
    assert getattr(episode, "n_frames", 0) > 1
    assert "![Pong: moments of play from the first to the last checkpoint]" in files["README.md"].decode()


@pytest.mark.slow
def test_the_order_of_publications_does_not_show(pong: Path, part: Path, tmp_path: Path) -> None:
    at_once, step_by_step = (FolderDestination(tmp_path / name) for name in ("at_once", "step_by_step"))
    publish(pong, at_once)
    publish(part, step_by_step)
    publish(pong, step_by_step)
    assert contents(at_once.folder) == contents(step_by_step.folder)
    assert publish(pong, at_once).nothing_to_do
    assert render_cards(at_once).nothing_to_do


@pytest.mark.slow
def test_the_hub_gets_the_same(pong: Path, tmp_path: Path, hub: HubServer) -> None:
    publish(pong, to_hub(hub))
    publish(pong, FolderDestination(tmp_path / "published"))
    there, here = held(hub), contents(tmp_path / "published")
    assert [there[path] for path in PICTURES] == [here[path] for path in PICTURES]


def test_they_go_with_the_game(pong: Path, tmp_path: Path) -> None:
    destination = FolderDestination(tmp_path / "published")
    publish(pong, destination)
    before = contents(destination.folder)
    remove_games([PONG], destination, runs=[2])
    after = contents(destination.folder)
    assert pictures_in(after) == named_in(after)
    assert after["games/pong/learning.webp"] != before["games/pong/learning.webp"]
    remove_games([PONG], destination)
    assert set(contents(destination.folder)) == {"README.md"}


def test_a_lost_picture_comes_back(pong: Path, tmp_path: Path) -> None:
    destination = FolderDestination(tmp_path / "published")
    publish(pong, destination)
    before = contents(destination.folder)
    (destination.folder / PICTURES[1]).unlink()
    publish(pong, destination)
    assert contents(destination.folder) == before


@pytest.mark.slow
@pytest.mark.parametrize("n", [2, 4, 6, 8])
def test_a_kill_leaves_no_card_that_names_what_is_not_there(n: int, pong: Path, tmp_path: Path) -> None:
    """The data is there already; what is written are the pictures, the page and the card."""
    folder = tmp_path / "published"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(picture_material, "SHARE", 0.0)
        publish(pong, FolderDestination(folder))
    killed_at(n, lambda: publish(pong, FolderDestination(folder)))
    files = contents(folder)
    assert set(named_in(files)) <= set(files)
    publish(pong, FolderDestination(folder))
    assert named_in(contents(folder)) == PICTURES


@pytest.mark.slow
def test_a_game_that_cannot_be_read_keeps_no_other_from_having_pictures(pong: Path, tmp_path: Path) -> None:
    destination = FolderDestination(tmp_path / "published")
    publish(pong, destination)
    publish(build_dataset(tmp_path / "breakout", "breakout", checkpoints=(0,), shards=1), destination)
    (shard,) = (destination.folder / "data/breakout/run_1/checkpoint_00").glob("*.parquet")
    shard.write_bytes(b"damaged")
    (destination.folder / PICTURES[0]).unlink()
    with pytest.raises(OutputError, match=r"Breakout: its pictures cannot be drawn.*verify the dataset"):
        render_cards(destination)
    assert set(PICTURES) <= set(contents(destination.folder))


def test_a_small_dataset_has_none(pong: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_material, "SHARE", 0.01)
    publish(pong, FolderDestination(tmp_path / "published"))
    files = contents(tmp_path / "published")
    assert pictures_in(files) == []
    assert ".webp" not in files["README.md"].decode()


@pytest.mark.slow
def test_they_never_take_more_than_their_share(pong: Path) -> None:
    material = find_material(PONG, manifests(pong), FolderDestination(pong).snapshot([PONG]))
    for most_bytes in (1_000, 12_000, 25_000, 10**6):
        assert sum(map(len, draw(material, most_bytes).values())) <= most_bytes
    assert [*draw(material, 10**6)] == ["learning", "contact_sheet", "best_episode"]


def test_they_show_the_frames_of_the_data(pong: Path) -> None:
    material = find_material(PONG, manifests(pong), FolderDestination(pong).snapshot([PONG]))
    best = max(manifests(pong), key=lambda each: (each.checkpoint == 2, each.returns.mean, -each.run))
    assert (np.stack(material.best_episode) == frames_of("pong", best.run, best.checkpoint)).all()
    assert [each.checkpoint for each in material.moments] == [0, 1, 2]
    counted = sum(counts.sum() for counts in material.learning.actions.values())
    assert counted == sum(each.shards[0].rows for each in manifests(pong) if each.run == 1)
