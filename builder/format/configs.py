"""Defines configs: named views, such as `pong-expert`, of checkpoints that are stored once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..errors import UnknownNameError
from .games import ALL_GAMES, Game, find_game

MEDIUM_CHECKPOINT = 9
"""The tenth million of an original run: what d4rl-atari's README calls medium (its files are one later)."""

QUALITIES: dict[str, str] = {
    "mixed": "checkpoint 0, the agent's first transitions",
    "medium": f"checkpoint {MEDIUM_CHECKPOINT}",
    "expert": "the last complete checkpoint",
    "full": "every checkpoint",
}
EXPERT = "expert"
FULL = "full"
EPISODES = "episodes"

PREVIEW = "preview"
"""The config with a few short episodes of each game, where a dataset has one; it belongs to no game."""
PREVIEW_SPLIT = "train"
"""Its only split: the Hub's viewer shows configs of up to 30 splits, and there are 60 games."""

EPOCH = "epoch"
"""`pong-epoch-10` is checkpoint 10 alone, as d4rl-atari calls it: the number in its log files' names."""

FILE_NUMBERS: dict[str, int] = {"mixed": 1, "medium": 10, "expert": 50}
"""The checkpoints that d4rl-atari's names stand for. Its README describes those of QUALITIES."""

LARGEST_NUMBER = 9_999
"""The largest number of a run or checkpoint: log file names have at most four digits."""


@dataclass(frozen=True)
class ConfigName:
    """The parts of a config's name: `pong-expert` is the game Pong and the view `expert`."""

    game: Game
    view: str
    """One of QUALITIES; `epoch-10` for checkpoint 10; or EPISODES for the table with one row per episode."""

    @property
    def checkpoint(self) -> int | None:
        """The number of the checkpoint in an `epoch-10` view; None for other views."""
        return int(self.view.removeprefix(f"{EPOCH}-")) if self.view.startswith(f"{EPOCH}-") else None

    def __str__(self) -> str:
        return f"{self.game.slug}-{self.view}"


def all_config_names() -> list[str]:
    """Returns the name of every config: five for each of the 60 games, and two for a world beyond Atari."""
    return [f"{game.slug}-{view}" for game in ALL_GAMES for view in (*qualities_of(game), EPISODES)]


def qualities_of(game: Game) -> Sequence[str]:
    """Returns the qualities that a game has; a world has no checkpoints that are better than others."""
    return tuple(QUALITIES) if game.world is None else (FULL,)


def parse_config_name(name: str) -> ConfigName:
    """Split `<game>-<view>` into its parts.

    Raises:
        UnknownNameError: the game or the view does not exist.
    """
    if name == PREVIEW:
        raise UnknownNameError(
            f"config {name!r} is for looking at, with the actions of all games numbered alike: open it with "
            f"load_dataset, or name a game's own config <game>-<view>, e.g. 'pong-expert'"
        )
    game, _, view = name.rpartition("-")
    if view.isdecimal() and game.endswith(f"-{EPOCH}") and int(view) <= LARGEST_NUMBER:
        return ConfigName(find_game(game.removesuffix(f"-{EPOCH}")), f"{EPOCH}-{int(view)}")
    if view not in QUALITIES and view != EPISODES:
        views = ", ".join((*QUALITIES, EPISODES, f"{EPOCH}-<number>"))
        raise UnknownNameError(
            f"unknown config {name!r}: expected <game>-<view>, e.g. 'pong-expert', with a view of {views}"
        )
    config = ConfigName(find_game(game), view)
    if view not in (*qualities_of(config.game), EPISODES):
        raise UnknownNameError(
            f"unknown config {name!r}: {config.game} has {game}-{FULL} and {game}-{EPISODES}"
        )
    return config


def by_file_number(name: str) -> str:
    """Returns the config with exactly the files that d4rl-atari reads under a name.

    Its `mixed`, `medium` and `expert` are the log files 1, 10 and 50, the last of which mostly repeats file
    49; here they are checkpoints 0, 9 and the last complete one, as its README says.

    Args:
        name: the name of a config, e.g. `pong-mixed`; views other than those three are returned unchanged.

    Raises:
        UnknownNameError: the game or the view does not exist.

    Example:

    ```python
    >>> by_file_number("pong-mixed")
    'pong-epoch-1'
    ```
    """
    config = parse_config_name(name)
    number = FILE_NUMBERS.get(config.view)
    return str(config if number is None else ConfigName(config.game, f"{EPOCH}-{number}"))


def select_checkpoints(view: str, complete: Iterable[int], partial: Iterable[int]) -> list[int]:
    """Returns a run's checkpoints in a view, in order; empty if the run has none of them.

    Args:
        view: one of QUALITIES, or `epoch-10`, or EPISODES.
        complete: the numbers of the checkpoints dumped from a full ring.
        partial: the numbers of those dumped at the end of training, mostly repeats.
    """
    complete = sorted(complete)
    if view.startswith(f"{EPOCH}-"):
        return sorted({*complete, *partial}.intersection([int(view.removeprefix(f"{EPOCH}-"))]))
    if view == "mixed":
        wanted: Sequence[int] = [0]
    elif view == "medium":
        wanted = [MEDIUM_CHECKPOINT]
    elif view == "expert":
        wanted = complete[-1:]
    else:
        return sorted({*complete, *partial})
    return [number for number in wanted if number in complete]


def parse_numbers(text: str, what: str) -> list[int]:
    """Parse numbers and ranges as users write them: `0,9,40-49`.

    Raises:
        UnknownNameError: `text` does not have this form, or contains a number above LARGEST_NUMBER.
    """
    numbers: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not (first.isdecimal() and (last.isdecimal() if dash else True)) or (
            dash and int(last) < int(first)
        ):
            raise UnknownNameError(
                f"cannot read {what} {text!r}: expected numbers and ranges such as 0,9,40-49"
            )
        if max(int(first), int(last or first)) > LARGEST_NUMBER:
            raise UnknownNameError(f"cannot read {what} {text!r}: the largest number is {LARGEST_NUMBER}")
        numbers.update(range(int(first), int(last or first) + 1))
    return sorted(numbers)
