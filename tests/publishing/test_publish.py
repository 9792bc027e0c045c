"""Publishing into folders and to a Hub: real files, real sockets, the unmodified clients."""

import errno
import functools
import hashlib
import os
import re
import resource
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from atari_dqn_replay.builder.errors import OutputError, UnknownNameError
from atari_dqn_replay.builder.files import writing_alone
from atari_dqn_replay.builder.format.checkpoint_id import CheckpointId
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.publishing.editing import render_cards
from atari_dqn_replay.builder.publishing.publish import plan_change, publish
from atari_dqn_replay.builder.repos import built_folder
from atari_dqn_replay.builder.repos.built_folder import read_built_folder
from atari_dqn_replay.builder.repos.destination import DestinationChangedError
from atari_dqn_replay.builder.repos.disk_space import require_space
from atari_dqn_replay.builder.repos.folder_destination import FolderDestination
from atari_dqn_replay.builder.repos.hub_destination import HubDestination
from atari_dqn_replay.builder.repos.repo_folder import check_repo_folder, read_manifests
from dataset_folders import STEPS, build_dataset, contents, frames_of, manifests
from datasets import load_dataset
from forks import forked, killed_at
from hub_server import HubServer, Request, Response
from publishing import REPO, commits, configs, held, is_commit, to_hub, without_card
from waiting import PATIENCE

pytestmark = pytest.mark.slow


def load(repo: str, streaming: bool) -> list[Any]:
    """What stock `datasets` makes of it: a hash of the frames, counts of steps, an action's name."""
    rows: Any = load_dataset(repo, "pong-full", split="run_1", streaming=streaming)
    frames = hashlib.sha256(b"".join(row["observation"].tobytes() for row in rows)).hexdigest()
    episodes: Any = load_dataset(repo, "pong-episodes", split="run_1", streaming=streaming)
    name = rows.features["action"].names[0]
    return [frames, sum(1 for _ in rows), [row["length"] for row in episodes], name]


@pytest.fixture(scope="module")
def pong(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two checkpoints of Pong in two shards each; not to be changed."""
    return build_dataset(tmp_path_factory.mktemp("built") / "pong")


@pytest.fixture(scope="module")
def breakout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of Breakout; not to be changed."""
    return build_dataset(tmp_path_factory.mktemp("built") / "breakout", "breakout", checkpoints=(0,))


def test_what_is_published_loads_and_streams(hub: HubServer, pong: Path, tmp_path: Path) -> None:
    folder = tmp_path / "published"
    into_folder = publish(pong, FolderDestination(folder))
    onto_hub = publish(pong, to_hub(hub))
    # Every file is there, byte for byte, and the card's examples name the repo.
    assert without_card(contents(folder)) == without_card(held(hub)) == without_card(contents(pong))
    assert contents(folder)["README.md"] == contents(pong)["README.md"]
    assert REPO in held(hub)["README.md"].decode()
    assert into_folder.files == {path: len(content) for path, content in contents(folder).items()}
    assert onto_hub.files == {path: len(content) for path, content in held(hub).items()}
    assert (into_folder.destination, into_folder.commit) == (str(folder), None)
    assert onto_hub.destination == f"{hub.url}/datasets/{REPO}"
    assert onto_hub.commit == hub.repos[REPO].branches["main"]
    assert commits(hub) == 1
    # Stock `datasets`, from both places, in one piece and streamed.
    with hub.of_this_process():
        found = [load(place, streaming) for place in (str(folder), REPO) for streaming in (False, True)]
    frames = b"".join(frames_of("pong", 1, checkpoint).tobytes() for checkpoint in (0, 1))
    expected = [hashlib.sha256(frames).hexdigest(), 2 * STEPS, [STEPS, STEPS], "NOOP"]
    assert found == [expected] * 4
    assert hub.unknown == []


def test_a_second_publication_has_nothing_to_do(hub: HubServer, pong: Path, tmp_path: Path) -> None:
    for destination in (FolderDestination(tmp_path / "published"), to_hub(hub)):
        first = publish(pong, destination)
        asked = len(hub.requests)
        times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        second = publish(pong, destination)
        assert second.nothing_to_do and not first.nothing_to_do
        assert (second.files, second.deleted, second.unchanged) == ({}, [], len(first.files))
        assert second.commit == first.commit
        assert str(second).startswith("nothing to do")
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == times
        assert {request.method for request in list(hub.requests)[asked:]} <= {"GET"}
    assert commits(hub) == 1


def test_a_changed_checkpoint_leaves_no_orphans(hub: HubServer, pong: Path, tmp_path: Path) -> None:
    rebuilt = build_dataset(tmp_path / "rebuilt", checkpoints=(1,), shards=1, seed=7)
    for destination in (FolderDestination(tmp_path / "published"), to_hub(hub)):
        publish(pong, destination)
        done = publish(rebuilt, destination)
        folder = "data/pong/run_1/checkpoint_01"
        assert done.deleted == [f"{folder}/steps-0000{shard}-of-00002.parquet" for shard in (0, 1)]
        page = "games/pong/README.md"  # which says the same of both
        assert set(done.files) == {*contents(rebuilt)} - {page}
    kept = {path: content for path, content in contents(pong).items() if "checkpoint_00" in path}
    expected = {**without_card(contents(rebuilt)), **kept, page: contents(pong)[page]}
    assert without_card(contents(tmp_path / "published")) == without_card(held(hub)) == expected
    # The card tells of both: of the checkpoint that stayed and of the one that was replaced.
    sizes = [sum(file.rows for file in each.shards) for each in manifests(tmp_path / "published")]
    assert sizes == [STEPS, STEPS]
    assert f"num_examples: {2 * STEPS}" in held(hub)["README.md"].decode()


def test_another_game_keeps_the_first_ones_files(
    hub: HubServer, pong: Path, breakout: Path, tmp_path: Path
) -> None:
    for destination in (FolderDestination(tmp_path / "published"), to_hub(hub)):
        publish(pong, destination)
        done = publish(breakout, destination)
        assert set(done.files) == set(contents(breakout))
        assert done.deleted == []
    expected = without_card(contents(pong)) | without_card(contents(breakout))
    for files in (contents(tmp_path / "published"), held(hub)):
        assert without_card(files) == expected
        assert {"pong-full", "pong-episodes", "breakout-full"} <= set(configs(files["README.md"]))


def test_peoples_own_text_and_files_stay(hub: HubServer, pong: Path) -> None:
    publish(pong, to_hub(hub), license="cc-by-4.0")
    repo = hub.repos[REPO]
    files = dict(repo.find("main").files)
    files["README.md"] = hub.store(
        files["README.md"].sha256.encode() and held(hub)["README.md"] + b"\nOur own words.\n"
    )
    files["notes.txt"] = hub.store(b"mine")
    files["data/breakout/x.txt"] = hub.store(b"mine")
    repo.append("main", "by hand", files)
    publish(pong, to_hub(hub))
    assert b"Our own words." in held(hub)["README.md"]
    assert b"license: cc-by-4.0" in held(hub)["README.md"]
    assert held(hub)["notes.txt"] == held(hub)["data/breakout/x.txt"] == b"mine"


def test_a_license_is_one_that_the_hub_knows(hub: HubServer, pong: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown license 'CC-BY-4\.0', did you mean cc-by-4\.0"):
        publish(pong, to_hub(hub), license="CC-BY-4.0")
    with pytest.raises(UnknownNameError, match="or `other` and put a LICENSE file"):
        render_cards(to_hub(hub), license="xyz")
    assert not hub.requests
    publish(pong, to_hub(hub), license="other")
    assert b"license: other" in held(hub)["README.md"]


def test_a_dry_run_changes_nothing(hub: HubServer, pong: Path, breakout: Path, tmp_path: Path) -> None:
    for destination in (FolderDestination(tmp_path / "published"), to_hub(hub)):
        before = contents(tmp_path)
        plan = publish(pong, destination, dry_run=True)
        assert contents(tmp_path) == before
        assert hub.repos == {}
        text = str(plan)
        assert all(path in text for path in contents(pong))
        done = publish(pong, destination)
        assert (plan.files, plan.deleted, plan.bytes) == (done.files, done.deleted, done.bytes)
        asked, before = len(hub.requests), contents(tmp_path)
        rebuilt = build_dataset(tmp_path.parent / f"{tmp_path.name}-rebuilt", shards=1)
        plan = publish(rebuilt, destination, dry_run=True)
        assert len(plan.deleted) == 4
        assert contents(tmp_path) == before
        assert {request.method for request in list(hub.requests)[asked:]} <= {"GET"}
        shutil.rmtree(rebuilt)
    assert commits(hub) == 1


def test_a_commit_that_lands_in_between_is_kept(hub: HubServer, pong: Path, breakout: Path) -> None:
    publish(build_dataset(pong.parent / "first", checkpoints=(0,)), to_hub(hub))
    others: list[bool] = []

    def another_publisher(request: Request) -> None:
        if is_commit(request) and not others:
            others.append(True)
            publish(breakout, to_hub(hub))

    hub.fault = another_publisher
    done = publish(pong, to_hub(hub))
    assert others
    assert done.commit == hub.repos[REPO].branches["main"]
    assert commits(hub) == 3
    assert without_card(held(hub)) == without_card(contents(pong)) | without_card(contents(breakout))
    assert {"pong-full", "breakout-full"} <= set(configs(held(hub)["README.md"]))


def test_several_publishers_at_once_lose_nothing(hub: HubServer, tmp_path: Path) -> None:
    games = ("pong", "breakout", "freeway", "seaquest")
    built = [build_dataset(tmp_path / game, game, checkpoints=(0,)) for game in games]
    publishers = [threading.Thread(target=publish, args=(folder, to_hub(hub))) for folder in built]
    for publisher in publishers:
        publisher.start()
    for publisher in publishers:
        publisher.join()
    assert {f"{game}-full" for game in games} <= set(configs(held(hub)["README.md"]))
    expected = {path: content for folder in built for path, content in without_card(contents(folder)).items()}
    assert without_card(held(hub)) == expected


REFUSED = 75


def test_two_publishers_into_one_folder_lose_nothing(pong: Path, breakout: Path, tmp_path: Path) -> None:
    folder = tmp_path / "published"

    def publish_or_be_refused(source: Path) -> None:
        try:
            publish(source, FolderDestination(folder))
        except OutputError as error:
            assert "another atari-dqn-replay is writing there" in str(error)
            sys.exit(REFUSED)

    processes = {
        source: forked(functools.partial(publish_or_be_refused, source)) for source in (pong, breakout)
    }
    for source, process in processes.items():
        process.join(PATIENCE)
        # Both are done, or one says that the other was at it.
        assert process.exitcode in (0, REFUSED)
        if process.exitcode:
            publish(source, FolderDestination(folder))
    expected = without_card(contents(pong)) | without_card(contents(breakout))
    assert without_card(contents(folder)) == expected
    assert {"pong-full", "breakout-full"} <= set(configs(contents(folder)["README.md"]))


def test_a_folder_that_others_changed_in_between_is_read_again(
    pong: Path, breakout: Path, tmp_path: Path
) -> None:
    destination = FolderDestination(tmp_path / "published")
    before = destination.snapshot([find_game("pong")])
    publish(breakout, destination)
    checkpoints = read_built_folder(pong)
    change = plan_change(checkpoints, checkpoints, None, destination, None, before)
    with pytest.raises(DestinationChangedError):
        before.apply(change)
    with writing_alone(destination.folder), pytest.raises(OutputError, match="is writing there"):
        publish(pong, destination)
    assert without_card(contents(destination.folder)) == without_card(contents(breakout))


def test_a_commit_whose_answer_is_lost_is_not_made_twice(hub: HubServer, pong: Path) -> None:
    lost: list[Response] = []

    def lose_the_answer(request: Request) -> Response | None:
        if not is_commit(request) or lost:
            return None
        lost.append(Response(503, {"error": "gateway"}, {"Retry-After": "0"}))
        hub.answer(request)
        return lost[0]

    hub.fault = lose_the_answer
    done = publish(pong, to_hub(hub))
    assert commits(hub) == 1
    assert set(done.files) == set(contents(pong))
    assert without_card(held(hub)) == without_card(contents(pong))


def test_a_busy_hub_is_asked_again(hub: HubServer, pong: Path) -> None:
    # Those requests that the client itself gives up at once.
    asked: dict[str, int] = {}

    def busy(request: Request) -> Response | None:
        kind = re.search(r"/(create|validate-yaml|commit|revision)", request.path)
        if kind is None:
            return None
        asked[kind[1]] = asked.get(kind[1], 0) + 1
        html = Response(503, b"<html>busy</html>", {"Retry-After": "0", "Content-Type": "text/html"})
        return html if asked[kind[1]] <= 2 else None

    hub.fault = busy
    publish(pong, to_hub(hub))
    assert set(asked) == {"create", "validate-yaml", "commit", "revision"}
    assert without_card(held(hub)) == without_card(contents(pong))


def test_an_interrupted_upload_goes_on(hub: HubServer, pong: Path) -> None:
    uploads: list[str] = []

    def fail_after_two(request: Request) -> Response | None:
        if request.method == "PUT":
            uploads.append(request.path)
        return Response(400, {"error": "no"}) if len(uploads) > 2 and request.method == "PUT" else None

    hub.fault = fail_after_two
    with pytest.raises(OutputError, match="400"):
        publish(pong, to_hub(hub))
    assert commits(hub) == 0
    kept = len(list(hub.objects.iterdir()))
    hub.fault = lambda request: None
    publish(pong, to_hub(hub))
    assert without_card(held(hub)) == without_card(contents(pong))
    sent = sum(request.method == "PUT" for request in hub.requests)
    shards = sum(path.endswith(".parquet") for path in contents(pong))
    assert kept > 1
    assert sent < len(uploads) + shards


def test_a_branch_is_created_and_main_left_alone(hub: HubServer, pong: Path, breakout: Path) -> None:
    publish(pong, to_hub(hub))
    main = hub.repos[REPO].branches["main"]
    done = publish(breakout, to_hub(hub, revision="next"))
    assert hub.repos[REPO].branches == {"main": main, "next": done.commit}
    assert done.destination.endswith(f"/datasets/{REPO}/tree/next")
    both = without_card(contents(pong)) | without_card(contents(breakout))
    assert without_card(held(hub, "next")) == both
    assert without_card(held(hub)) == without_card(contents(pong))


def test_private_data_never_goes_to_a_public_repo(hub: HubServer, pong: Path) -> None:
    publish(pong, to_hub(hub, private=True))
    assert hub.repos[REPO].private
    hub.repos[REPO].private = False
    with pytest.raises(OutputError, match="is public"):
        publish(pong, to_hub(hub, private=True))


def test_refusals_of_the_hub_are_told_in_one_line(hub: HubServer, pong: Path) -> None:
    for token, words in (
        ("hf_secret_that_is_wrong", "does not accept the token"),
        ("hf_of_another", "may not write"),
    ):
        with pytest.raises(OutputError, match=words) as refused:
            publish(pong, to_hub(hub, token=token))
        assert token not in str(refused.value) + repr(to_hub(hub, token=token))
    assert hub.repos == {}
    with pytest.raises(OutputError, match="does not answer"):
        publish(pong, HubDestination(REPO, endpoint="http://127.0.0.1:9", token=hub.token, patience=0))
    for name in ("replay", "user/re play", "user/a/b"):
        with pytest.raises(OutputError, match="name"):
            publish(pong, HubDestination(name, endpoint=hub.url, token=hub.token))
    hub.fault = lambda request: refused_with_token(request) if is_commit(request) else None
    with pytest.raises(OutputError, match=r"418: no tea for …\)$"):
        publish(pong, to_hub(hub))


def refused_with_token(request: Request) -> Response:
    return Response(418, {"error": f"no tea for {request.token}"})


def test_the_token_comes_from_the_usual_places(
    hub: HubServer, pong: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hub.of_this_process():
        assert publish(pong, HubDestination(REPO)).commit
    assert commits(hub) == 1
    with hub.of_this_process("hf_secret_that_is_wrong"), pytest.raises(OutputError) as error:
        publish(pong, HubDestination("user/other"))
    assert "hf_secret" not in str(error.value)
    with hub.of_this_process():
        monkeypatch.delenv("HF_TOKEN")
        with pytest.raises(OutputError, match="the Hub wants a token; run `hf auth login`, or set HF_TOKEN"):
            publish(pong, HubDestination("user/other"))
    assert list(hub.repos) == [REPO]


SHARD = "data/pong/run_1/checkpoint_01/steps-00001-of-00002.parquet"
MANIFEST = "manifests/pong/run_1/checkpoint_01.json"


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def rename_shard(folder: Path, name: str) -> None:
    text = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(text.replace(SHARD, name))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "shard missing": (lambda folder: (folder / SHARD).unlink(), f"{SHARD}: missing"),
    "shard cut": (lambda folder: (folder / SHARD).write_bytes(b"PAR1"), f"{SHARD}: 4 bytes instead of"),
    "bit flipped": (lambda folder: flip(folder / SHARD), f"{SHARD}: damaged"),
    "manifest missing": (lambda folder: (folder / MANIFEST).unlink(), "has not finished .*checkpoint_01"),
    "half written": (lambda folder: (folder / f"{SHARD}.incomplete").touch(), "has not finished"),
    "no card": (lambda folder: (folder / "README.md").unlink(), "expected a dataset as `build` writes it"),
    "no data": (lambda folder: shutil.rmtree(folder / "data"), "steps-00000.*missing"),
    "stray file": (
        lambda folder: (folder / SHARD).with_name("x.parquet").touch(),
        "no manifest names .*x.parquet",
    ),
    "manifest broken": (lambda folder: (folder / MANIFEST).write_text("{}"), f"{MANIFEST}: not a manifest"),
    "absolute name": (lambda folder: rename_shard(folder, "/etc/passwd"), "do not belong to this checkpoint"),
    "upward name": (lambda folder: rename_shard(folder, "../../secret"), "do not belong to this checkpoint"),
    "other's name": (
        lambda folder: rename_shard(folder, SHARD.replace("checkpoint_01", "checkpoint_00")),
        "do not belong to this checkpoint",
    ),
    "moved": (
        lambda folder: shutil.copy(folder / MANIFEST, folder / MANIFEST.replace("_01", "_00")),
        "do not belong to this checkpoint",
    ),
    "empty": (lambda folder: [shutil.rmtree(folder), folder.mkdir()], "expected a dataset"),
    "gone": (lambda folder: shutil.rmtree(folder), "no such folder"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_folder_is_refused(name: str, hub: HubServer, pong: Path, tmp_path: Path) -> None:
    damage, message = DAMAGE[name]
    folder = shutil.copytree(pong, tmp_path / "built")
    damage(folder)
    for destination in (FolderDestination(tmp_path / "published"), to_hub(hub)):
        with pytest.raises(OutputError, match=message):
            publish(folder, destination)
    assert not (tmp_path / "published").exists()
    assert not hub.requests


def test_a_destinations_damaged_manifest_is_named(pong: Path, tmp_path: Path) -> None:
    published = FolderDestination(tmp_path / "published")
    publish(pong, published)
    (published.folder / MANIFEST).write_text("{")
    first = build_dataset(tmp_path / "first", checkpoints=(0,))
    with pytest.raises(OutputError, match=f"published/{MANIFEST}: not a manifest"):
        publish(first, published)
    # Publishing that very checkpoint mends it.
    publish(pong, published)
    assert contents(published.folder) == contents(pong)


@pytest.mark.parametrize("stranger", ["thesis.tex", "data/measurements.csv", "episodes/x", ".ssh/id"])
def test_a_folder_with_something_else_is_refused(stranger: str, pong: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine" / stranger
    path.parent.mkdir(parents=True)
    path.touch()
    with pytest.raises(OutputError, match=stranger.removesuffix("/id")):
        publish(pong, FolderDestination(tmp_path / "mine"))
    assert list(contents(tmp_path / "mine")) == [stranger]


def test_what_people_keep_beside_a_dataset_stays(pong: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(pong, tmp_path / "published")
    kept = ("LICENSE", "notes.txt", ".DS_Store", ".cache/x", ".idea/x", "data/.DS_Store")
    for path in kept:
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text("mine")
    publish(pong, FolderDestination(folder))
    assert {(folder / path).read_text() for path in kept} == {"mine"}
    (folder / "src").mkdir()
    with pytest.raises(OutputError, match="holds src"):
        publish(pong, FolderDestination(folder))


def test_a_folder_where_programs_left_their_files_is_empty_enough(pong: Path, tmp_path: Path) -> None:
    folder = tmp_path / "published"
    (folder / ".cache").mkdir(parents=True)
    (folder / ".DS_Store").touch()
    publish(pong, FolderDestination(folder))
    assert set(contents(pong)) < set(contents(folder))


def test_another_projects_readme_is_not_taken_for_a_card(pong: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "README.md").write_text("# My thesis\n")
    with pytest.raises(OutputError, match="looks like another project"):
        publish(pong, FolderDestination(folder))
    assert contents(folder) == {"README.md": b"# My thesis\n"}
    (folder / ".gitattributes").touch()  # a clone from the Hub
    publish(pong, FolderDestination(folder))
    assert "# My thesis" in (folder / "README.md").read_text()


@pytest.mark.parametrize("name", ["a[b]", "a[b]/c", "a::b", os.fsdecode(b"a\xff")])
def test_a_folder_that_nothing_could_load_is_refused(name: str, pong: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="name another folder"):
        publish(pong, FolderDestination(tmp_path / name))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a[b", "a*b?", "a:b", "~a {b}", "ü #%20 'x' \n"])
def test_a_folder_of_any_other_name_is_loaded(name: str, pong: Path, tmp_path: Path) -> None:
    publish(pong, FolderDestination(tmp_path / name))
    loaded = load_dataset(str(tmp_path / name), "pong-full", split="run_1", streaming=True)
    assert next(iter(loaded))["step"] == 0


def test_a_card_that_is_not_utf_8_is_refused(pong: Path, tmp_path: Path) -> None:
    damaged = shutil.copytree(pong, tmp_path / "damaged")
    (damaged / "README.md").write_bytes("---\n---\nÄ".encode("latin1"))
    for folder, destination in ((damaged, tmp_path / "published"), (pong, damaged)):
        with pytest.raises(OutputError, match=r"damaged: its README\.md is not UTF-8 text"):
            publish(folder, FolderDestination(destination))
    with pytest.raises(OutputError, match="not UTF-8"):
        check_repo_folder(damaged)  # as a build does


def test_a_manifest_in_anothers_place_is_named(pong: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(pong, tmp_path / "built")
    (folder / MANIFEST).rename(folder / MANIFEST.replace("_01", "_02"))
    with pytest.raises(OutputError, match=r"checkpoint_02\.json: names files that do not belong"):
        read_manifests(folder, find_game("pong"))


def test_a_file_that_may_not_be_read_is_named(
    pong: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: Path) -> str:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(built_folder, "sha256_of", denied)
    with pytest.raises(OutputError, match=r"parquet: cannot be read \(Permission denied\)"):
        publish(pong, FolderDestination(tmp_path / "published"))


def test_a_folder_is_not_published_into_itself(pong: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(pong)
    before = contents(pong)
    for to in (pong, pong / "copy", tmp_path / "link", pong.parent):
        with pytest.raises(OutputError, match="publish to another folder"):
            publish(pong, FolderDestination(to))
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is a file"):
        publish(pong, FolderDestination(tmp_path / "file"))
    assert contents(pong) == before


def test_a_git_checkout_and_leftovers_are_welcome(pong: Path, tmp_path: Path) -> None:
    folder = tmp_path / "published"
    for path in (".git/HEAD", ".gitattributes", "README.md.incomplete"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    publish(pong, FolderDestination(folder))
    assert set(contents(pong)) < set(contents(folder))
    assert "README.md.incomplete" not in contents(folder)


def test_a_full_disk(tmp_path: Path) -> None:
    # A limit on the size of files stands in for the end of the disk: it strikes in the midst of a write.
    built = build_dataset(tmp_path / "built", checkpoints=(0,))
    room = max(len(content) for content in contents(built).values())
    build_dataset(built, checkpoints=(1,), steps=10 * STEPS)
    published = tmp_path / "published"

    def publish_on_a_full_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
        with pytest.raises(OutputError, match=r"the disk is full or a quota is reached: [\d.]+kB needed, "):
            publish(built, FolderDestination(published))

    process = forked(publish_on_a_full_disk)
    process.join(PATIENCE)
    assert process.exitcode == 0
    # The first checkpoint is whole, of the second there is nothing.
    kept = {path: content for path, content in contents(built).items() if "checkpoint_00" in path}
    assert contents(published) == kept
    publish(built, FolderDestination(published))
    assert contents(published) == contents(built)


def test_what_will_not_fit_is_not_begun(tmp_path: Path) -> None:
    require_space(tmp_path / "new", shutil.disk_usage(tmp_path).free // 2)
    with pytest.raises(OutputError, match="needed"):
        require_space(tmp_path / "new", 2 * shutil.disk_usage(tmp_path).free)


@pytest.mark.parametrize("n", [2, 4, 5, 7, 9, 10, 11, 13, 16, 19])
def test_killed_and_run_again(n: int, pong: Path, tmp_path: Path) -> None:
    # A checkpoint that is replaced by one with fewer shards, and a new one.
    rebuilt = build_dataset(tmp_path / "rebuilt", checkpoints=(1, 2), shards=1, seed=7)
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "published"
    for folder in (undisturbed, killed):
        publish(pong, FolderDestination(folder))
    publish(rebuilt, FolderDestination(undisturbed))
    killed_at(n, lambda: publish(rebuilt, FolderDestination(killed)))
    assert contents(killed) != contents(undisturbed)
    # Where there is a manifest, all that it names is there.
    for manifest in manifests(killed):
        for file in manifest.files():
            assert hashlib.sha256((killed / file.path).read_bytes()).hexdigest() == file.sha256
    # A reader sees whole checkpoints, of the one build or of the other.
    shown = shown_frames(killed, tmp_path / "cache")
    assert shown[0] == frames_of("pong", 1, 0).tobytes()
    for checkpoint in (1, 2):
        builds = [frames_of("pong", 1, checkpoint, seed=seed).tobytes() for seed in (0, 7)]
        assert shown.get(checkpoint) in [*builds, None]
    publish(rebuilt, FolderDestination(killed))
    assert contents(killed) == contents(undisturbed)


def shown_frames(folder: Path, cache: Path) -> dict[int, bytes]:
    """The frames of each checkpoint, as `load_dataset` gives them after it has checked their number."""
    frames: dict[int, bytes] = {}
    for row in load_dataset(str(folder), "pong-full", split="run_1", cache_dir=str(cache)):
        assert isinstance(row, dict)
        frames[row["checkpoint"]] = frames.get(row["checkpoint"], b"") + row["observation"].tobytes()
    return frames


def test_a_card_does_not_tell_of_what_is_just_replaced(pong: Path, tmp_path: Path) -> None:
    folder = tmp_path / "published"
    publish(pong, FolderDestination(folder))
    (folder / "README.md").write_text((folder / "README.md").read_text() + "\n## Ours\n\nOur own words.\n")
    before = (folder / "README.md").read_text()
    rebuilt = build_dataset(tmp_path / "rebuilt", shards=1, seed=7)
    # The first file that is written is the card; the second one is the first shard.
    killed_at(4, lambda: publish(rebuilt, FolderDestination(folder)))
    card = (folder / "README.md").read_text()
    assert "configs" not in yaml.safe_load(card.split("---")[1])
    assert "None of its steps are here at the moment" in card
    publish(rebuilt, FolderDestination(folder))
    # With what is again the same, the card is again what it was, people's own text at its place.
    publish(pong, FolderDestination(folder))
    assert (folder / "README.md").read_text() == before


def test_what_a_killed_publication_left_is_replaced(pong: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(pong, tmp_path / "published")
    (folder / MANIFEST).unlink()
    (folder / SHARD).rename(folder / f"{SHARD}.incomplete")
    building = shutil.copytree(
        pong / "data/pong/run_1/checkpoint_00", folder / "data/pong/run_1/checkpoint_02.incomplete"
    )
    publish(pong, FolderDestination(folder))
    shutil.rmtree(building)
    assert contents(folder) == contents(pong)


def test_checking_reads_each_checkpoint_in_order(tmp_path: Path) -> None:
    built = build_dataset(tmp_path / "built", runs=(2, 1), checkpoints=(10, 9), shards=1)
    assert [each.id for each in read_built_folder(built)] == [
        CheckpointId(find_game("pong"), run, number) for run in (1, 2) for number in (9, 10)
    ]


def test_text_added_to_a_built_card_goes_along(pong: Path, tmp_path: Path) -> None:
    copy = tmp_path / "built"
    shutil.copytree(pong, copy)
    card = copy / "README.md"
    card.write_text(card.read_text() + "\n## How we use it\n\nWith care.\n")
    publish(copy, FolderDestination(tmp_path / "published"))
    assert "With care." in (tmp_path / "published" / "README.md").read_text()
