"""How copies of replay logs arrange and name their files: a table of layouts.

A layout is a pattern of paths below a game's folder. Names may be quoted as in URLs; how a file is packed
(`.gz`, `.npy`, …) is seen from its content, so that any ending will do.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote

_ARRAY = r"(?P<array>observation|action|reward|terminal)"
_ANY_ARRAY = r"(?P<array>observation|action|reward|terminal|prob|add_count|invalid_range)"
_RUN = r"(?:run[_-]?)?(?P<run>[0-9]{1,3})"
_NUMBER = r"(?P<number>[0-9]{1,4})"
EVERY_ARRAY = "*"
"""Stands for the array of a file that holds all of a checkpoint's."""
_ENDING = r"(?:\.npy|\.npz)?(?:\.gz|\.zst|\.xz)?"

RUN_FOLDER = re.compile(_RUN)
LOGS_FOLDER = "replay_logs"


@dataclass(frozen=True)
class Place:
    """What a file's path says of its content."""

    run: int
    number: int
    """The number of the checkpoint."""
    array: str


@dataclass(frozen=True)
class Layout:
    """A way to arrange the files of a game's runs."""

    name: str
    """The name for `--layout`."""
    title: str
    """The layout in a few words, as manifests and cards state it."""
    example: str
    """A path below the game's folder, for messages."""
    patterns: tuple[str, ...]
    """Regular expressions of the paths below the game's folder, with groups run, number and array."""
    has_checkpoint_folders: bool = False
    """Whether each checkpoint has a folder of its own."""

    def place(self, path: str) -> Place | None:
        """Returns what a path below the game's folder says; None if it is not of this layout."""
        for pattern in self.patterns:
            if match := re.fullmatch(pattern, unquote(path)):
                groups = match.groupdict()
                run, number = (
                    int(groups.get(name) or default) for name, default in (("run", 1), ("number", 0))
                )
                return Place(run, number, groups.get("array", EVERY_ARRAY))
        return None


BUCKET = Layout(
    "bucket",
    "the bucket's layout",
    "1/replay_logs/$store$_observation_ckpt.0.gz",
    (
        rf"(?:{_RUN}/)?(?:{LOGS_FOLDER}/)?(?:\$store\$_)?{_ANY_ARRAY}_ckpt\.{_NUMBER}{_ENDING}",
        rf"(?:{_RUN}/)?(?:{LOGS_FOLDER}/)?(?P<array>final_observation)-{_NUMBER}\.npy\.zst",
    ),
)
LAYOUTS = (
    BUCKET,
    Layout(
        "d4rl-atari",
        "d4rl-atari's download cache",
        "1/0/observation.gz",
        (rf"{_RUN}/{_NUMBER}/{_ARRAY}{_ENDING}",),
        has_checkpoint_folders=True,
    ),
    Layout(
        "flat-runs",
        "flat files named by run and checkpoint",
        "observation_1_0.gz",
        (rf"(?:{LOGS_FOLDER}/)?{_ARRAY}_{_RUN}_{_NUMBER}{_ENDING}",),
    ),
    Layout(
        "flat",
        "flat files named by checkpoint",
        "observation_0.gz",
        (
            # SGI's script saves checkpoint 1 of run 3 as `action_301.gz`.
            rf"{_ARRAY}_(?P<run>[1-9])(?P<number>01){_ENDING}",
            rf"(?:{_RUN}/)?(?:{LOGS_FOLDER}/)?{_ARRAY}_{_NUMBER}{_ENDING}",
        ),
    ),
    Layout(
        "npz",
        "all arrays of a checkpoint in one .npz",
        "1/0.npz",
        (rf"(?:{_RUN}/)?(?:{LOGS_FOLDER}/)?(?:(?:checkpoint|ckpt|epoch)[_.-]?)?{_NUMBER}\.npz",),
    ),
    Layout(
        "checkpoint",
        "the files of a single checkpoint",
        "observation.gz",
        (rf"(?:{_RUN}/)?(?:{LOGS_FOLDER}/)?{_ARRAY}{_ENDING}",),
    ),
)
"""All layouts; where a path is of several, the first in this order is meant."""
