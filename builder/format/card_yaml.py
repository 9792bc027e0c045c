"""A card's YAML, as far as those who read a dataset share it with those who write it."""

import posixpath
from typing import Any

import yaml

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The loader of plain values: with libyaml, where PyYAML has it, ten times as fast."""

FAULTS = (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError)
"""What the loader raises: a value that its tag does not fit (`!!bool maybe`) is no YAMLError."""


def split_globs(data_files: Any, data_dir: Any = None) -> dict[str, list[str]]:
    """Returns a config's globs, relative to the repo, by split.

    Args:
        data_files: any form that the YAML may have: a glob, several, or a mapping for each split.
        data_dir: the folder that they lie in, if it is not the repo.
    """
    globs = _globs_by_split(data_files)
    if not isinstance(data_dir, str):
        return globs
    return {split: [posixpath.join(data_dir, glob) for glob in below] for split, below in globs.items()}


def _globs_by_split(data_files: Any) -> dict[str, list[str]]:
    if isinstance(data_files, str):
        return {"train": [data_files]}
    globs: dict[str, list[str]] = {}
    for entry in data_files if isinstance(data_files, list) else []:
        if isinstance(entry, str):
            globs.setdefault("train", []).append(entry)
        elif isinstance(entry, dict):
            path = entry.get("path")
            of_split = path if isinstance(path, list) else [path]
            globs.setdefault(str(entry.get("split")), []).extend(map(str, of_split))
    return globs


def is_outside(glob: str) -> bool:
    """Returns whether a glob, or a path, may lead out of the repo: to another folder, or to a URL."""
    return glob.startswith(("/", "~")) or "://" in glob or "::" in glob or ".." in glob.split("/")
