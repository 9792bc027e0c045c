"""Publishes a run to the Hub as a model repo."""

from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitOperationAdd

from ..builder.network.hub import HubRequests, check_repo_id
from .run_folder import CHECKPOINT, LOG, RECORD

FILES = ("README.md", RECORD, CHECKPOINT, LOG, "evaluation.json")
"""The files of a run's folder that are published."""


@dataclass(frozen=True)
class PushedRun:
    """What was published, or would be."""

    address: str
    files: tuple[str, ...]
    size: int
    """Bytes."""
    dry_run: bool

    def __str__(self) -> str:
        what = f"{', '.join(self.files)} ({self.size:,} bytes)"
        return f"{'would publish' if self.dry_run else 'published'} to {self.address}: {what}"


def push_run(
    run: Path,
    repo_id: str,
    *,
    private: bool = False,
    dry_run: bool = False,
    token: str | None = None,
    endpoint: str | None = None,
) -> PushedRun:
    """Publish an evaluated run in one commit.

    Args:
        run: the run's folder.
        repo_id: `user/name`; created if there is none.
        private: whether a new repo is private.
        dry_run: only say what would be done.
        token: None takes the one from HF_TOKEN or `hf auth login`.
        endpoint: None takes HF_ENDPOINT, or huggingface.co.

    Raises:
        OutputError: the name cannot be a repo's, or the Hub refuses.
    """
    check_repo_id(repo_id)
    hub = HubRequests(repo_id, token, endpoint, patience=300.0, silence=60.0)
    files = [run / name for name in FILES if (run / name).exists()]
    if not dry_run:
        additions = [CommitOperationAdd(path.name, str(path)) for path in files]
        with hub.explained():
            hub.retrying(lambda: hub.api.create_repo(repo_id, private=private, exist_ok=True))
            hub.retrying(
                lambda: hub.api.create_commit(repo_id, additions, commit_message="Publish a trained agent")
            )
    size = sum(path.stat().st_size for path in files)
    return PushedRun(hub.address, tuple(path.name for path in files), size, dry_run)
