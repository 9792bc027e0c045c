"""The test Hub, as the unmodified clients see it over a real socket."""

import hashlib
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset, Features, Image, Value
from hub_server import HubServer, Request, Response, running_hub
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, hf_hub_url
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.utils import build_hf_headers, get_session
from PIL import Image as Pillow

REPO = "user/frames"
ROWS = 40

CARD = """---
configs:
- config_name: first
  data_files:
  - split: run_1
    path: data/a/*.parquet
- config_name: both
  default: true
  data_files:
  - split: run_1
    path: data/*/*.parquet
---
# Frames
"""

LOAD = """
import gc, json, sys
from datasets import load_dataset
answers = {}
for config in ("first", "both"):
    for streaming in (False, True):
        rows = load_dataset(sys.argv[1], config, split="run_1", streaming=streaming)
        answers[f"{config} {streaming}"] = [[row["step"], sum(row["observation"].tobytes())] for row in rows]
print(json.dumps(answers))
del rows
gc.collect()  # see builder/verification/stock_streams.py
"""


def frame(step: int) -> np.ndarray:
    return np.random.default_rng(step).integers(0, 256, (84, 84), dtype=np.uint8)


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset repo with two configs over Parquet files that hold images."""
    folder = tmp_path_factory.mktemp("frames")
    features = Features({"observation": Image(), "step": Value("int32")})
    for place, name in enumerate(("a", "b")):
        steps = range(place * ROWS, (place + 1) * ROWS)
        rows = {
            "observation": [{"bytes": png(frame(step)), "path": None} for step in steps],
            "step": list(steps),
        }
        (folder / "data" / name).mkdir(parents=True)
        Dataset.from_dict(rows, features=features).to_parquet(folder / "data" / name / "steps.parquet")
    (folder / "README.md").write_text(CARD)
    return folder


def client(hub: HubServer, token: str | None = None) -> HfApi:
    return HfApi(endpoint=hub.url, token=token or hub.token)


def publish(hub: HubServer, folder: Path) -> HfApi:
    api = client(hub)
    api.create_repo(REPO, repo_type="dataset")
    api.upload_folder(repo_id=REPO, repo_type="dataset", folder_path=folder)
    return api


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_an_uploaded_folder_is_held_byte_for_byte(hub: HubServer, folder: Path) -> None:
    api = publish(hub, folder)
    held = hub.files(REPO)
    assert held.pop(".gitattributes")
    assert held == contents(folder)
    # Parquet went through LFS, the card did not, and the same again uploads nothing.
    tree = {entry.path: entry for entry in api.list_repo_tree(REPO, recursive=True, repo_type="dataset")}
    shard = getattr(tree["data/a/steps.parquet"], "lfs", None)
    assert shard is not None
    assert shard.sha256 == hashlib.sha256(held["data/a/steps.parquet"]).hexdigest()
    assert getattr(tree["README.md"], "lfs", None) is None
    head = api.dataset_info(REPO).sha
    uploads = sum(request.method == "PUT" for request in hub.requests)
    api.upload_folder(repo_id=REPO, repo_type="dataset", folder_path=folder)
    assert api.dataset_info(REPO).sha == head
    assert uploads == 2 == sum(request.method == "PUT" for request in hub.requests)
    assert hub.unknown == []


@pytest.mark.slow
def test_stock_datasets_loads_and_streams(hub: HubServer, folder: Path) -> None:
    publish(hub, folder)
    environment = {**hub.environment(), "USE_TORCH": "0"}  # which `datasets` would import
    run = subprocess.run(
        [sys.executable, "-c", LOAD, REPO], env=environment, capture_output=True, text=True, check=True
    )
    expected = [[step, int(frame(step).sum())] for step in range(2 * ROWS)]
    answers = json.loads(run.stdout)
    assert answers["first False"] == answers["first True"] == expected[:ROWS]
    assert answers["both False"] == answers["both True"] == expected
    assert hub.unknown == []


def test_downloads_of_files_and_of_ranges(hub: HubServer, folder: Path, tmp_path: Path) -> None:
    api = publish(hub, folder)
    path = api.hf_hub_download(REPO, "data/a/steps.parquet", repo_type="dataset", cache_dir=tmp_path)
    content = (folder / "data/a/steps.parquet").read_bytes()
    assert Path(path).read_bytes() == content
    url = hf_hub_url(REPO, "data/a/steps.parquet", repo_type="dataset", endpoint=hub.url)

    def get(wanted: str) -> tuple[int, bytes, str | None]:
        headers = {**build_hf_headers(token=hub.token), "Range": wanted, "Accept-Encoding": "identity"}
        answer = get_session().get(url, headers=headers)
        return answer.status_code, answer.content, answer.headers.get("Content-Range")

    size = len(content)
    assert get("bytes=5-9") == (206, content[5:10], f"bytes 5-9/{size}")
    assert get("bytes=-8") == (206, content[-8:], f"bytes {size - 8}-{size - 1}/{size}")
    assert get(f"bytes={size - 3}-{size + 100}") == (206, content[-3:], f"bytes {size - 3}-{size - 1}/{size}")
    assert get(f"bytes={size}-") == (416, b"", f"bytes */{size}")


def test_old_revisions_stay_readable(hub: HubServer, folder: Path, tmp_path: Path) -> None:
    api = publish(hub, folder)
    before = api.dataset_info(REPO).sha
    api.create_branch(REPO, branch="v/1", repo_type="dataset")
    operations = [
        CommitOperationAdd("README.md", b"# Changed\n"),
        CommitOperationDelete("data/b/"),
        CommitOperationDelete("data/a/steps.parquet"),
    ]
    api.create_commit(REPO, operations, commit_message="change", repo_type="dataset")
    assert set(hub.files(REPO)) == {".gitattributes", "README.md"}
    for revision in (before, "v/1"):
        card = api.hf_hub_download(
            REPO, "README.md", repo_type="dataset", revision=revision, cache_dir=tmp_path / str(revision)
        )
        assert Path(card).read_text() == CARD
        assert len(list(api.list_repo_tree(REPO, "data/a", revision=revision, repo_type="dataset"))) == 1
    assert {branch.name for branch in api.list_repo_refs(REPO, repo_type="dataset").branches} == {
        "main",
        "v/1",
    }
    assert len(api.list_repo_commits(REPO, repo_type="dataset")) == 3
    with pytest.raises(RevisionNotFoundError):
        api.dataset_info(REPO, revision="v2")


def test_a_commit_on_a_head_that_has_moved_is_refused(hub: HubServer, folder: Path) -> None:
    api = publish(hub, folder)
    head = api.dataset_info(REPO).sha
    change = [CommitOperationAdd("README.md", b"# One\n")]
    api.create_commit(REPO, change, commit_message="one", repo_type="dataset", parent_commit=head)
    change = [CommitOperationAdd("README.md", b"# Two\n")]
    with pytest.raises(HfHubHTTPError) as refused:
        api.create_commit(REPO, change, commit_message="two", repo_type="dataset", parent_commit=head)
    assert refused.value.response.status_code == 412
    assert hub.files(REPO)["README.md"] == b"# One\n"


def test_listings_come_in_pages() -> None:
    with running_hub(page_size=3) as hub:
        api = client(hub)
        api.create_repo(REPO, repo_type="dataset")
        adds = [CommitOperationAdd(f"data/{place}/{place}.txt", b"%d" % place) for place in range(7)]
        api.create_commit(REPO, adds, commit_message="add", repo_type="dataset")
        tree = [entry.path for entry in api.list_repo_tree(REPO, "data", recursive=True, repo_type="dataset")]
        assert sorted(tree) == sorted(each for i in range(7) for each in (f"data/{i}", f"data/{i}/{i}.txt"))
        assert len(list(api.list_repo_tree(REPO, expand=True, repo_type="dataset"))) == 2
        infos = api.get_paths_info(REPO, ["data/3/3.txt", "data/4", "none"], repo_type="dataset", expand=True)
        assert [info.path for info in infos] == ["data/3/3.txt", "data/4"]


def test_who_may_read_and_write(hub: HubServer, folder: Path) -> None:
    api = publish(hub, folder)
    assert api.whoami()["name"] == "user"
    assert str(api.create_repo(REPO, repo_type="dataset", exist_ok=True)).endswith(REPO)
    with pytest.raises(HfHubHTTPError) as exists:
        api.create_repo(REPO, repo_type="dataset")
    assert exists.value.response.status_code == 409
    change = [CommitOperationAdd("README.md", b"# Mine\n")]
    for token, status in (("hf_of_another", 403), ("hf_of_nobody", 401)):
        with pytest.raises(HfHubHTTPError) as refused:
            client(hub, token).create_commit(REPO, change, commit_message="mine", repo_type="dataset")
        assert refused.value.response.status_code == status
    anonymous = HfApi(endpoint=hub.url, token=False)
    assert anonymous.dataset_info(REPO).private is False
    api.create_repo("user/secret", repo_type="dataset", private=True)
    assert api.dataset_info("user/secret").private is True
    for reader in (anonymous, client(hub, "hf_of_another")):
        with pytest.raises(RepositoryNotFoundError):
            reader.dataset_info("user/secret")


def test_faults_and_unknown_paths(hub: HubServer, folder: Path) -> None:
    answers = iter(
        [Response(503, {"error": "busy"}), Response(429, {"error": "slow down"}, {"Retry-After": "0"})]
    )
    hub.fault = lambda request: next(answers, None) if _is_upload(request) else None
    publish(hub, folder)
    assert set(contents(folder)) <= set(hub.files(REPO))
    assert get_session().get(f"{hub.url}/api/collections/user/none?x=1").status_code == 404
    assert hub.unknown == ["GET /api/collections/user/none?x=1"]


def _is_upload(request: Request) -> bool:
    return request.method == "PUT"
