"""Provides what tests of publishing share: a repo on the test Hub, and functions that inspect it."""

import yaml
from atari_dqn_replay.builder.card.repetition import expand
from atari_dqn_replay.builder.repos.hub_destination import HubDestination
from dataset_folders import Contents
from hub_server import HubServer, Request

REPO = "user/replay"


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
