"""Publishing the explorer as a static Space, to a Hub on loopback by the unmodified client."""

import json
from pathlib import Path

import pytest
import yaml
from atari_dqn_replay.builder.errors import OutputError
from atari_dqn_replay.explorer.page_files import page_files
from atari_dqn_replay.explorer.space import publish_space
from command import run
from hub_server import HubServer

SPACE = "user/atari-explorer"
DATASET = "user/atari-dqn-replay"


def publish(hub: HubServer, dataset: str | None = DATASET, *, dry_run: bool = False) -> None:
    publish_space(SPACE, dataset, dry_run=dry_run, token=hub.token, endpoint=hub.url)


def test_a_space_holds_the_page_and_says_which_dataset_it_shows(hub: HubServer) -> None:
    publish(hub)
    files = hub.files(SPACE)
    assert {name: path.read_bytes() for name, path in page_files().items()}.items() <= files.items()
    assert json.loads(files["explorer.json"]) == {"dataset": DATASET, "hub": hub.url}
    card = yaml.safe_load(files["README.md"].decode().split("---")[1])
    assert (card["sdk"], card["app_file"], card["datasets"]) == ("static", "index.html", [DATASET])
    assert not hub.unknown


def test_a_space_for_any_dataset_names_none(hub: HubServer) -> None:
    publish(hub, None)
    assert json.loads(hub.files(SPACE)["explorer.json"]) == {"hub": hub.url}


def test_publishing_again_changes_the_page_and_keeps_its_owners_readme(hub: HubServer) -> None:
    publish(hub)
    repo = hub.repos[SPACE]
    head = repo.find("main")
    repo.append("main", "edit", {**head.files, "README.md": hub.store(b"mine"), "index.html": hub.store(b"")})
    publish(hub)
    files = hub.files(SPACE)
    assert files["README.md"] == b"mine"
    assert files["index.html"] == page_files()["index.html"].read_bytes()


def test_a_space_that_holds_something_else_is_left_alone(hub: HubServer) -> None:
    publish(hub)
    repo = hub.repos[SPACE]
    repo.append("main", "another app", {"README.md": hub.store(b""), "app.py": hub.store(b"import gradio")})
    with pytest.raises(OutputError, match=r"holds something else \(app\.py\); name another Space"):
        publish(hub)
    assert set(hub.files(SPACE)) == {"README.md", "app.py"}


def test_a_dry_run_says_what_would_be_published_and_makes_nothing(hub: HubServer) -> None:
    with hub.of_this_process():
        done = run("explore", DATASET, "--publish-space", SPACE, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"would publish the explorer to {hub.url}/spaces/{SPACE} (")
    assert not hub.repos


def test_the_command_publishes_a_space(hub: HubServer) -> None:
    with hub.of_this_process():
        done = run("explore", DATASET, "--publish-space", SPACE)
    assert done.stdout.startswith(f"the explorer is published: {hub.url}/spaces/{SPACE} ("), done.stderr
    assert "explorer.js" in hub.files(SPACE)


def test_a_space_shows_no_folder_of_this_machine(hub: HubServer, tmp_path: Path) -> None:
    with hub.of_this_process():
        done = run("explore", tmp_path, "--publish-space", SPACE)
    assert done.returncode == 1
    assert "is a folder of this machine" in done.stderr
    assert not hub.repos


@pytest.mark.parametrize("name", ["atari", "user/a b", "a/b/c"])
def test_an_impossible_name_is_refused(hub: HubServer, name: str) -> None:
    with pytest.raises(OutputError, match="repo's"):
        publish_space(name, token=hub.token, endpoint=hub.url)


def test_somebody_elses_space_is_not_written_to(hub: HubServer) -> None:
    with pytest.raises(OutputError, match="another/space"):
        publish_space("another/space", token=hub.token, endpoint=hub.url)
