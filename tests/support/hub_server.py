"""Runs a small Hugging Face Hub on loopback, for the unmodified clients to publish to and load from.

It implements what `huggingface_hub` and `datasets` ask of the Hub about dataset repos: repos, branches,
commits, LFS uploads, listings and downloads. Bytes lie in a folder by their SHA-256; a commit is a full
listing of its files, so every revision stays readable. It answers unknown requests with 404 and records them
in `HubServer.unknown`.
"""

import base64
import contextlib
import hashlib
import json
import os
import re
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from functools import cached_property
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import datasets.config
import pytest
from huggingface_hub import constants
from loopback_server import LoopbackServer

LARGE_FILE = 10 * 2**20
"""The size in bytes above which the Hub keeps a file in LFS, whatever its name."""
LFS_SUFFIXES = (".parquet", ".arrow", ".gz", ".npy", ".npz", ".png")
"""The suffixes from the Hub's default .gitattributes that matter here."""
GIT_ATTRIBUTES = "".join(
    f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LFS_SUFFIXES
).encode()
CHUNK = 2**20
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "X-Repo-Commit,X-Error-Code,X-Error-Message,ETag,Link,Accept-Ranges,"
    "Content-Range,X-Linked-Size,X-Linked-ETag",
}
"""The Hub lets pages of other sites read from it."""


@dataclass
class Request:
    """A client's request."""

    method: str
    target: str
    """The path and query as sent, still percent-encoded."""
    headers: Message
    body: bytes = field(repr=False)
    """The body; empty for uploads to LFS, which go to disk."""

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query)

    @property
    def token(self) -> str | None:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        return token if scheme == "Bearer" and token else None

    def json(self) -> Any:
        return json.loads(self.body or b"{}")

    def flag(self, name: str) -> bool:
        return self.query.get(name, ["false"])[0].lower() in ("true", "1")


@dataclass
class Response:
    """The answer to a request: JSON, bytes, or part of a file."""

    status: int = 200
    value: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    file: Path | None = None
    first: int = 0
    length: int = 0

    @cached_property
    def body(self) -> bytes:
        return self.value if isinstance(self.value, bytes) else json.dumps(self.value).encode()


HANG_UP = Response(0)
"""No answer: the connection is closed."""


def refusal(status: int, message: str, code: str | None = None) -> Response:
    """Returns an error in the Hub's form."""
    headers = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {})}
    return Response(status, {"error": message}, headers)


class RefusalError(Exception):
    """Raised to answer a request with an error."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        self.response = refusal(status, message, code)


@dataclass(frozen=True)
class Entry:
    """A file in a commit."""

    size: int
    sha256: str
    blob_id: str
    """Git's hash of the file, or of its pointer if the file lies in LFS."""
    lfs: bool

    def describe(self, path: str) -> dict[str, Any]:
        pointer = {
            "oid": self.sha256,
            "size": self.size,
            "pointerSize": len(pointer_to(self.sha256, self.size)),
        }
        record = {"type": "file", "path": path, "size": self.size, "oid": self.blob_id}
        return {**record, "lfs": pointer} if self.lfs else record


@dataclass(frozen=True)
class Commit:
    """A revision: everything in the repo."""

    id: str
    parent: str | None
    title: str
    date: str
    files: dict[str, Entry]


@dataclass
class Repo:
    """A dataset repo."""

    id: str
    owner: str
    private: bool
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    uploads: set[str] = field(default_factory=set)
    """The SHA-256 of files uploaded to this repo's own LFS; other repos' files do not count."""

    def find(self, revision: str) -> Commit:
        revision = self.branches.get(revision.removeprefix("refs/heads/"), revision)
        if revision not in self.commits:
            raise RefusalError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return self.commits[revision]

    def append(self, branch: str, title: str, files: dict[str, Entry]) -> Commit:
        parent = self.branches.get(branch)
        date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        listing = json.dumps([parent, title, date, [[path, entry.blob_id] for path, entry in files.items()]])
        commit = Commit(hashlib.sha1(listing.encode()).hexdigest(), parent, title, date, files)
        self.commits[commit.id] = commit
        self.branches[branch] = commit.id
        return commit


def pointer_to(sha256: str, size: int) -> bytes:
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


def git_blob_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class HubServer:
    """The server; as a context manager, it runs in a background thread.

    `fault`, if set, sees each request first and may answer instead of the server. `requests` and `unknown`
    record the requests. Files with `lfs_suffixes` go into large file storage. `tokens` maps a token to its
    user, who may write in their own namespace.
    """

    def __init__(self, folder: Path, *, tokens: dict[str, str] | None = None, page_size: int = 1000) -> None:
        self.folder = folder
        self.objects = folder / "objects"
        self.objects.mkdir(parents=True)
        self.tokens = tokens or {"hf_of_the_tests": "user", "hf_of_another": "another"}
        self.token = next(iter(self.tokens))
        self.page_size = page_size
        self.fault: Callable[[Request], Response | None] = lambda request: None
        self.requests: deque[Request] = deque(maxlen=100_000)
        self.unknown: list[str] = []
        self.lfs_suffixes: tuple[str, ...] = LFS_SUFFIXES
        self.repos: dict[str, Repo] = {}
        self.lock = threading.RLock()
        self._server = LoopbackServer(type("Handler", (_Handler,), {"hub": self}))
        self._running = contextlib.ExitStack()

    @property
    def url(self) -> str:
        return self._server.url

    def environment(self, token: str | None = None) -> dict[str, str]:
        """Returns an environment that points a process's clients at this server, with separate caches."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
        return {
            **kept,
            "HF_ENDPOINT": self.url,
            "HF_TOKEN": self.token if token is None else token,
            "HF_HOME": str(self.folder / "hf_home"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "NO_PROXY": "*",
            "USE_TORCH": "0",  # else datasets imports it to stream, for seconds
        }

    @contextlib.contextmanager
    def of_this_process(self, token: str | None = None) -> Iterator[None]:
        """Point this process's clients at this server, with separate caches.

        They read `environment` once, when they are imported; no process needs to start for it.
        """
        environment = self.environment(token)
        home = Path(environment["HF_HOME"])
        with pytest.MonkeyPatch.context() as patch:
            for name in ("HF_ENDPOINT", "HF_TOKEN"):
                patch.setenv(name, environment[name])
            patch.setattr(constants, "ENDPOINT", self.url)
            patch.setattr(
                constants,
                "HUGGINGFACE_CO_URL_TEMPLATE",
                f"{self.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}",
            )
            patch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
            patch.setattr(datasets.config, "HF_ENDPOINT", self.url)
            patch.setattr(
                datasets.config,
                "HUB_DATASETS_URL",
                f"{self.url}/datasets/{{repo_id}}/resolve/{{revision}}/{{path}}",
            )
            patch.setattr(datasets.config, "HF_DATASETS_CACHE", home / "datasets")
            yield

    def __enter__(self) -> "HubServer":
        self._running.enter_context(self._server.running())
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def files(self, repo_id: str, revision: str = "main") -> dict[str, bytes]:
        """Returns the files of a revision, for tests to compare."""
        entries = self.repos[repo_id].find(revision).files
        return {path: (self.objects / entry.sha256).read_bytes() for path, entry in sorted(entries.items())}

    def answer(self, request: Request, upload: "_Body | None" = None) -> Response:
        """Returns the answer to a request, or what `fault` returns instead."""
        self.requests.append(request)
        fault = self.fault(request)
        return self.handle(request, upload) if fault is None else fault

    def handle(self, request: Request, upload: "_Body | None" = None) -> Response:
        """Returns the answer to a request; `upload` is an LFS file's content."""
        try:
            for method, pattern, route in _ROUTES:
                if method == request.method and (match := pattern.fullmatch(request.path)):
                    parts = [unquote(part or "") for part in match.groups()]
                    if upload is not None:
                        return self._receive(self.repos[request.query["repo"][0]], parts[0], upload)
                    return route(self, request, *parts)
        except RefusalError as error:
            return error.response
        self.unknown.append(f"{request.method} {request.target}")
        return refusal(404, "Not Found")

    # Permissions.

    def _user(self, request: Request) -> str | None:
        if request.token is not None and request.token not in self.tokens:
            raise RefusalError(401, "Invalid credentials in Authorization header")
        return self.tokens.get(request.token or "")

    def _readable(self, request: Request, repo_id: str) -> Repo:
        user, repo = self._user(request), self.repos.get(repo_id)
        if repo is None or (repo.private and user != repo.owner):
            if user is None:
                raise RefusalError(401, "Invalid username or password.", "RepoNotFound")
            raise RefusalError(404, "Repository not found", "RepoNotFound")
        return repo

    def _writable(self, request: Request, repo_id: str) -> Repo:
        repo = self._readable(request, repo_id)
        if (user := self._user(request)) is None:
            raise RefusalError(401, "Invalid username or password.")
        if user != repo.owner:
            raise RefusalError(403, "you don't have write access to this repo")
        return repo

    # Repos and branches.

    def _who_am_i(self, request: Request) -> Response:
        if (user := self._user(request)) is None:
            raise RefusalError(401, "Invalid username or password.")
        return Response(value={"type": "user", "name": user, "fullname": user, "orgs": [], "auth": {}})

    def _create_repo(self, request: Request) -> Response:
        if (user := self._user(request)) is None:
            raise RefusalError(401, "Invalid username or password.")
        wanted = request.json()
        owner = wanted.get("organization") or user
        if owner != user:
            raise RefusalError(
                403, f'You don\'t have the rights to create a dataset under the namespace "{owner}"'
            )
        kind = wanted.get("type")
        if kind not in (None, "model", "dataset", "space"):
            raise RefusalError(400, "only repos of models, datasets and Spaces are served here")
        repo_id = f"{owner}/{wanted['name']}"
        of_kind = f"{kind}s/" if kind in ("dataset", "space") else ""
        url = {"url": f"{self.url}/{of_kind}{repo_id}", "name": repo_id}
        with self.lock:
            if repo_id in self.repos:
                return Response(409, {"error": f"You already created this {kind} repo", **url})
            private = wanted.get("visibility") == "private" or bool(wanted.get("private"))
            self.repos[repo_id] = Repo(repo_id, owner, private)
            self.repos[repo_id].append(
                "main", "initial commit", {".gitattributes": self.store(GIT_ATTRIBUTES)}
            )
        return Response(value=url)

    def _delete_repo(self, request: Request) -> Response:
        wanted = request.json()
        repo_id = f"{wanted.get('organization') or self._user(request)}/{wanted['name']}"
        self._writable(request, repo_id)
        del self.repos[repo_id]
        return Response(value={})

    def _validate_card(self, request: Request) -> Response:
        return Response(value={"errors": [], "warnings": []})

    def _describe(self, request: Request, repo_id: str, revision: str = "main") -> Response:
        repo = self._readable(request, repo_id)
        commit = repo.find(revision)
        dates = [each.date for each in repo.commits.values()]
        blobs = request.flag("blobs")
        record: dict[str, Any] = {
            "_id": hashlib.sha1(repo_id.encode()).hexdigest()[:24],
            "id": repo_id,
            "author": repo.owner,
            "sha": commit.id,
            "createdAt": dates[0],
            "lastModified": commit.date,
            "private": repo.private,
            "gated": False,
            "disabled": False,
            "tags": [],
            "downloads": 0,
            "likes": 0,
            "siblings": [_sibling(path, entry, blobs) for path, entry in sorted(commit.files.items())],
        }
        if expand := request.query.get("expand"):
            record = {key: record[key] for key in ("_id", "id", *expand) if key in record}
        return Response(value=record)

    def _refs(self, request: Request, repo_id: str) -> Response:
        branches = [
            {"name": name, "ref": f"refs/heads/{name}", "targetCommit": commit}
            for name, commit in self._readable(request, repo_id).branches.items()
        ]
        return Response(value={"branches": branches, "tags": [], "converts": [], "pullRequests": []})

    def _create_branch(self, request: Request, repo_id: str, branch: str) -> Response:
        repo = self._writable(request, repo_id)
        with self.lock:
            if branch in repo.branches:
                raise RefusalError(409, f"Reference already exists: refs/heads/{branch}")
            repo.branches[branch] = repo.find(request.json().get("startingPoint", "main")).id
        return Response(value={})

    def _delete_branch(self, request: Request, repo_id: str, branch: str) -> Response:
        self._writable(request, repo_id).branches.pop(branch, None)
        return Response(value={})

    # Uploads and commits.

    def _preupload(self, request: Request, repo_id: str, revision: str) -> Response:
        held = self._writable(request, repo_id).find(revision).files
        answers = []
        for file in request.json()["files"]:
            path, entry = file["path"], held.get(file["path"])
            lfs = path.endswith(self.lfs_suffixes) or file["size"] > LARGE_FILE
            answer = {"path": path, "uploadMode": "lfs" if lfs else "regular", "shouldIgnore": False}
            if entry is not None:
                answer["oid"] = entry.sha256 if entry.lfs else entry.blob_id
            answers.append(answer)
        return Response(value={"files": answers})

    def _lfs_batch(self, request: Request, repo_id: str) -> Response:
        repo = self._writable(request, repo_id)
        objects = [{"oid": wanted["oid"], "size": wanted["size"]} for wanted in request.json()["objects"]]
        for wanted in objects:
            if not self._has(repo, wanted["oid"]):
                wanted["actions"] = {
                    "upload": {"href": f"{self.url}/lfs/{wanted['oid']}?repo={repo_id}"},
                    "verify": {"href": f"{self.url}/lfs/{wanted['oid']}/verify"},
                }
        return Response(value={"transfer": "basic", "objects": objects})

    def _has(self, repo: Repo, sha256: str) -> bool:
        return sha256 in repo.uploads and (self.objects / sha256).exists()

    def _receive(self, repo: Repo, sha256: str, upload: "_Body") -> Response:
        """Accept an upload without a token: its address was given to someone who had one."""
        digest = hashlib.sha256()
        with tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as file:
            try:
                while block := upload.read(CHUNK):
                    digest.update(block)
                    file.write(block)
                if digest.hexdigest() != sha256:
                    raise RefusalError(400, "the content is not what its SHA-256 says")
                file.flush()
                Path(file.name).replace(self.objects / sha256)
                repo.uploads.add(sha256)
            finally:
                Path(file.name).unlink(missing_ok=True)
        return Response(value={})

    def _lfs_verify(self, request: Request, sha256: str) -> Response:
        content = self.objects / sha256
        if not content.exists() or content.stat().st_size != request.json()["size"]:
            raise RefusalError(404, "no such object")
        return Response(value={})

    def store(self, content: bytes) -> Entry:
        sha256 = hashlib.sha256(content).hexdigest()
        temporary = self.folder / f"{sha256}.{threading.get_ident()}"
        temporary.write_bytes(content)
        temporary.replace(self.objects / sha256)
        return Entry(len(content), sha256, git_blob_id(content), lfs=False)

    def _stored(self, repo: Repo, path: str, sha256: str) -> Entry:
        if not self._has(repo, sha256):
            raise RefusalError(
                400,
                "Your push was rejected because an LFS pointer pointed to a file that does not exist. "
                f"For instance, this can happen if you used git push --no-verify. Offending file: - {path}",
            )
        size = (self.objects / sha256).stat().st_size
        return Entry(size, sha256, git_blob_id(pointer_to(sha256, size)), lfs=True)

    def _commit(self, request: Request, repo_id: str, branch: str) -> Response:
        repo = self._writable(request, repo_id)
        lines = [json.loads(line) for line in request.body.splitlines() if line]
        header = next(line["value"] for line in lines if line["key"] == "header")
        with self.lock:
            head = repo.find(branch)
            if branch not in repo.branches:
                raise RefusalError(400, f"not a branch: {branch}")
            if header.get("parentCommit", head.id) != head.id:
                raise RefusalError(412, "A commit has happened since. Please refresh and try again.")
            files = dict(head.files)
            for line in lines:
                self._change(repo, files, line["key"], line["value"])
            commit = repo.append(branch, header["summary"], files)
        url = f"{self.url}/datasets/{repo_id}/commit/{commit.id}"
        return Response(value={"success": True, "commitOid": commit.id, "commitUrl": url, "hookOutput": ""})

    def _change(self, repo: Repo, files: dict[str, Entry], key: str, value: dict[str, Any]) -> None:
        if key == "file":
            files[value["path"]] = self.store(base64.b64decode(value["content"]))
        elif key == "lfsFile":
            files[value["path"]] = self._stored(repo, value["path"], value["oid"])
        elif key in ("deletedFile", "deletedFolder"):
            path = value["path"].rstrip("/")
            gone = [each for each in files if each == path or each.startswith(path + "/")]
            if not gone or (key == "deletedFile" and gone != [path]):
                raise RefusalError(404, f"A file with this name doesn't exist: {path}", "EntryNotFound")
            for each in gone:
                del files[each]

    def _commits(self, request: Request, repo_id: str, revision: str) -> Response:
        repo = self._readable(request, repo_id)
        history, following = [], revision
        while following is not None:
            commit = repo.find(following)
            record = {
                "id": commit.id,
                "title": commit.title,
                "date": commit.date,
                "message": "",
                "authors": [],
            }
            history.append(record)
            following = commit.parent
        return Response(value=history)

    # Listings and downloads.

    def _tree(self, request: Request, repo_id: str, revision: str, path: str = "") -> Response:
        commit = self._readable(request, repo_id).find(revision)
        prefix = f"{path}/" if path else ""
        listing: dict[str, dict[str, Any]] = {}
        for name, entry in sorted(commit.files.items()):
            if name.startswith(prefix):
                parts = name[len(prefix) :].split("/")
                depths = range(1, len(parts)) if request.flag("recursive") else range(1, min(len(parts), 2))
                for depth in depths:
                    folder = prefix + "/".join(parts[:depth])
                    listing.setdefault(folder, _folder(folder))
                if request.flag("recursive") or len(parts) == 1:
                    listing[name] = entry.describe(name)
        if path and not listing:
            raise RefusalError(404, f"{path} does not exist on {revision!r}", "EntryNotFound")
        entries = [_with_commit(entry, commit, request.flag("expand")) for entry in listing.values()]
        return self._page(request, entries)

    def _page(self, request: Request, entries: list[dict[str, Any]]) -> Response:
        first = int(request.query.get("cursor", ["0"])[0])
        last = first + int(request.query.get("limit", [str(self.page_size)])[0])
        headers = {}
        if last < len(entries):
            query = {name: value[0] for name, value in request.query.items()} | {"cursor": str(last)}
            following = "&".join(f"{quote(name)}={quote(value)}" for name, value in query.items())
            headers["Link"] = f'<{self.url}{request.path}?{following}>; rel="next"'
        return Response(value=entries[first:last], headers=headers)

    def _paths_info(self, request: Request, repo_id: str, revision: str) -> Response:
        commit = self._readable(request, repo_id).find(revision)
        if "json" in request.headers.get("Content-Type", ""):
            wanted = request.json()
        else:
            wanted = parse_qs(request.body.decode())
        expand = str(wanted.get("expand", ["false"])).lower().strip("[]'") == "true"
        found = []
        for path in wanted.get("paths", []):
            if path in commit.files:
                found.append(commit.files[path].describe(path))
            elif any(name.startswith(path.rstrip("/") + "/") for name in commit.files):
                found.append(_folder(path.rstrip("/")))
        return Response(value=[_with_commit(entry, commit, expand) for entry in found])

    def _resolve(self, request: Request, repo_id: str, revision: str, path: str) -> Response:
        commit = self._readable(request, repo_id).find(revision)
        at_commit = {"X-Repo-Commit": commit.id}
        if path not in commit.files:
            missing = refusal(404, "Entry not found", "EntryNotFound")
            missing.headers.update(at_commit)
            return missing
        entry = commit.files[path]
        headers = {**at_commit, "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
        headers["ETag"] = f'"{entry.sha256 if entry.lfs else entry.blob_id}"'
        if entry.lfs:
            headers |= {"X-Linked-Etag": f'"{entry.sha256}"', "X-Linked-Size": str(entry.size)}
        first, last = _range(request.headers.get("Range"), entry.size)
        if first > last and entry.size:
            return Response(416, b"", headers | {"Content-Range": f"bytes */{entry.size}"})
        status = 200
        if "Range" in request.headers and entry.size:
            status, headers["Content-Range"] = 206, f"bytes {first}-{last}/{entry.size}"
        return Response(status, None, headers, self.objects / entry.sha256, first, last - first + 1)


def _sibling(path: str, entry: Entry, blobs: bool) -> dict[str, Any]:
    if not blobs:
        return {"rfilename": path}
    record = {"rfilename": path, "size": entry.size, "blobId": entry.blob_id}
    pointer_size = len(pointer_to(entry.sha256, entry.size))
    lfs = {"sha256": entry.sha256, "size": entry.size, "pointerSize": pointer_size}
    return {**record, "lfs": lfs} if entry.lfs else record


def _folder(path: str) -> dict[str, Any]:
    return {"type": "directory", "path": path, "size": 0, "oid": hashlib.sha1(path.encode()).hexdigest()}


def _with_commit(entry: dict[str, Any], commit: Commit, expand: bool) -> dict[str, Any]:
    last = {"id": commit.id, "title": commit.title, "date": commit.date}
    return {**entry, "lastCommit": last} if expand else entry


def _range(header: str | None, size: int) -> tuple[int, int]:
    """Returns the first and last requested bytes."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header or "bytes=0-")
    if match is None:
        return 0, size - 1
    first, last = match.groups()
    if not first:
        return max(0, size - int(last)), size - 1
    return int(first), min(int(last), size - 1) if last else size - 1


_REPO = r"([^/]+/[^/]+)"
_API = rf"/api/(?:datasets|models|spaces)/{_REPO}"
_PAGE = rf"/(?:(?:datasets|spaces)/)?{_REPO}"
_ROUTES: list[tuple[str, re.Pattern[str], Callable[..., Response]]] = [
    (method, re.compile(pattern), route)
    for method, pattern, route in [
        ("GET", r"/api/whoami-v2", HubServer._who_am_i),
        ("POST", r"/api/repos/create", HubServer._create_repo),
        ("DELETE", r"/api/repos/delete", HubServer._delete_repo),
        ("POST", r"/api/validate-yaml", HubServer._validate_card),
        ("GET", rf"{_API}", HubServer._describe),
        ("GET", rf"{_API}/revision/([^/]+)", HubServer._describe),
        ("GET", rf"{_API}/refs", HubServer._refs),
        ("POST", rf"{_API}/branch/([^/]+)", HubServer._create_branch),
        ("DELETE", rf"{_API}/branch/([^/]+)", HubServer._delete_branch),
        ("POST", rf"{_API}/preupload/([^/]+)", HubServer._preupload),
        ("POST", rf"{_PAGE}\.git/info/lfs/objects/batch", HubServer._lfs_batch),
        ("PUT", r"/lfs/([0-9a-f]{64})", HubServer._receive),
        ("POST", r"/lfs/([0-9a-f]{64})/verify", HubServer._lfs_verify),
        ("POST", rf"{_API}/commit/([^/]+)", HubServer._commit),
        ("GET", rf"{_API}/commits/([^/]+)", HubServer._commits),
        ("GET", rf"{_API}/tree/([^/]+)", HubServer._tree),
        ("GET", rf"{_API}/tree/([^/]+)/(.+)", HubServer._tree),
        ("POST", rf"{_API}/paths-info/([^/]+)", HubServer._paths_info),
        ("GET", rf"{_PAGE}/resolve/([^/]+)/(.+)", HubServer._resolve),
        ("HEAD", rf"{_PAGE}/resolve/([^/]+)/(.+)", HubServer._resolve),
    ]
]


class _Body:
    """A request's body as a file, however its length is given."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        self.file = handler.rfile
        self.chunked = handler.headers.get("Transfer-Encoding", "").lower() == "chunked"
        self.left = 0 if self.chunked else int(handler.headers.get("Content-Length") or 0)

    def read(self, size: int = -1) -> bytes:
        if self.chunked and not self.left:
            self.left = int(self.file.readline().split(b";")[0], 16)
            if not self.left:
                self.chunked = False
                self.file.readline()
        block = self.file.read(self.left if size < 0 else min(size, self.left))
        self.left -= len(block)
        if self.left and not block:
            raise ConnectionError("the client went away")
        if self.chunked and not self.left:
            self.file.readline()
        return block

    def drain(self) -> Iterator[bytes]:
        while block := self.read(CHUNK):
            yield block


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 2**16
    hub: HubServer

    def respond(self) -> None:
        hub, body = self.hub, _Body(self)
        is_upload = self.command == "PUT" and self.path.startswith("/lfs/")
        content = b"" if is_upload else b"".join(body.drain())
        request = Request(self.command, self.path, self.headers, content)
        response = hub.answer(request, body if is_upload else None)
        # An unread body would be mistaken for the next request.
        for _ in body.drain():
            pass
        self.send(response)

    def do_OPTIONS(self) -> None:
        """Answer the preflight request that a browser sends before it sends a token."""
        allowed = {
            "Access-Control-Allow-Methods": "GET, HEAD",
            "Access-Control-Allow-Headers": "authorization, range",
        }
        self.send(Response(204, b"", allowed))

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = respond  # noqa: N815

    def send(self, response: Response) -> None:
        if response is HANG_UP:
            self.close_connection = True
            return
        length = response.length if response.file else len(response.body)
        self.send_response(response.status)
        for name, value in ({"Content-Type": "application/json"} | CORS | response.headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command == "HEAD":
            pass
        elif response.file is None:
            self.wfile.write(response.body)
        else:
            with response.file.open("rb") as file:
                file.seek(response.first)
                while length > 0 and (block := file.read(min(CHUNK, length))):
                    self.wfile.write(block)
                    length -= len(block)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing, since tests look at `HubServer.requests` instead."""


@contextlib.contextmanager
def running_hub(**options: Any) -> Iterator[HubServer]:
    """Run a server that stops and forgets everything when the block ends."""
    with (
        tempfile.TemporaryDirectory(prefix="hub-", ignore_cleanup_errors=True) as folder,
        HubServer(Path(folder), **options) as hub,
    ):
        yield hub
