"""Kills publications at random moments, and checks what readers find before and after the next attempt.

    python tests/support/kills.py --kills 100 --to folder
    python tests/support/kills.py --kills 100 --to hub

A small source of real play is published as a whole; or an older, smaller state of it was published before, so
that checkpoints are replaced. Each publication is killed (SIGKILL) after a random share of the time that it
takes, a stock reader loads what is there, and the publication is run again. The result must have the same
bytes as an undisturbed one. On the Hub every commit of every trial is also checked: shards, manifests and
card agree.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import yaml
from atari_dqn_replay.builder.assembly import coordinator
from atari_dqn_replay.builder.assembly.job import Place
from atari_dqn_replay.builder.assembly.plan import make_plan
from atari_dqn_replay.builder.assembly.publish_source import publish_source
from atari_dqn_replay.builder.engines.engine import ProcessEngine
from atari_dqn_replay.builder.format.layout import CARD
from atari_dqn_replay.builder.format.manifest import Manifest
from atari_dqn_replay.builder.sources.open import named_games, open_source
from dataset_folders import Contents, contents
from hub_server import HubServer, running_hub
from huggingface_hub import HfApi
from huggingface_hub.hf_api import RepoFile
from logs import write_log

SECONDS = 60
"""Seconds after which a hanging child is killed; none hangs."""


def write_source(folder: Path) -> Path:
    """Write a source of two games; `grow` adds Pong's last checkpoints."""
    write_log(folder, [30, 70, 45, 60, 95, 20, 80, 33], capacity=60)
    write_log(folder, [90, 25, 140, 40], capacity=75, game="Breakout", run=2, seed=1)
    return folder


def younger(source: Path, folder: Path) -> Path:
    """Copy the source as it was before its last checkpoints."""
    shutil.copytree(source, folder)
    for number in (4, 5, 6, 7, 8):
        for path in folder.glob(f"Pong/1/replay_logs/*_ckpt.{number}.gz"):
            path.unlink()
    return folder


def publish(source: Path, place: Place, work: Path) -> None:
    """Do what `atari-dqn-replay publish all` does."""
    coordinator.BATCH_CHECKPOINTS, coordinator.SCAN_SECONDS = 3, 0.0  # several commits
    opened = open_source(str(source))
    plan = make_plan(opened, named_games(opened, ["all"]), place, str(work))
    publish_source(plan, ProcessEngine())


def in_child(task: Callable[[], None], *, kill_after: float | None = None) -> float:
    """Run a task in a separate process, and return the seconds that it took."""
    began = time.monotonic()
    child = os.fork()
    if not child:
        status = 1
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            signal.alarm(SECONDS)
            task()
            status = 0
        except BaseException:
            traceback.print_exc(file=sys.stdout)
            sys.stdout.flush()
        finally:
            os._exit(status)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if kill_after is None and status:
        raise AssertionError(f"the task ended with {status}")
    return time.monotonic() - began


def load_all(path: str) -> None:
    """Load every config and split as a user does, which compares the rows with the card."""
    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as cache:
        for config in datasets.get_dataset_config_names(path):
            if config == "default":  # no card yet
                continue
            loaded: Any = datasets.load_dataset(path, config, cache_dir=cache)
            for split in loaded.values():
                assert split[0].keys() == split[-1].keys() == split.features.keys()


def check_agreement(files: Contents) -> None:
    """Check that shards, manifests and card agree in one revision."""
    manifests = [
        Manifest.from_json(text, path) for path, text in files.items() if path.startswith("manifests/")
    ]
    named = {file.path: file.size for manifest in manifests for file in manifest.files()}
    held = {path: len(content) for path, content in files.items() if path.endswith(".parquet")}
    assert held == named
    if not named:
        return
    told = yaml.safe_load(files[CARD].decode().split("---")[1])["dataset_info"]
    rows = {info["config_name"]: {s["name"]: s["num_examples"] for s in info["splits"]} for info in told}
    for manifest in manifests:
        of_run = [m for m in manifests if (m.game, m.run) == (manifest.game, manifest.run)]
        steps = sum(m.step_counts.steps for m in of_run)
        assert rows[f"{manifest.find_game().slug}-full"][f"run_{manifest.run}"] == steps


class Trials:
    """Trials in one kind of place."""

    def __init__(self, folder: Path, *, on_hub: bool, seed: int) -> None:
        self.folder, self.on_hub = folder, on_hub
        self.random = random.Random(seed)
        self.source = write_source(folder / "source")
        self.younger = younger(self.source, folder / "younger")
        undisturbed = self.place("undisturbed")
        first = in_child(lambda: publish(self.source, undisturbed, folder / "work"))
        self.expected = self.contents(undisturbed)
        self.seconds = first

    def place(self, name: str) -> Place:
        if self.on_hub:
            return Place(repo_id=f"user/{name}")
        return Place(folder=str(self.folder / name))

    def contents(self, place: Place) -> dict[str, Any]:
        """Returns everything there, by its content."""
        if place.repo_id is None:
            return contents(Path(str(place.folder)))
        tree = HfApi().list_repo_tree(place.repo_id, recursive=True, repo_type="dataset")
        found = {entry.path: entry.blob_id for entry in tree if isinstance(entry, RepoFile)}
        with tempfile.TemporaryDirectory() as folder:
            card = HfApi().hf_hub_download(place.repo_id, CARD, repo_type="dataset", local_dir=folder)
            # It names this repo in its loading example.
            found[CARD] = Path(card).read_text().replace(place.repo_id, "user/name")
        return found

    def run(self, name: str) -> str:
        """Run one trial, and return how far the publication was when it was killed."""
        place, work = self.place(name), self.folder / f"work-{name}"
        if self.random.random() < 0.5:
            in_child(lambda: publish(self.younger, place, work))
        after = self.random.uniform(0, 1.1 * self.seconds)
        in_child(lambda: publish(self.source, place, work), kill_after=after)
        there = self.is_there(place)
        if there:
            in_child(lambda: load_all(str(place)))
        in_child(lambda: publish(self.source, place, work))
        found = self.contents(place)
        assert found == self.expected, f"{name}: {dict(found.items() ^ self.expected.items()).keys()}"
        assert not list(work.iterdir()), "nothing is left in it"
        if not self.on_hub:
            shutil.rmtree(str(place.folder))
        return f"{name}: killed after {after:.2f} s, {'loaded' if there else 'nothing there yet'}, mended"

    def is_there(self, place: Place) -> bool:
        if place.repo_id is None:
            return (Path(str(place.folder)) / CARD).exists()
        api = HfApi()
        return api.repo_exists(place.repo_id, repo_type="dataset") and api.file_exists(
            place.repo_id, CARD, repo_type="dataset"
        )


def check_commits(hub: HubServer) -> int:
    """Check every commit of every repo, and return how many there are."""
    checked = 0
    for repo in hub.repos.values():
        for commit in repo.commits:
            check_agreement(hub.files(repo.id, commit))
            checked += 1
    return checked


def run_trials(kills: int, *, on_hub: bool, seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        trials = Trials(Path(folder), on_hub=on_hub, seed=seed)
        for number in range(kills):
            print(trials.run(f"trial-{number}"), flush=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--to", choices=("folder", "hub"), default="folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.to == "hub" and not options.inside:
        with running_hub() as hub:
            command = [sys.executable, __file__, *(arguments or sys.argv[1:]), "--inside"]
            status = subprocess.run(command, env=hub.environment(), check=False).returncode
            print(f"{check_commits(hub)} commits are whole")
            return status
    run_trials(options.kills, on_hub=options.to == "hub", seed=options.seed)
    print(f"{options.kills} kills, every one mended")
    return 0


if __name__ == "__main__":
    sys.exit(main())
