"""Publishes the page as a static Space on the Hub, where it shows any dataset that its address names."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitOperationAdd
from huggingface_hub.errors import RepositoryNotFoundError

from ..builder.errors import OutputError
from ..builder.network.hub import HubRequests, check_repo_id
from ..builder.network.retrying import RequestFailedError
from .page_files import SETTINGS, page_files, settings_json

CARD = "README.md"
SPACE = "space"

_NEW = {".gitattributes", CARD, "index.html", "style.css"}
"""What the Hub itself puts into a static Space that has just been made."""

_README = """\
---
title: Atari DQN Replay explorer
emoji: 🕹️
colorFrom: yellow
colorTo: blue
sdk: static
app_file: index.html
pinned: false
license: apache-2.0
short_description: Find, watch and read the episodes of an Atari replay dataset
{datasets}---

# Atari DQN Replay explorer

Shows any dataset that `atari-dqn-replay` built: name it in the address, as in
`{address}?dataset=user/name`, and a game, a run, a checkpoint, an episode and a step to
come back to. The page reads the dataset's files in the browser; no server is behind it.
"""


@dataclass(frozen=True)
class PublishedSpace:
    """What was published, or would be."""

    address: str
    files: int
    size: int
    """Bytes."""
    dry_run: bool

    def __str__(self) -> str:
        what = f"{self.files} files, {self.size:,} bytes"
        if self.dry_run:
            return f"would publish the explorer to {self.address} ({what})"
        return f"the explorer is published: {self.address} ({what})"


def publish_space(
    space_id: str,
    dataset: str | None = None,
    *,
    dry_run: bool = False,
    token: str | None = None,
    endpoint: str | None = None,
) -> PublishedSpace:
    """Make a Space of the page, or bring one up to date in a single commit.

    A README.md that its owner has changed stays as it is.

    Args:
        space_id: `user/name`; created as a static Space if there is none.
        dataset: `user/name` of the dataset that is shown if the address names none.
        dry_run: only say what would be done.
        token: None takes the one from HF_TOKEN or `hf auth login`.
        endpoint: None takes HF_ENDPOINT, or huggingface.co.

    Raises:
        OutputError: the Hub refuses, or the Space holds something else.
    """
    check_repo_id(space_id)
    if dataset is not None:
        if Path(dataset).is_dir():
            raise OutputError(
                f"{dataset}: is a folder of this machine, which a Space cannot read; publish it to the Hub, "
                "and name it USER/NAME"
            )
        check_repo_id(dataset)
    hub = HubRequests(f"spaces/{space_id}", token, endpoint, patience=300.0, silence=60.0)
    files = _files(dataset, hub)
    with hub.explained():
        held = _held(hub, space_id)
        if held is not None and SETTINGS not in held and not held <= _NEW:
            others = ", ".join(sorted(held - _NEW)[:3])
            raise OutputError(f"{hub.address}: holds something else ({others}); name another Space")
        if held is not None and SETTINGS in held and CARD in held:
            del files[CARD]
        if not dry_run:
            _commit(hub, space_id, files)
    return PublishedSpace(hub.address, len(files), sum(map(len, files.values())), dry_run)


def _files(dataset: str | None, hub: HubRequests) -> dict[str, bytes]:
    files = {name: path.read_bytes() for name, path in page_files().items()}
    files[SETTINGS] = settings_json(dataset=dataset, hub=hub.api.endpoint)
    # The Hub links a dataset's page to the Spaces whose cards name it.
    datasets = "" if dataset is None else f"datasets:\n- {dataset}\n"
    files[CARD] = _README.format(datasets=datasets, address=hub.address).encode()
    return files


def _held(hub: HubRequests, space_id: str) -> set[str] | None:
    """The files of the Space; None if there is none."""
    try:
        return set(hub.retrying(lambda: hub.api.list_repo_files(space_id, repo_type=SPACE)))
    except RequestFailedError as error:
        # The Hub says 401 to those who show no token, whether the repo is private or missing.
        if isinstance(error.cause, RepositoryNotFoundError) and error.cause.response.status_code == 404:
            return None
        raise


def _commit(hub: HubRequests, space_id: str, files: Mapping[str, bytes]) -> None:
    api = hub.api
    hub.retrying(lambda: api.create_repo(space_id, repo_type=SPACE, space_sdk="static", exist_ok=True))
    additions = [CommitOperationAdd(name, content) for name, content in sorted(files.items())]
    hub.retrying(
        lambda: api.create_commit(
            space_id, additions, repo_type=SPACE, commit_message="Publish the Atari DQN Replay explorer"
        )
    )
