"""Reads from a dataset card which files each split of a config has, and how many steps.

The card's YAML is read as `datasets` reads it, except that only the requested config is examined. So part of
a repo can be opened with a card that lists more.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from fsspec.utils import glob_translate

from ..builder.errors import UnknownNameError
from ..builder.format.card_yaml import FAULTS, LOADER, is_outside, split_globs
from .errors import DatasetError

_FRONT_MATTER = re.compile(rb"\A\s*---[\r\n]+(.*?)[\r\n]+---(?:\r?\n|\Z)", re.DOTALL)
"""The block that `huggingface_hub` treats as a card's YAML."""


@dataclass(frozen=True)
class CardConfig:
    """A config in a card."""

    patterns: dict[str, list[str]]
    """The globs of each split's files, relative to the repo."""
    steps: dict[str, int]
    """The number of steps in each split, where the card states it."""


def read_config(card: bytes, where: str, config_name: str) -> CardConfig:
    """Find a config in a card.

    Raises:
        DatasetError: the card cannot be read, has no such config, or names files outside of its repo.
    """
    entries = _parse(card, where)
    # YAML takes a list for a name, too, which is no key.
    configs = {str(entry.get("config_name")): entry for entry in _mappings(entries.get("configs"))}
    if config_name not in configs:
        listed = ", ".join([*configs][:20]) + (", …" if len(configs) > 20 else "")
        raise DatasetError(
            f"{where}: BuilderConfig {config_name!r} not found; the card lists {listed or 'no configs'}"
        )
    config = configs[config_name]
    patterns = split_globs(config.get("data_files"), config.get("data_dir"))
    if not patterns:
        raise DatasetError(f"{where}: the card names no files of {config_name}; render it again")
    for pattern in (pattern for of_split in patterns.values() for pattern in of_split):
        if is_outside(pattern):
            raise DatasetError(f"{where}: {config_name} has files outside of its repo: {pattern!r}")
        _check_glob(pattern, f"{where}: {config_name}")
    infos = {str(info.get("config_name")): info for info in _mappings(entries.get("dataset_info"))}
    splits = _mappings(infos.get(config_name, {}).get("splits"))
    counts = {str(split.get("name")): split.get("num_examples") for split in splits}
    return CardConfig(patterns, {name: count for name, count in counts.items() if isinstance(count, int)})


def _parse(card: bytes, where: str) -> dict[str, Any]:
    block = _FRONT_MATTER.match(card)
    try:
        entries = yaml.load(block[1].decode(), LOADER) if block else {}
    except FAULTS as error:
        reason = " ".join(str(error).split())[:200]
        raise DatasetError(f"{where}: the card's YAML cannot be read ({reason}); render it again") from None
    return entries if isinstance(entries, dict) else {}


def _mappings(value: Any) -> list[dict[Any, Any]]:
    """Returns a list of mappings, or a single one as a list, dropping anything else."""
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, dict)]


def _check_glob(pattern: str, where: str) -> None:
    try:
        if "\0" in pattern:
            raise ValueError("a null character")
        glob_translate(pattern)
    except ValueError as error:
        raise DatasetError(f"{where} has a glob that matches no files: {pattern!r} ({error})") from None


def choose_splits(split: str, known: Sequence[str], where: str) -> list[str]:
    """Returns the splits named by `run_1`, `run_1+run_2` or `all`.

    Raises:
        UnknownNameError: a split does not exist.
        DatasetError: a split is named twice, or only in part.
    """
    names = list(known) if split == "all" else [name.strip() for name in split.split("+")]
    for name in names:
        if "[" in name:
            raise DatasetError(f"{where}: {name!r} is a slice of a split; choose episodes by EpisodeFilter")
        if name not in known:
            raise UnknownNameError(f"{where} has no split {name!r}; it has {', '.join(known) or 'none'}")
    if len(set(names)) < len(names):
        raise DatasetError(f"{where}: {split!r} names a split twice")
    return names
