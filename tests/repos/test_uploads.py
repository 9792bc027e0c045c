"""Files that one process uploads ahead and another one's change names, in a folder and on the Hub."""

import dataclasses
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from atari_dqn_replay.builder.errors import OutputError
from atari_dqn_replay.builder.publishing.publish import publish, put
from atari_dqn_replay.builder.repos.built_folder import BuiltCheckpoint, read_built_folder
from atari_dqn_replay.builder.repos.destination import Destination, UploadLostError
from atari_dqn_replay.builder.repos.folder_destination import UPLOADS, FolderDestination
from atari_dqn_replay.builder.repos.hub_destination import HubDestination
from atari_dqn_replay.builder.repos.repo_folder import check_repo_folder
from dataset_folders import Contents, build_dataset, contents
from forks import killed_at
from hub_server import HubServer
from publishing import REPO, configs, held, to_hub, without_card

SHARD = "data/pong/run_1/checkpoint_00/steps-00000-of-00001.parquet"


@pytest.fixture(scope="module")
def pong(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two checkpoints of Pong in one shard each; not to be changed."""
    return build_dataset(tmp_path_factory.mktemp("built") / "pong", shards=1)


@pytest.fixture(params=["folder", "hub"])
def destination(request: pytest.FixtureRequest, tmp_path: Path, hub: HubServer) -> Destination:
    return FolderDestination(tmp_path / "published") if request.param == "folder" else to_hub(hub)


def uploaded(checkpoints: Sequence[BuiltCheckpoint]) -> list[BuiltCheckpoint]:
    """The checkpoints as a process knows them that does not have their data."""
    return [
        dataclasses.replace(each, data=tuple(dataclasses.replace(file, content=None) for file in each.data))
        for each in checkpoints
    ]


def upload(built: Path, destination: Destination) -> list[BuiltCheckpoint]:
    """Uploads the data, and reads the manifests."""
    checkpoints = read_built_folder(built)
    destination.upload([file for each in checkpoints for file in each.data])
    return uploaded(checkpoints)


def published(destination: Destination, hub: HubServer) -> Contents:
    """The files that the destination shows, without the card."""
    if isinstance(destination, FolderDestination):
        files = contents(destination.folder) if destination.folder.exists() else {}
        return {path: file for path, file in without_card(files).items() if not path.startswith(UPLOADS)}
    return without_card(held(hub)) if REPO in hub.repos else {}


def test_uploaded_files_are_published_without_being_there(
    destination: Destination, hub: HubServer, pong: Path
) -> None:
    checkpoints = upload(pong, destination)
    # Nobody sees them yet.
    assert published(destination, hub) == {}
    sent = sum(request.method == "PUT" for request in hub.requests)
    done = put(checkpoints, None, destination)
    assert published(destination, hub) == without_card(contents(pong))
    assert set(done.files) == set(contents(pong))
    assert sum(request.method == "PUT" for request in hub.requests) == sent
    assert put(checkpoints, None, destination).nothing_to_do


def test_the_card_tells_of_uploaded_files(pong: Path, tmp_path: Path) -> None:
    folder = tmp_path / "published"
    put(upload(pong, FolderDestination(folder)), None, FolderDestination(folder))
    assert configs((folder / "README.md").read_bytes()) == configs((pong / "README.md").read_bytes())


def test_a_file_is_uploaded_once(destination: Destination, hub: HubServer, pong: Path) -> None:
    files = [file for each in read_built_folder(pong) for file in each.data]
    destination.upload(files)
    asked = len(hub.requests)
    destination.upload([dataclasses.replace(file, path=f"{file.path}.parquet") for file in files])
    assert not any(request.method == "PUT" for request in list(hub.requests)[asked:])


def test_many_upload_at_once(destination: Destination, hub: HubServer, pong: Path) -> None:
    checkpoints = read_built_folder(pong)
    uploads = [threading.Thread(target=destination.upload, args=(each.data,)) for each in checkpoints * 3]
    for each in uploads:
        each.start()
    for each in uploads:
        each.join()
    put(uploaded(checkpoints), None, destination)
    assert published(destination, hub) == without_card(contents(pong))


def test_lost_uploads_are_named_and_nothing_is_changed(
    destination: Destination, hub: HubServer, pong: Path
) -> None:
    checkpoints = upload(pong, destination)
    lost = next(file for file in checkpoints[0].data if file.path == SHARD)
    place = destination.folder / UPLOADS if isinstance(destination, FolderDestination) else hub.objects
    (place / lost.sha256).unlink()
    with pytest.raises(UploadLostError, match=SHARD) as error:
        put(checkpoints, None, destination)
    assert error.value.paths == (SHARD,)
    assert published(destination, hub) == {}
    destination.upload([file for each in read_built_folder(pong) for file in each.data])
    put(checkpoints, None, destination)
    assert published(destination, hub) == without_card(contents(pong))


def test_what_no_change_names_can_be_discarded(pong: Path, tmp_path: Path) -> None:
    folder = tmp_path / "published"
    destination = FolderDestination(folder)
    upload(pong, destination)
    # The folder is still one that a dataset may go to.
    check_repo_folder(folder)
    publish(pong, destination)
    destination.discard_uploads()
    assert contents(folder) == contents(pong)
    assert not (folder / UPLOADS).exists()
    destination.discard_uploads()


@pytest.mark.slow
@pytest.mark.parametrize("n", range(1, 12))
def test_a_killed_change_finds_the_uploads_again(n: int, pong: Path, tmp_path: Path) -> None:
    folder = tmp_path / "published"
    destination = FolderDestination(folder)
    checkpoints = upload(pong, destination)
    killed_at(n, lambda: put(checkpoints, None, FolderDestination(folder)))
    put(checkpoints, None, destination)
    destination.discard_uploads()
    undisturbed = FolderDestination(tmp_path / "undisturbed")
    publish(pong, undisturbed)
    assert contents(folder) == contents(undisturbed.folder)


def test_a_repo_that_keeps_parquet_in_git_is_refused(hub: HubServer, pong: Path) -> None:
    destination = to_hub(hub)
    destination.upload([])
    hub.lfs_suffixes = ()
    with pytest.raises(OutputError, match="gitattributes"):
        destination.upload([file for each in read_built_folder(pong) for file in each.data])


def test_uploads_to_a_branch_create_it(hub: HubServer, pong: Path) -> None:
    destination = HubDestination(REPO, endpoint=hub.url, token=hub.token, revision="next")
    put(upload(pong, destination), None, destination)
    assert without_card(held(hub, "next")) == without_card(contents(pong))
    assert without_card(held(hub)) == {}
