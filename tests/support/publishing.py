"""Provides what tests of publishing share: a repo on the test Hub, and functions that inspect it."""

import itertools
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import yaml
from atari_dqn_replay.builder.card.repetition import expand
from atari_dqn_replay.builder.repos.hub_destination import HubDestination
from dataset_folders import Contents
from hub_server import HubServer, Request
from waiting import PATIENCE

REPO = "user/replay"


def killed_at(n: int, task: Callable[[], object]) -> None:
    """Do a task in a fork of this process that is killed at its n-th change of a folder named `published`.

    A change is to create, rename or remove a file there; the kill comes right before it.
    """

    def kill_at_the_nth() -> None:
        changes = itertools.count(1)

        def watch(event: str, arguments: tuple[Any, ...]) -> None:
            changing = event in ("os.rename", "os.remove") or (event == "open" and "w" in str(arguments[1]))
            if changing and "/published/" in str(arguments[0]) and next(changes) == n:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(watch)
        task()

    process = multiprocessing.get_context("fork").Process(target=kill_at_the_nth)
    process.start()
    process.join(PATIENCE)
    assert process.exitcode == -signal.SIGKILL


def to_hub(hub: HubServer, **options: str | bool | float) -> HubDestination:
    return HubDestination(REPO, endpoint=hub.url, **{"token": hub.token, **options})  # pyright: ignore


def held(hub: HubServer, revision: str = "main") -> Contents:
    files = hub.files(REPO, revision)
    files.pop(".gitattributes")
    return files


def without_card(files: Contents) -> Contents:
    return {path: content for path, content in files.items() if path != "README.md"}


def configs(card: bytes) -> dict[str, list[dict[str, str]]]:
    """The globs of each config by split, with whole paths."""
    metadata = yaml.safe_load(card.decode().split("---")[1])
    return {config["config_name"]: config["data_files"] for config in expand(metadata["configs"])}


def commits(hub: HubServer) -> int:
    return len(hub.repos[REPO].commits) - 1


def is_commit(request: Request) -> bool:
    return "/commit/" in request.path
