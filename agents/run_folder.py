"""The folder of a run: what was trained and how, its log, and the checkpoint from which it goes on."""

import io
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, field

from ..builder.errors import AtariReplayError, OutputError
from ..builder.files import read_small, replacing
from ..builder.format.actions import FULL_ACTIONS
from ..builder.format.games import Game, find_game
from ..builder.format.records import Count, Record, read_record, to_json
from ..builder.format.tensor_file import DAMAGE, load_tensors
from .errors import AgentError
from .hyperparameters import Hyperparameters

FORMAT = 1
"""Increases when the folder's form changes."""

RECORD = "run.json"
LOG = "log.jsonl"
CHECKPOINT = "checkpoint.pt"

NOT_SUCH_A_STATE = (AttributeError, IndexError, KeyError, RuntimeError, SystemError, TypeError, ValueError)
"""What a state of another form raises; RuntimeError and SystemError are ALE's, for another console."""

Text = Annotated[str, Meta(max_length=1000)]


class RunRecord(Record, frozen=True, kw_only=True):
    """All that a run's result depends on: what learns, from what, and how."""

    format: int = FORMAT
    agent: Text
    game: Text
    """The name of the game, or of several, joined by `+`."""
    actions: Annotated[list[Text], Meta(min_length=1, max_length=18)]
    """The names of the actions, by their numbers."""
    hyperparameters: Hyperparameters
    time_limit: Count
    """Agent steps after which an episode is cut off."""
    seed: Count
    dataset: Text = ""
    """What an agent learned from without playing; empty for one that played."""
    config: Text = ""
    split: Text = ""
    episodes: dict[str, Any] = field(default_factory=dict)
    """The conditions on the episodes that are learned from; none for all."""
    transitions: Count = 0
    """The transitions that are learned from."""
    updates_per_iteration: Count = 0
    evaluation_steps: Count = 0
    schedule: dict[str, Any] = field(default_factory=dict)
    """When an agent that plays learns and explores; empty for one that learned without playing."""
    mixed_precision: bool = False

    @property
    def games(self) -> list[Game]:
        """The games that were learned.

        Raises:
            UnknownNameError: there is no such game.
        """
        return [find_game(name) for name in self.game.split("+")]

    def game_named(self, name: str | None) -> Game:
        """Returns one of the games, which may be left unnamed if there is only one.

        Raises:
            AgentError: it is not one of them, or none is named of several.
        """
        games = self.games
        if name is None and len(games) == 1:
            return games[0]
        if name is None or find_game(name) not in games:
            found = "no game is named" if name is None else f"it did not learn {find_game(name)}"
            raise AgentError(f"{found}: expected one of {', '.join(game.slug for game in games)}")
        return find_game(name)

    def has_actions_of(self, game: Game) -> bool:
        """Returns whether the actions are the game's, or for several games all of ALE's."""
        return tuple(self.actions) == (game.actions if len(self.games) == 1 else tuple(FULL_ACTIONS))


class RunFolder:
    """A run's folder.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path / LOG
        self.checkpoint = path / CHECKPOINT
        self.tensorboard = path / "tensorboard"

    def read(self) -> RunRecord:
        """Returns the run's record.

        Raises:
            AgentError: there is none, or it is not one of this version.
        """
        path = self.path / RECORD
        try:
            content = read_small(path)
        except FileNotFoundError:
            raise AgentError(
                f"{self.path}: no {RECORD} there; expected the folder that `train --out` made"
            ) from None
        except OSError as error:
            raise AgentError(f"{path}: cannot be read: {error.strerror}") from None
        try:
            found = msgspec.json.decode(content)
            found = found.get("format") if isinstance(found, dict) else None
            if found != FORMAT:
                raise AgentError(f"{path}: a run of format {found}; this version reads format {FORMAT}")
            record = read_record(content, RunRecord)
            record.hyperparameters.check()
            return record
        except (ValueError, msgspec.MsgspecError) as error:
            if isinstance(error, AtariReplayError):
                raise
            raise AgentError(f"{path}: not a run's record ({error}); restore it, or train anew") from None

    def begin(self, record: RunRecord) -> None:
        """Write the record of a new run, or check that the run that is there is the same.

        A run that has no checkpoint yet has nothing to lose: its record is replaced.

        Raises:
            OutputError: the folder holds something else.
        """
        if (self.path / RECORD).exists():
            differing = _differences(self.read(), record)
            if not differing:
                return
            if self.checkpoint.exists():
                raise OutputError(
                    f"{self.path} holds a run with other settings ({', '.join(differing)}): "
                    f"choose another --out, or remove it"
                )
        elif self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise OutputError(f"{self.path} holds something that is not a run: choose another --out")
        with replacing(self.path / RECORD) as path:
            path.write_text(to_json(record), encoding="utf-8")

    def save(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint by this state, of tensors, numbers, texts, lists and dicts.

        Raises:
            OSError: it cannot be written.
        """
        import torch

        # Not straight into a file: PyTorch reports a full disk as a fault of its own.
        content = io.BytesIO()
        torch.save({"format": FORMAT, **state}, content)
        with replacing(self.checkpoint) as path:
            path.write_bytes(content.getbuffer())

    def load(self) -> dict[str, Any] | None:
        """Returns the checkpoint's state on the CPU; None if there is none yet.

        Nothing is unpickled but tensors and plain values.

        Raises:
            AgentError: the file is damaged, or holds something else.
        """
        if not self.checkpoint.exists():
            return None
        try:
            state = load_tensors(self.checkpoint)
        except DAMAGE as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise AgentError(
                f"{self.checkpoint}: not a checkpoint ({reason}); restore it, or remove it to train from the "
                f"beginning"
            ) from None
        if not isinstance(state, dict) or state.get("format") != FORMAT:
            raise AgentError(f"{self.checkpoint}: not a checkpoint of format {FORMAT}; train anew")
        return state


def _differences(there: RunRecord, wanted: RunRecord) -> list[str]:
    """Returns the names of the settings that differ."""
    names = [name for name in RunRecord.__struct_fields__ if name != "hyperparameters"]
    differing = [name for name in names if getattr(there, name) != getattr(wanted, name)]
    values, others = asdict(there.hyperparameters), asdict(wanted.hyperparameters)
    return differing + [name for name in values if values[name] != others[name]]
