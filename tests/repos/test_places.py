"""Games that have a place each, `name-{game}`: how they are verified, removed and rendered together."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from atari_dqn_replay.builder.assembly.build import build, plan_build
from atari_dqn_replay.builder.errors import OutputError
from atari_dqn_replay.builder.format.games import ALL_GAMES, find_game
from atari_dqn_replay.builder.publishing.editing import remove_at, render_at
from atari_dqn_replay.builder.publishing.publish import publish
from atari_dqn_replay.builder.repos.hub_destination import HubDestination
from atari_dqn_replay.builder.repos.place import Place
from atari_dqn_replay.builder.sources.open import open_source
from atari_dqn_replay.builder.verification.places import verify_place
from atari_dqn_replay.builder.verification.report import PlacesVerification
from command import run
from dataset_folders import contents
from forks import killed_at
from hub_server import HubServer, Request, Response
from logs import write_log

pytestmark = pytest.mark.slow

PONG, BREAKOUT, QBERT = map(find_game, ("pong", "breakout", "qbert"))
PLACES = "user/replay-{game}"


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Logs of three games, of which two get published; not to be changed."""
    root = tmp_path_factory.mktemp("logs")
    for game in ("Pong", "Breakout", "Seaquest"):
        write_log(root, (20, 30, 70), capacity=60, game=game)
    return root


@pytest.fixture(scope="module")
def built(logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of Pong and one of Breakout, in folders of these names; not to be changed."""
    folder = tmp_path_factory.mktemp("built")
    source = open_source(str(logs))
    for game in (PONG, BREAKOUT):
        build(plan_build(source, [game], folder / game.slug), folder / game.slug)
    return folder


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    """The two, to be changed."""
    return shutil.copytree(built, tmp_path / "published")


@pytest.fixture
def place(folder: Path) -> Place:
    """Where they are."""
    return Place(folder=f"{folder}/{{game}}")


def verified(place: Place, logs: Path | None = None, names: str = "") -> PlacesVerification:
    source = None if logs is None else open_source(str(logs))
    games = [find_game(name) for name in names.split()] or None
    verification = verify_place(place, source=source, games=games)
    assert isinstance(verification, PlacesVerification)
    return verification


def differences(verification: PlacesVerification) -> list[str]:
    return [str(difference) for each in verification.verifications for difference in each.differences]


# Verified.


def test_all_places_that_hold_a_dataset_are_verified(place: Place, folder: Path) -> None:
    verification = verified(place)
    assert verification.ok
    breakout, pong, verdict = str(verification).split("\n\n")
    assert breakout.endswith(f"all is right: {folder / 'breakout'} (every row)")
    assert pong.endswith(f"all is right: {folder / 'pong'} (every row)")
    assert verdict == f"all is right at 2 places: {place}"


def test_one_damaged_place_does_not_keep_the_others_from_being_verified(place: Place, folder: Path) -> None:
    (folder / "breakout" / "README.md").write_bytes(b"\xff")
    verification = verified(place)
    assert [each.ok for each in verification.verifications] == [False, True]
    assert str(verification).endswith(f"\n\ndifferences at 1 of 2 places: {place}")


def test_only_the_named_games_are_verified_and_one_that_is_not_there_is_told(
    place: Place, folder: Path
) -> None:
    assert [each.address for each in verified(place, names="pong").verifications] == [str(folder / "pong")]
    (missing,) = differences(verified(place, names="pong qbert"))
    assert missing.startswith(f"…: not checked ({folder / 'qbert'}: no such folder; ")


def test_each_place_is_to_hold_its_own_game_and_no_other(place: Place, folder: Path) -> None:
    (folder / "qbert").symlink_to(folder / "pong")
    assert differences(verified(place)) == [
        "data/qbert: missing; this is the place of Qbert: publish it again",
        "data/pong: found Pong in the place of Qbert; remove it there, and publish it to its own",
    ]


def test_a_place_whose_game_was_removed_is_a_difference_only_if_it_is_named(place: Place) -> None:
    remove_at(place, [PONG])
    verification = verified(place)
    assert verification.ok
    (note,) = verification.notes
    assert "pong: holds no dataset" in note
    assert "pong: holds no dataset" in differences(verified(place, names="pong breakout"))[0]


def test_what_the_source_has_and_no_place_holds_is_noted_once(place: Place, logs: Path) -> None:
    verification = verified(place, logs)
    assert verification.ok
    assert verification.notes == ["not looked at: the source's games Seaquest"]
    assert [each.notes for each in verification.verifications] == [[], []]
    assert not verified(place, logs, "seaquest pong").ok


def test_a_name_that_fits_no_place_is_an_error_in_one_line(tmp_path: Path) -> None:
    nowhere = Place(folder=f"{tmp_path}/none-{{game}}")
    for look in (verified, render_at):
        with pytest.raises(OutputError, match=r"none-\{game\}: there is no such place for any game \(.*\)$"):
            look(nowhere)
    (tmp_path / "none-pong").mkdir()
    with pytest.raises(OutputError, match=r"none-\{game\}: there is no dataset of any game"):
        verified(nowhere)
    with pytest.raises(
        OutputError, match=r"none-\{game\}: holds no dataset that this tool wrote; is the name right"
    ):
        render_at(nowhere)


# Removed and rendered.


def test_each_game_is_removed_from_its_own_place(place: Place, folder: Path) -> None:
    done = remove_at(place, [PONG, BREAKOUT])
    assert {*contents(folder)} == {"pong/README.md", "breakout/README.md"}
    pong, breakout = str(done).split("\n\n")
    assert pong.endswith(f": {folder / 'pong'}") and breakout.endswith(f": {folder / 'breakout'}")
    again = remove_at(place, [PONG, BREAKOUT])
    assert all(each.nothing_to_do for each in again.publications)


def test_nothing_is_removed_if_one_of_the_places_is_not_there(place: Place, folder: Path) -> None:
    before = contents(folder)
    with pytest.raises(OutputError, match="qbert: holds no dataset that this tool wrote; is the name right"):
        remove_at(place, [PONG, QBERT])
    assert contents(folder) == before


def test_a_dry_run_tells_of_all_places_and_changes_none(place: Place, folder: Path) -> None:
    before = contents(folder)
    removal = str(remove_at(place, [PONG, BREAKOUT], dry_run=True))
    for game in ("pong", "breakout"):
        assert f"would delete            manifests/{game}/run_1/checkpoint_00.json" in removal
    rendering = str(render_at(place, license="mit", dry_run=True))
    assert rendering.count("would write 1 files") == 2
    assert contents(folder) == before


def test_the_cards_of_all_places_are_rendered(place: Place, folder: Path) -> None:
    # A place that holds no dataset is passed over.
    (folder / "qbert").mkdir()
    assert len(render_at(place, license="mit").publications) == 2
    for game in ("pong", "breakout"):
        assert "license: mit" in (folder / game / "README.md").read_text()
    assert all(each.nothing_to_do for each in render_at(place).publications)


def edited(place: Place, edit: str) -> None:
    if edit == "remove":
        remove_at(place, [PONG, BREAKOUT])
    else:
        render_at(place, license="mit")


@pytest.mark.parametrize(("edit", "n"), [("remove", 4), ("remove", 13), ("render", 2), ("render", 4)])
def test_what_was_killed_at_any_place_goes_on(
    edit: str, n: int, place: Place, folder: Path, tmp_path: Path
) -> None:
    undisturbed = shutil.copytree(folder, tmp_path / "undisturbed")
    edited(Place(folder=f"{undisturbed}/{{game}}"), edit)
    killed_at(n, lambda: edited(place, edit))
    assert contents(folder) != contents(undisturbed)
    edited(place, edit)
    assert contents(folder) == contents(undisturbed)


# On the Hub, by the command.


@pytest.fixture
def on_hub(hub: HubServer, built: Path) -> Iterator[HubServer]:
    """A Hub with a repo for each of the two."""
    for game in ("pong", "breakout"):
        publish(built / game, HubDestination(f"user/replay-{game}", endpoint=hub.url, token=hub.token))
    hub.requests.clear()
    yield hub
    assert hub.unknown == []


@pytest.mark.parametrize("token", [None, ""])
def test_repos_are_verified_with_or_without_a_token(on_hub: HubServer, token: str | None) -> None:
    with on_hub.of_this_process(token):
        done = run("verify", "--repo-id", PLACES, "--quick")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"\n\nall is right at 2 places: {PLACES}\n")
    # For each repo that is not there, one small question.
    asked = [request.path for request in on_hub.requests]
    absent = [path for path in asked if not re.search("replay-(pong|breakout)", path)]
    assert len(absent) == len(set(absent)) == len(ALL_GAMES) - 2


def test_repos_are_rendered_and_games_removed_from_them(on_hub: HubServer) -> None:
    with on_hub.of_this_process():
        done = run("render", "--repo-id", PLACES, "--license", "mit")
    assert done.returncode == 0, done.stderr
    for game in ("pong", "breakout"):
        assert b"license: mit" in on_hub.files(f"user/replay-{game}")["README.md"]
    with on_hub.of_this_process():
        refused = run("remove", "pong", "qbert", "--repo-id", PLACES)
        removed = run("remove", "pong", "breakout", "--repo-id", PLACES)
    assert refused.returncode == 1
    assert "user/replay-qbert: holds no dataset that this tool wrote; is the name right?" in refused.stderr
    assert removed.returncode == 0, removed.stderr
    for game in ("pong", "breakout"):
        assert set(on_hub.files(f"user/replay-{game}")) == {".gitattributes", "README.md"}
    assert set(on_hub.repos) == {"user/replay-pong", "user/replay-breakout"}


def busy(_: Request) -> Response:
    return Response(503, {"error": "busy"}, {"Retry-After": "3600"})


def denied(_: Request) -> Response:
    message = "Invalid credentials in Authorization header"
    return Response(401, {"error": message}, {"X-Error-Message": message})


@pytest.mark.parametrize("command", [["verify"], ["render"], ["remove", "pong", "breakout"]])
@pytest.mark.parametrize("fault", [busy, denied])
def test_a_hub_that_does_not_say_is_one_clear_error(
    on_hub: HubServer, command: list[str], fault: Callable[[Request], Response]
) -> None:
    on_hub.fault = fault
    with on_hub.of_this_process():
        done = run(*command, "--repo-id", PLACES)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert re.search("without an answer|does not answer|may not see it|does not accept the token", line)
    assert len(on_hub.requests) == 1
