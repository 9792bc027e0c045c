"""The page: built from its sources, and used in a browser against real servers and real logs.

The tests in the browser are in `explorer/web/end-to-end`; here are what they look at, and what they saved.
"""

import contextlib
import importlib.util
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pyarrow.parquet as pq
import pytest
from atari_dqn_replay.builder.card.pictures.coverage import seen_fields
from atari_dqn_replay.explorer.page_files import PAGE, settings_json
from atari_dqn_replay.explorer.server import ExplorerServer, Served, serve_folder
from command import run
from crafter_datasets import CRAFTER, crafter_dataset, episodes_of
from hub_server import HubServer, running_hub
from logs import Played, write_log
from PIL import Image
from publishing import REPO
from web_server import running_web
from whole_collection import make_up_whole_collection

WEB = Path(__file__).parents[2] / "explorer" / "web"
HAS_CRAFTER = all(importlib.util.find_spec(name) for name in ("crafter", "numba"))
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")

pytestmark = pytest.mark.skipif(shutil.which("npm") is None, reason="Node.js with npm is not installed")


@pytest.fixture(scope="module", autouse=True)
def packages() -> None:
    """What the page is built and tested with, as its lock file says."""
    if not (WEB / "node_modules").is_dir():
        npm("ci")


def npm(*arguments: str, **environment: str) -> None:
    done = subprocess.run(
        ["npm", *arguments],
        cwd=WEB,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_the_sources_are_well_typed_and_pass_their_own_tests() -> None:
    npm("run", "check")
    npm("test")


@pytest.mark.slow
def test_the_page_in_the_package_is_what_its_sources_give(tmp_path: Path) -> None:
    npm("run", "build", "--", "--outDir", str(tmp_path / "page"), "--logLevel", "error")
    built = {path.name: path.read_bytes() for path in (tmp_path / "page").iterdir()}
    committed = {path.name: path.read_bytes() for path in PAGE.iterdir()}
    assert built.keys() == committed.keys(), "run `npm run build` in explorer/web"
    different = [name for name, content in built.items() if content != committed[name]]
    assert not different, "run `npm run build` in explorer/web"


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Real frames: a log of Pong with an episode longer than a row group, two small ones of Breakout."""
    logs = tmp_path_factory.mktemp("logs")
    for number in (1, 2):
        write_log(logs, [50, 60, 70, 90, 100, 40], capacity=200, game="Breakout", run=number, seed=number)
    return write_log(logs, [40, 2600, 60, 80, 300, 90, 200], capacity=2900)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the browser's tests find what was played, and leave what they saved."""
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def setting(played: Played, files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Servers of every kind, and the file that tells the browser's tests where they are."""
    folder = tmp_path_factory.mktemp("setting")
    dataset = folder / "dataset"
    built = run("build", "all", "--source", played.root, "--out", dataset)
    assert built.returncode == 0, built.stderr
    tell_what_was_played(played, dataset, files)
    whole = make_up_whole_collection(folder / "whole", folder / "example")
    with (
        running(serve_folder(dataset, hub="https://example.org")) as on_folder,
        running(serve_folder(whole, hub="https://example.org")) as on_whole,
        running_hub() as hub,
        running(ExplorerServer(Served(settings_json(dataset=REPO, hub=hub.url)))) as on_hub,
        running_web(lay_out_web(folder / "web", dataset)) as web,
        running_crafter(files) as on_crafter,
    ):
        told = {
            "chromium": CHROMIUM,
            "folder": on_folder,
            "hub": on_hub,
            "repo": REPO,
            "token": hub.token,
            "commit": publish_privately(hub, dataset),
            "web": web.url,
            "whole": on_whole,
            "crafter": on_crafter,
            "files": str(files),
        }
        (folder / "setting.json").write_text(json.dumps(told))
        yield folder / "setting.json"


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
class TestInABrowser:
    def test_episodes_are_watched_and_saved(self, setting: Path, played: Played, files: Path) -> None:
        npm("run", "end-to-end", "watch", EXPLORER_SETTING=str(setting))
        check_downloads(played, files)

    def test_episodes_are_found_by_everybody(self, setting: Path) -> None:
        npm("run", "end-to-end", "find", EXPLORER_SETTING=str(setting))

    def test_datasets_are_read_wherever_they_lie(self, setting: Path) -> None:
        npm("run", "end-to-end", "places", EXPLORER_SETTING=str(setting))

    @pytest.mark.skipif(not HAS_CRAFTER, reason="Crafter is not installed")
    def test_a_world_is_shown_with_its_map_and_state(self, setting: Path) -> None:
        npm("run", "end-to-end", "world", EXPLORER_SETTING=str(setting))


@contextlib.contextmanager
def running_crafter(files: Path) -> Iterator[str]:
    """The address of a dataset of Crafter, of which `files` says what its second episode holds."""
    if not HAS_CRAFTER:
        yield ""
        return
    world = CRAFTER.world
    assert world is not None
    first, episode, *_ = episodes_of(crafter_dataset())
    names = CRAFTER.actions
    told = {name: episode[name].tolist() for name in ("player_x", "player_y", "inventory_health")}
    told["action"] = [names[action] for action in episode["action"]]
    told["pixel"] = episode["observation"][0, 0, 0].tolist()
    paths = [np.stack([each["player_x"], each["player_y"]], axis=1) for each in (first, episode)]
    one, other = (seen_fields(path, world.sight, world.fields) for path in paths)
    told["overlap"] = float((one & other).sum() / (one | other).sum())
    told["coverage"] = float((one | other).mean())
    (files / "crafter.json").write_text(json.dumps(told))
    with running(serve_folder(crafter_dataset(), hub="https://example.org")) as address:
        yield address


def tell_what_was_played(played: Played, dataset: Path, files: Path) -> None:
    tables = sorted((dataset / "episodes/pong/run_1").glob("*.parquet"))
    rows = [row for table in tables for row in pq.read_table(table).to_pylist()]
    assert sum(row["length"] for row in rows) == len(played)
    told, first = [], 0
    for row in rows:
        steps = slice(first, first + row["length"])
        actions = [played.game.actions[action] for action in played.action[steps]]
        rewards = [int(reward) for reward in played.reward[steps]]
        place = {key: row[key] for key in ("checkpoint", "episode", "length")}
        told.append({**place, "action": actions, "reward": rewards})
        first = steps.stop
    (files / "pong.json").write_text(json.dumps(told))
    (files / "pong.bin").write_bytes(played.observation.tobytes())


def lay_out_web(folder: Path, dataset: Path) -> Path:
    """The page, with datasets of every kind beside it."""
    shutil.copytree(PAGE, folder / "page")
    shutil.copytree(dataset, folder / "damaged")
    (folder / "dataset").symlink_to(dataset)
    for shard in (folder / "damaged/data/pong/run_1/checkpoint_00").glob("*.parquet"):
        shard.write_bytes(bytes(shard.stat().st_size))
    (folder / "no-dataset").mkdir()
    (folder / "no-dataset/README.md").write_text("---\nconfigs: []\n---\n")
    shutil.copytree(dataset, folder / "<img src=x onerror=alert(1)>")
    card = folder / "<img src=x onerror=alert(1)>/README.md"
    lines = card.read_text().splitlines(keepends=True)
    card.write_text("".join([lines[0], "pretty_name: <script>alert(1)</script>\n", *lines[2:]]))
    return folder


def publish_privately(hub: HubServer, dataset: Path) -> str:
    """Publish, and return the commit."""
    with hub.of_this_process():
        done = run("publish", dataset, "--repo-id", REPO, "--private")
    assert done.returncode == 0, done.stderr
    return hub.repos[REPO].find("main").id


@contextlib.contextmanager
def running(server: ExplorerServer) -> Iterator[str]:
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield server.url
        server.shutdown()


def check_downloads(played: Played, files: Path) -> None:
    """What was saved of the log's first episode shows the log's frames."""
    frames = played.observation[:40]
    name = "pong-run-1-checkpoint-0-episode-0"
    assert (np.asarray(Image.open(files / f"{name}-step-3.png").convert("L")) == frames[3]).all()
    with Image.open(files / f"{name}.gif") as gif:
        assert getattr(gif, "n_frames", 0) == len(frames)
        for number, frame in enumerate(frames):
            gif.seek(number)
            assert (np.asarray(gif.convert("L")) == frame).all()
    (video,) = [*files.glob(f"{name}.mp4"), *files.glob(f"{name}.webm")]
    assert imageio_ffmpeg.count_frames_and_secs(str(video))[0] == len(frames)
