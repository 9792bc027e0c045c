"""Writes a card's `configs` and `dataset_info` without repetition, as `datasets` still reads them.

The configs of a game name their files below a `data_dir`, so those of all games are equal, and YAML writes
what is equal once, under an anchor. For the 300 configs of the whole collection that saves two thirds.
"""

import json
import posixpath
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import yaml

MOST_ALIASES = 90
"""Aliases of one anchor: readers that guard against expansion refuse a hundred, the `yaml` of npm for one."""

_SHARED = ("data_files", "features")
"""Keys of an entry whose values repeat."""

Entry = dict[str, Any]


class FlowMapping(dict[Any, Any]):
    """A mapping that YAML writes on one line."""


def represent_flow(dumper: yaml.SafeDumper, value: FlowMapping) -> yaml.MappingNode:
    """Returns the YAML node of a mapping on one line."""
    return dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=True)


def expand(entries: Iterable[Entry]) -> list[Entry]:
    """Returns entries of `configs` with their `data_dir` in the paths, as `datasets` resolves it."""
    return [_without_folder(entry) if _is_plain(entry) else entry for entry in entries]


def compact(entries: Iterable[Entry], is_ours: Callable[[str], bool]) -> list[Entry]:
    """Returns entries of `configs` or `dataset_info` in the shortest form; others than ours stay as they are.

    Args:
        entries: the entries, with whole paths.
        is_ours: whether a config of this name is one of ours.
    """
    shared = _Shared()
    written = []
    for place, entry in enumerate(entries):
        if is_ours(entry["config_name"]):
            # What kind of files it loads, `datasets` finds out by the paths of the first config alone.
            entry = dict(_below_folder(entry) if place and _is_plain(entry) else entry)
            if isinstance(entry.get("splits"), list):
                entry["splits"] = [FlowMapping(split) for split in entry["splits"]]
            entry |= {key: shared.one_of(entry[key]) for key in _SHARED if key in entry}
        written.append(entry)
    return written


class _Shared:
    """Makes equal values one object, which YAML writes once."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[Any, int]] = {}

    def one_of(self, value: Any) -> Any:
        """Returns the object to use for every value that is equal to this one."""
        name = json.dumps(value)
        known, uses = self._values.get(name, (None, MOST_ALIASES))
        # A copy, since the value may be an object that occurs elsewhere.
        known, uses = (json.loads(name), 0) if uses == MOST_ALIASES else (known, uses + 1)
        self._values[name] = known, uses
        return known


def _is_plain(entry: Mapping[str, Any]) -> bool:
    """Returns whether the files of a config are listed by split, each as a path or several."""
    data_files = entry.get("data_files")
    return isinstance(data_files, list) and all(
        isinstance(each, dict) and isinstance(each.get("path"), str | list) for each in data_files
    )


def _without_folder(entry: Entry) -> Entry:
    folder = entry.get("data_dir")
    if not isinstance(folder, str):
        return entry
    entry = {key: value for key, value in entry.items() if key != "data_dir"}
    return entry | {"data_files": _map_paths(entry["data_files"], lambda path: posixpath.join(folder, path))}


def _below_folder(entry: Entry) -> Entry:
    """Returns the entry with the folder that all its paths begin with, such as `data/pong`, as `data_dir`."""
    paths: list[str] = []
    _map_paths(entry["data_files"], lambda path: paths.append(path) or path)
    folders = {"/".join(path.split("/")[:2]) for path in paths}
    if "data_dir" in entry or len(folders) != 1:
        return entry
    (folder,) = folders
    data_files = _map_paths(entry["data_files"], lambda path: path.removeprefix(f"{folder}/"))
    return {"config_name": entry["config_name"], "data_dir": folder} | entry | {"data_files": data_files}


def _map_paths(data_files: Iterable[Entry], change: Callable[[str], str]) -> list[Entry]:
    return [
        each
        | {
            "path": change(each["path"])
            if isinstance(each["path"], str)
            else [change(path) for path in each["path"]]
        }
        for each in data_files
    ]
