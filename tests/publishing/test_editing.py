"""Taking games out of a published dataset, and writing its card anew."""

import functools
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from atari_dqn_replay.builder.errors import OutputError
from atari_dqn_replay.builder.format.games import Game, find_game
from atari_dqn_replay.builder.format.manifest import Manifest
from atari_dqn_replay.builder.publishing import editing
from atari_dqn_replay.builder.publishing.editing import remove_games, render_cards
from atari_dqn_replay.builder.publishing.publish import publish
from atari_dqn_replay.builder.repos.destination import Destination
from atari_dqn_replay.builder.repos.folder_destination import FolderDestination
from dataset_folders import Contents, build_dataset, contents
from forks import killed_at
from hub_server import HubServer
from publishing import REPO, commits, configs, held, to_hub, without_card

PONG, BREAKOUT = find_game("pong"), find_game("breakout")


@pytest.fixture(scope="module")
def pong(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of Pong; not to be changed."""
    return build_dataset(tmp_path_factory.mktemp("built") / "pong", runs=(1, 2), shards=1)


@pytest.fixture(scope="module")
def breakout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of Breakout; not to be changed."""
    return build_dataset(tmp_path_factory.mktemp("built") / "breakout", "breakout", checkpoints=(0,))


class Place:
    """A destination and what it shows."""

    def __init__(self, kind: str, folder: Path, hub: HubServer) -> None:
        self.folder, self.hub = folder, hub
        self.destination: Destination = FolderDestination(folder) if kind == "folder" else to_hub(hub)
        self.is_folder = kind == "folder"

    def files(self) -> Contents:
        return contents(self.folder) if self.is_folder else held(self.hub)

    def write(self, path: str, content: bytes) -> None:
        """What a person puts there."""
        if self.is_folder:
            (self.folder / path).write_bytes(content)
        else:
            repo = self.hub.repos[REPO]
            files = {**repo.find("main").files, path: self.hub.store(content)}
            repo.append("main", "by hand", files)


@pytest.fixture(params=["folder", "hub"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, hub: HubServer, pong: Path, breakout: Path
) -> Place:
    """A published dataset of two games."""
    place = Place(request.param, tmp_path / "published", hub)
    publish(breakout, place.destination)
    publish(pong, place.destination)
    return place


def test_a_removed_game_leaves_nothing(place: Place, pong: Path, breakout: Path, tmp_path: Path) -> None:
    done = remove_games([PONG], place.destination)
    assert set(done.deleted) == set(without_card(contents(pong)))
    assert set(done.files) == {"README.md"}
    assert str(done).startswith("wrote 1 files")
    # What stays is what Breakout alone would be.
    alone = FolderDestination(tmp_path / "alone")
    publish(breakout, alone)
    assert without_card(place.files()) == without_card(contents(breakout))
    card = place.files()["README.md"].decode().replace(REPO, "path/to/this/folder")
    assert card == (alone.folder / "README.md").read_text()
    if place.is_folder:
        assert not (place.folder / "data/pong").exists() and not (place.folder / "episodes/pong").exists()
    assert remove_games([PONG], place.destination).nothing_to_do


def test_a_removed_run_leaves_the_others(place: Place) -> None:
    done = remove_games([PONG], place.destination, runs=[2])
    assert len(done.deleted) == 2 * 3
    assert [*done.files] == ["games/pong/README.md", "README.md"]
    assert not [path for path in place.files() if "pong/run_2" in path]
    assert [entry["split"] for entry in configs(place.files()["README.md"])["pong-full"]] == ["run_1"]
    assert "breakout-full" in configs(place.files()["README.md"])
    # With its last run a game goes from the card.
    remove_games([PONG], place.destination, runs=[1, 2, 3])
    assert set(configs(place.files()["README.md"])) == {
        f"breakout-{view}" for view in ("mixed", "expert", "full", "episodes")
    }
    assert "games/pong/README.md" not in place.files()


def test_a_removed_game_can_come_back(place: Place, pong: Path) -> None:
    before = place.files()
    remove_games([PONG], place.destination)
    publish(pong, place.destination)
    assert place.files() == before


def test_the_last_game_can_go(place: Place) -> None:
    remove_games([PONG, BREAKOUT], place.destination)
    assert set(place.files()) == {"README.md"}
    assert b"configs:" not in place.files()["README.md"]


def test_a_dry_run_removes_nothing(place: Place, pong: Path) -> None:
    before = place.files()
    plan = remove_games([PONG], place.destination, dry_run=True)
    assert set(plan.deleted) == set(without_card(contents(pong)))
    assert "would delete" in str(plan)
    assert render_cards(place.destination, license="mit", dry_run=True).files
    assert place.files() == before


def test_peoples_files_and_words_stay(place: Place) -> None:
    place.write("data/pong/notes.txt", b"mine")
    place.write("README.md", place.files()["README.md"] + b"\n## Ours\n\nOur own words.\n")
    remove_games([PONG], place.destination)
    assert place.files()["data/pong/notes.txt"] == b"mine"
    assert b"Our own words." in place.files()["README.md"]


def test_many_files_go_in_several_commits(
    hub: HubServer, pong: Path, breakout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(breakout, to_hub(hub))
    publish(pong, to_hub(hub))
    before = commits(hub)
    monkeypatch.setattr(editing, "REMOVALS", 5)
    done = remove_games([PONG], to_hub(hub))
    assert set(done.deleted) == set(without_card(contents(pong)))
    assert commits(hub) - before == 3
    assert without_card(held(hub)) == without_card(contents(breakout))
    # From the first commit on the card does not tell of it.
    for commit in list(hub.repos[REPO].commits)[before + 1 :]:
        assert "pong-full" not in configs(held(hub, commit)["README.md"])


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 3, 4, 6, 9, 13])
def test_a_killed_removal_goes_on(n: int, pong: Path, breakout: Path, tmp_path: Path) -> None:
    folder = tmp_path / "published"
    publish(breakout, FolderDestination(folder))
    publish(pong, FolderDestination(folder))
    killed_at(n, lambda: remove_games([PONG], FolderDestination(folder)))
    # Either nothing is gone, or the card no longer tells of the game.
    told = "pong-full" in configs((folder / "README.md").read_bytes())
    assert told == (contents(pong).keys() <= contents(folder).keys() and n <= 3)
    # A manifest vouches only for what is there.
    for manifest in folder.glob("manifests/pong/*/*.json"):
        assert len(list((folder / Manifest.from_json(manifest.read_bytes(), "").id.folder).iterdir())) == 1
    remove_games([PONG], FolderDestination(folder))
    assert without_card(contents(folder)) == without_card(contents(breakout))


# --- The card anew --------------------------------------------------------------------------------------


def test_a_true_card_is_left_as_it_is(place: Place) -> None:
    before = place.files()
    done = render_cards(place.destination)
    assert done.nothing_to_do
    assert str(done).startswith("nothing to do")
    assert place.files() == before


def test_a_card_is_made_true_again(place: Place) -> None:
    true = place.files()["README.md"]
    damaged = true.replace(b"pong/run_1", b"pong/run_7").replace(b"num_examples: 48", b"num_examples: 1")
    place.write("README.md", damaged)
    done = render_cards(place.destination)
    assert set(done.files) == {"README.md"} and not done.deleted
    assert place.files()["README.md"] == true
    place.write("README.md", b"---\npretty_name: Mine\n---\n# Mine\n")
    render_cards(place.destination)
    assert {"pong-full", "breakout-full"} <= set(configs(place.files()["README.md"]))
    assert b"# Mine" in place.files()["README.md"]


def test_a_game_without_data_leaves_the_card(pong: Path, breakout: Path, tmp_path: Path) -> None:
    folder = tmp_path / "published"
    publish(breakout, FolderDestination(folder))
    publish(pong, FolderDestination(folder))
    shutil.rmtree(folder / "data/pong")
    render_cards(FolderDestination(folder))
    assert "pong-full" not in configs((folder / "README.md").read_bytes())
    assert "### Pong" not in (folder / "README.md").read_text()


def test_a_card_gets_a_license(place: Place) -> None:
    render_cards(place.destination, license="cc-by-4.0")
    assert b"license: cc-by-4.0" in place.files()["README.md"]


def test_a_name_that_is_nowhere_is_refused(hub: HubServer, tmp_path: Path) -> None:
    for destination in (FolderDestination(tmp_path / "none"), to_hub(hub)):
        assert destination.games() == []
        for edit in (render_cards, functools.partial(remove_games, [PONG])):
            with pytest.raises(OutputError, match="holds no dataset that this tool wrote; is the name right"):
                edit(destination, dry_run=True)
    assert not (tmp_path / "none").exists()
    assert hub.repos == {}


def test_a_damaged_manifest_is_named(place: Place) -> None:
    place.write("manifests/pong/run_1/checkpoint_00.json", b"{}")
    with pytest.raises(OutputError, match=r"checkpoint_00\.json"):
        render_cards(place.destination)


def test_the_games_that_are_there_are_found(place: Place) -> None:
    games: Sequence[Game] = place.destination.games()
    assert games == [BREAKOUT, PONG]
