"""Publishing to a Hub that is busy, drops connections and forgets, with others who publish there, too."""

import email.utils
import functools
import itertools
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest
from atari_dqn_replay.builder.errors import OutputError
from atari_dqn_replay.builder.format.layout import GAME_FOLDERS
from atari_dqn_replay.builder.publishing import publish as publishing_module
from atari_dqn_replay.builder.publishing.publish import publish, put
from atari_dqn_replay.builder.repos.built_folder import read_built_folder
from atari_dqn_replay.builder.repos.folder_destination import FolderDestination
from atari_dqn_replay.builder.repos.outgoing_file import OutgoingFile
from dataset_folders import Contents, build_dataset, contents
from forks import forked
from hub_server import HANG_UP, HubServer, Request, Response, running_hub
from paths import ROOT
from publishing import REPO, commits, configs, held, is_commit, to_hub, without_card
from waiting import PATIENCE

pytestmark = pytest.mark.slow

PUBLISH = """
import sys
from pathlib import Path
from atari_dqn_replay.builder.publishing.publish import publish
from atari_dqn_replay.builder.repos.hub_destination import HubDestination
publish(Path(sys.argv[1]), HubDestination(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def pong(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six checkpoints of Pong in one shard each; not to be changed."""
    return build_dataset(tmp_path_factory.mktemp("built") / "pong", checkpoints=tuple(range(6)), shards=1)


@pytest.fixture
def small_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two checkpoints, of three files each, in a commit."""
    monkeypatch.setattr(publishing_module, "COMMIT_FILES", 7)


@functools.cache
def undisturbed(folder: Path) -> dict[str, bytes]:
    with running_hub() as hub:
        publish(folder, to_hub(hub))
        return held(hub)


# --- Several commits ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_commits")
def test_each_of_several_commits_is_a_whole_dataset(hub: HubServer, pong: Path) -> None:
    done = publish(pong, to_hub(hub))
    assert commits(hub) == 3
    assert set(done.files) == set(contents(pong))
    assert done.unchanged == 0
    assert held(hub) == undisturbed(pong)
    # After each commit the card tells of what is there: no less, and no more.
    histories = list(hub.repos[REPO].commits)[1:]
    for checkpoints, commit in zip((2, 4, 6), histories, strict=True):
        files = held(hub, commit)
        assert sum(path.startswith("manifests/") for path in files) == checkpoints
        last = f"0[0-{checkpoints - 1}]" if checkpoints > 2 else "0[01]"
        assert configs(files["README.md"])["pong-full"] == [
            {"split": "run_1", "path": f"data/pong/run_1/checkpoint_{last}/*.parquet"}
        ]


@pytest.mark.usefixtures("small_commits")
def test_an_interrupted_publication_goes_on_with_what_is_missing(hub: HubServer, pong: Path) -> None:
    hub.fault = lambda request: Response(418, {}) if is_commit(request) and commits(hub) == 2 else None
    with pytest.raises(OutputError, match="418"):
        publish(pong, to_hub(hub))
    hub.fault = lambda request: None
    done = publish(pong, to_hub(hub))
    assert len(done.files) == 2 * 3 + 2
    assert done.unchanged == 4 * 3
    assert commits(hub) == 3
    assert held(hub) == undisturbed(pong)


def told(files: Contents, config: str) -> list[str]:
    """The files that a config of the card matches, glob by glob, none of which may be without a match."""
    paths = []
    for split in configs(files["README.md"]).get(config, []):
        for glob in split["path"] if isinstance(split["path"], list) else [split["path"]]:
            matched = [path for path in files if PurePosixPath(path).match(glob)]
            assert matched, glob
            paths += matched
    return sorted(paths)


@pytest.mark.usefixtures("small_commits")
def test_a_card_tells_of_a_game_when_it_is_there(
    hub: HubServer, pong: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = shutil.copytree(pong, tmp_path / "both")
    build_dataset(both, "breakout", checkpoints=(0,), shards=1)
    card = (both / "README.md").read_text()
    (both / "README.md").write_text(f"{card}\n## Ours\n\nOur own words.\n")
    publish(both, to_hub(hub))
    histories = [held(hub, commit) for commit in list(hub.repos[REPO].commits)[1:]]
    assert len(histories) == 4
    for files in histories:
        for game in ("pong", "breakout"):
            shards = [path for path in files if path.startswith(f"data/{game}/") and "/steps-" in path]
            assert told(files, f"{game}-full") == shards
    # In the end the card is what it is after a publication in one piece.
    monkeypatch.setattr(publishing_module, "COMMIT_FILES", 99)
    publish(both, FolderDestination(tmp_path / "whole"))
    whole = (tmp_path / "whole/README.md").read_text()
    assert histories[-1]["README.md"].decode().replace(REPO, "path/to/this/folder") == whole


@pytest.mark.usefixtures("small_commits")
def test_a_run_is_replaced_by_that_of_another_log(hub: HubServer, pong: Path, tmp_path: Path) -> None:
    other = build_dataset(tmp_path / "other", checkpoints=tuple(range(6)), shards=1, seed=7)
    for manifest in other.glob("manifests/pong/*/*.json"):
        manifest.write_text(manifest.read_text().replace('"capacity": 24', '"capacity": 25'))
    for destination in (to_hub(hub), FolderDestination(tmp_path / "published")):
        publish(pong, destination)
        publish(other, destination)
    assert without_card(held(hub)) == without_card(contents(other))
    assert contents(tmp_path / "published") == contents(other)
    # On the way the card tells of no checkpoint of the old log beside one of the new.
    for done, commit in zip((2, 4, 6), list(hub.repos[REPO].commits)[4:], strict=True):
        shards = [path for path in contents(other) if "/steps-" in path]
        assert told(held(hub, commit), "pong-full") == shards[:done]


def test_a_publication_lists_the_repo_once(hub: HubServer, pong: Path, tmp_path: Path) -> None:
    """What a commit holds follows from what was there before, so the pictures need no other listing."""
    publish(pong, to_hub(hub))
    other = build_dataset(tmp_path / "other", checkpoints=tuple(range(6)), shards=1, seed=7)
    for folder, is_there in ((other, False), (other, True)):
        asked = len(hub.requests)
        assert publish(folder, to_hub(hub)).nothing_to_do is is_there
        listings = [each.path for each in list(hub.requests)[asked:] if "/tree/" in each.path]
        assert len(listings) == len(GAME_FOLDERS), listings
    assert without_card(held(hub)) == without_card(undisturbed(other))


def test_a_checkpoint_costs_as_much_however_many_are_there(hub: HubServer, tmp_path: Path) -> None:
    destination = to_hub(hub)
    built = build_dataset(tmp_path / "pong", checkpoints=tuple(range(6)), shards=1, steps=2)
    costs = []
    for checkpoint in read_built_folder(built):
        asked = len(hub.requests)
        put([checkpoint], None, destination)
        costs.append(len(hub.requests) - asked)
    assert len(set(costs[1:])) == 1
    # Another process reads the others' manifests, but each only once.
    asked, destination = len(hub.requests), to_hub(hub)
    for seed in (1, 2):
        rebuilt = build_dataset(tmp_path / f"rebuilt-{seed}", checkpoints=(0,), shards=1, steps=2, seed=seed)
        put(read_built_folder(rebuilt), None, destination)
    read = Counter(each.path for each in list(hub.requests)[asked:] if "/manifests/" in each.path)
    assert len(read) == 5
    assert set(read.values()) == {1}


@pytest.mark.usefixtures("small_commits")
@pytest.mark.parametrize("n", [3, 7, 9, 12, 15, 17, 18, 23, 29])
def test_killed_at_a_request_and_run_again(n: int, hub: HubServer, pong: Path) -> None:
    asked = itertools.count(1)

    def kill_at_the_nth(request: Request) -> None:
        if next(asked) == n:
            process.kill()

    hub.fault = kill_at_the_nth
    process = forked(lambda: publish(pong, to_hub(hub)))
    process.join(PATIENCE)
    assert process.exitcode == -signal.SIGKILL
    hub.fault = lambda request: None
    publish(pong, to_hub(hub))
    assert held(hub) == undisturbed(pong)
    for commit in list(hub.repos[REPO].commits)[1:]:
        files = held(hub, commit)
        assert told(files, "pong-full") == [path for path in files if "/steps-" in path]


# --- A Hub that fails -----------------------------------------------------------------------------------


class Faults:
    """Fails one request in five: refusals with and without a wait, hung up before or after the work."""

    def __init__(self, hub: HubServer, seed: int) -> None:
        self.hub = hub
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.kinds: Counter[str] = Counter()

    def __call__(self, request: Request) -> Response | None:
        with self.lock:
            fails = self.random.random() < 0.2
            kind = self.random.choice(["500", "503", "429", "429 date", "hung up", "answer lost"])
        if not fails:
            return None
        self.kinds[kind] += 1
        if kind == "answer lost" and request.method != "PUT":
            self.hub.handle(request)
        if kind in ("hung up", "answer lost"):
            return HANG_UP
        soon = email.utils.formatdate(time.time() + 1, usegmt=True)
        headers = {
            "429": {"Retry-After": "1"},
            "429 date": {"Retry-After": soon},
            "503": {"Retry-After": "0"},
        }
        return Response(int(kind[:3]), {"error": "busy"}, headers.get(kind, {}))


@pytest.mark.usefixtures("small_commits")
@pytest.mark.parametrize("seed", [1, 2])
def test_a_hub_that_fails_one_request_in_five(seed: int, hub: HubServer, pong: Path) -> None:
    hub.fault = faults = Faults(hub, seed)
    done = publish(pong, to_hub(hub))
    hub.fault = lambda request: None
    assert sum(faults.kinds.values()) >= 5
    assert held(hub) == undisturbed(pong)
    assert set(done.files) == set(contents(pong))
    assert commits(hub) == 3
    assert publish(pong, to_hub(hub)).nothing_to_do


def failing_once(hub: HubServer, kind: Callable[[Request], bool], response: Response) -> list[float]:
    """Lets the first such request fail, and tells when it and those after it came."""
    times: list[float] = []

    def fault(request: Request) -> Response | None:
        if not kind(request):
            return None
        times.append(time.monotonic())
        return response if len(times) == 1 else None

    hub.fault = fault
    return times


IN_TWO_SECONDS: dict[str, Callable[[], dict[str, str]]] = {
    "seconds": lambda: {"Retry-After": "2"},
    "date": lambda: {"Retry-After": email.utils.formatdate(time.time() + 3, usegmt=True)},
    "rate limit": lambda: {"RateLimit": '"api";r=0;t=2'},
}


@pytest.mark.parametrize("header", IN_TWO_SECONDS)
def test_the_hub_is_left_alone_as_long_as_it_asks(header: str, hub: HubServer, pong: Path) -> None:
    publish(pong, to_hub(hub))
    times = failing_once(
        hub, lambda request: "/tree/" in request.path, Response(429, {}, IN_TWO_SECONDS[header]())
    )
    publish(pong, to_hub(hub))
    assert times[1] - times[0] >= 1.9


def test_a_listing_goes_on_with_the_page_that_failed(pong: Path) -> None:
    with running_hub(page_size=5) as hub:
        publish(pong, to_hub(hub))
        pages: list[str] = []

        def fail_each_page_once(request: Request) -> Response | None:
            if "/tree/" not in request.path:
                return None
            pages.append(request.target)
            return HANG_UP if pages.count(request.target) == 1 else None

        hub.fault = fail_each_page_once
        assert publish(pong, to_hub(hub)).nothing_to_do
        assert len(set(pages)) > 3
        assert set(Counter(pages).values()) == {2}


def test_patience_ends(hub: HubServer, pong: Path) -> None:
    hub.fault = lambda request: Response(503, {}, {"Retry-After": "3600"})
    with pytest.raises(OutputError, match=r"does not answer \(503, come back in 3,600 s\)"):
        publish(pong, to_hub(hub, patience=60.0))
    assert len(hub.requests) == 1
    hub.fault = lambda request: HANG_UP
    with pytest.raises(OutputError, match="does not answer"):
        publish(pong, to_hub(hub, patience=1.0))
    assert 1 < len(hub.requests) < 10


def test_a_silent_hub_is_asked_again(pong: Path) -> None:
    with running_hub() as hub:
        silence = threading.Event()

        def silent_once(request: Request) -> None:
            if is_commit(request) and not silence.is_set():
                silence.set()
                time.sleep(5)

        hub.fault = silent_once
        process = forked(lambda: publish(pong, to_hub(hub, silence=1.0)))
        process.join(PATIENCE)
        assert process.exitcode == 0
        assert silence.is_set()
        assert held(hub) == undisturbed(pong)


def test_refusals_are_not_repeated(hub: HubServer, pong: Path) -> None:
    hub.fault = lambda request: Response(400, {"error": "no"}) if is_commit(request) else None
    with pytest.raises(OutputError, match="refused \\(400"):
        publish(pong, to_hub(hub))
    assert sum(is_commit(request) for request in hub.requests) == 1


def test_what_the_hub_says_of_storage_is_told(hub: HubServer, pong: Path) -> None:
    def no_room(request: Request) -> Response | None:
        if not request.path.endswith("/objects/batch"):
            return None
        error = {"code": 403, "message": "no storage left"}
        objects = [{**wanted, "error": error} for wanted in request.json()["objects"]]
        return Response(value={"transfer": "basic", "objects": objects})

    hub.fault = no_room
    with pytest.raises(OutputError, match=r"the Hub refused .*no storage left"):
        publish(pong, to_hub(hub))


def test_what_xet_cannot_do_is_told_at_once(hub: HubServer, pong: Path) -> None:
    # The test Hub has no Xet, so it answers 404 to those who ask for it.
    pytest.importorskip("hf_xet")
    run = subprocess.run(
        [sys.executable, "-c", PUBLISH, str(pong), REPO],
        cwd=ROOT,
        env={**hub.environment(), "HF_HUB_DISABLE_XET": "0"},
        capture_output=True,
        text=True,
    )
    assert re.search(r"OutputError: .*the Hub refused .*404 Not Found.*xet-write-token", run.stderr)
    assert sum("xet-write-token" in request.path for request in hub.requests) == 1
    assert commits(hub) == 0


def test_mistakes_of_ours_are_not_blamed_on_the_hub(hub: HubServer) -> None:
    with pytest.raises(ValueError, match="escape"):
        to_hub(hub).upload([OutgoingFile.of_bytes("../escape", b"")])


@pytest.mark.parametrize(
    ("path", "status", "body", "says"),
    [
        (
            "/api/validate-yaml",
            413,
            b"Payload Too Large",
            r"too large \(413\), with [0-9.]+kB of README\.md; .*{game}",
        ),
        ("/api/validate-yaml", 413, b'"Payload Too Large"', "too large .*{game} in --repo-id"),
        ("/commit/main", 413, b"<html>\xff</html>", "too large .*{game} in --repo-id"),
        ("/api/validate-yaml", 403, b"<html>no</html>", "may not write there"),
        ("/preupload/main", 451, b"<html>no</html>", r"the Hub refused \(451"),
        ("/api/repos/create", 400, b"", r"the Hub refused \(400"),
    ],
)
def test_a_refusal_is_final_whatever_its_body(
    hub: HubServer, pong: Path, path: str, status: int, body: bytes, says: str
) -> None:
    asked: list[Request] = []

    def refuse(request: Request) -> Response | None:
        if not request.path.endswith(path):
            return None
        asked.append(request)
        return Response(status, body)

    hub.fault = refuse
    with pytest.raises(OutputError, match=says):
        publish(pong, to_hub(hub))
    assert len(asked) == 1


def test_a_card_that_the_hub_refuses_is_told(hub: HubServer, pong: Path) -> None:
    refusal = Response(400, {"errors": [{"message": '"license" must be one of [isc]'}], "warnings": []})
    hub.fault = lambda request: refusal if request.path == "/api/validate-yaml" else None
    with pytest.raises(OutputError, match=r'refused the card .*"license" must be one of'):
        publish(pong, to_hub(hub), license="mit")


# --- Others at the same time ----------------------------------------------------------------------------


@pytest.mark.usefixtures("small_commits")
def test_two_processes_publish_different_games_into_one_repo(
    hub: HubServer, pong: Path, tmp_path: Path
) -> None:
    breakout = build_dataset(tmp_path / "breakout", "breakout", checkpoints=tuple(range(6)), shards=1)
    both_are_there = threading.Barrier(2)
    asked = itertools.count()

    def let_the_first_commits_collide(request: Request) -> None:
        if is_commit(request) and next(asked) < 2:
            both_are_there.wait(60)

    hub.fault = let_the_first_commits_collide
    processes = [forked(functools.partial(publish, folder, to_hub(hub))) for folder in (pong, breakout)]
    for process in processes:
        process.join(PATIENCE)
        assert process.exitcode == 0
    assert commits(hub) == 6
    assert sum(map(is_commit, hub.requests)) > 6
    with running_hub() as other:
        publish(pong, to_hub(other))
        publish(breakout, to_hub(other))
        assert held(hub) == held(other)
