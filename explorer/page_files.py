"""The built page, as it lies in the package: sources and build are in `explorer/web`."""

import json
from pathlib import Path

PAGE = Path(__file__).parent / "page"
SETTINGS = "explorer.json"
"""Tells the page which dataset to show if its address names none."""

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".md": "text/plain; charset=utf-8",
    ".parquet": "application/octet-stream",
}


def page_files() -> dict[str, Path]:
    """Returns the page's files by their names."""
    return {path.name: path for path in sorted(PAGE.iterdir()) if path.suffix in MEDIA_TYPES}


def settings_json(*, dataset: str | None, hub: str, name: str | None = None) -> bytes:
    """Returns the content of the page's settings.

    Args:
        dataset: shown if the address names none: `user/name`, or a URL or path relative to the page.
        hub: the address of the Hub.
        name: the dataset's name for people, where it is not on the Hub.
    """
    settings = {"dataset": dataset, "name": name, "hub": hub}
    known = {key: value for key, value in settings.items() if value is not None}
    return (json.dumps(known, indent=2) + "\n").encode()
