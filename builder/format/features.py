"""Defines the columns of the two tables, in the forms that Arrow, `datasets` and the card's YAML use.

It does not import `datasets`, which takes longer than a small build; `datasets` reads the same features back
from the Arrow schema: `datasets.Features.from_arrow_schema(steps_features(game).arrow_schema)`.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from typing import Any

import pyarrow as pa

from .actions import FULL_ACTIONS
from .frames import IMAGE_TYPE
from .games import Game
from .played_episodes import ORIGIN

Feature = Mapping[str, Any]
"""A column's type as `datasets` writes it in schema metadata: `{"dtype": "int8", "_type": "Value"}`."""

IMAGE: Feature = {"_type": "Image"}


def value(dtype: str) -> Feature:
    """Returns the feature of a column of plain values, given their type's name in Arrow."""
    return {"dtype": dtype, "_type": "Value"}


def class_label(names: tuple[str, ...]) -> Feature:
    """Returns the feature of a column of integers that stand for names."""
    return {"names": list(names), "_type": "ClassLabel"}


class TableFeatures(Mapping[str, Feature]):
    """The columns of a table in order, by name."""

    def __init__(self, features: Mapping[str, Feature]) -> None:
        self._features = dict(features)

    def __getitem__(self, name: str) -> Feature:
        return self._features[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._features)

    def __len__(self) -> int:
        return len(self._features)

    @cached_property
    def arrow_schema(self) -> pa.Schema:
        """The Arrow schema, with the metadata from which `datasets` recovers images and class names."""
        metadata = {"huggingface": json.dumps({"info": {"features": self._features}})}
        return pa.schema({name: _arrow_type(feature) for name, feature in self.items()}, metadata)

    @property
    def card_entry(self) -> list[dict[str, Any]]:
        """The columns as the `features` of a card's `dataset_info`."""
        return [{"name": name, "dtype": _card_type(feature)} for name, feature in self.items()]


def _arrow_type(feature: Feature) -> pa.DataType:
    if feature["_type"] == "Image":
        return IMAGE_TYPE
    return pa.int64() if feature["_type"] == "ClassLabel" else pa.type_for_alias(feature["dtype"])


def _card_type(feature: Feature) -> Any:
    if feature["_type"] == "Image":
        return "image"
    if feature["_type"] == "ClassLabel":
        return {"class_label": {"names": {str(place): name for place, name in enumerate(feature["names"])}}}
    return feature["dtype"]


UNCLIPPED_REWARD = "unclipped_reward"
"""An optional column of the steps: the rewards as some sources have them beside the clipped ones."""

PROB = "prob"
"""An optional column of the steps: the probability with which the agent chose the action, as logged."""


def state_features(game: Game) -> dict[str, Feature]:
    """Returns the optional columns of a world's state, none for a game of Atari."""
    columns = game.world.state_columns if game.world is not None else {}
    return {name: value(dtype) for name, dtype in columns.items()}


def fact_features(game: Game) -> dict[str, Feature]:
    """Returns the optional columns of a world's episodes table, none for a game of Atari.

    They are where the episode was played, the world's state after its last step, and its maps.
    """
    if game.world is None:
        return {}
    maps = dict.fromkeys(game.world.map_columns, IMAGE)
    return {**dict.fromkeys(ORIGIN, value("int64")), **state_features(game), **maps}


def steps_features(game: Game, columns: Collection[str] = ()) -> TableFeatures:
    """Returns the columns of the steps tables, one row per step.

    Args:
        game: the game whose actions' names label them.
        columns: the columns that the source has, of which only the optional ones matter.
    """
    state = state_features(game)
    return TableFeatures(
        {
            "observation": IMAGE,
            "action": class_label(tuple(game.actions)),
            "reward": value("float32"),
            **{name: value("float32") for name in (UNCLIPPED_REWARD, PROB) if name in columns},
            "terminated": value("bool"),
            "truncated": value("bool"),
            "return_to_go": value("float32"),
            "checkpoint": value("int16"),
            "episode": value("int32"),
            "step": value("int32"),
            **{name: state[name] for name in state if name in columns},
        }
    )


def preview_features() -> TableFeatures:
    """Returns the columns of the previews, one row per step, which are the same for all games.

    They are those of the steps tables with the game and the run. Actions are numbered among ALE's 18.
    """
    return TableFeatures(
        {
            "observation": IMAGE,
            "game": value("string"),
            "run": value("int8"),
            "action": class_label(tuple(FULL_ACTIONS)),
            "reward": value("float32"),
            "terminated": value("bool"),
            "truncated": value("bool"),
            "return_to_go": value("float32"),
            "checkpoint": value("int16"),
            "episode": value("int32"),
            "step": value("int32"),
        }
    )


def episodes_features(game: Game | None = None, columns: Collection[str] = ()) -> TableFeatures:
    """Returns the columns of the episodes tables, one row per episode.

    The columns `file` and `first_row` locate the episode's steps.

    Args:
        game: the game that was played, which matters for the optional columns alone.
        columns: the columns that the source has of each episode, of which only the optional ones matter.
    """
    facts = {} if game is None else fact_features(game)
    return TableFeatures(
        {
            "game": value("string"),
            "run": value("int8"),
            "checkpoint": value("int16"),
            "episode": value("int32"),
            "length": value("int32"),
            "return": value("float32"),
            "terminated": value("bool"),
            "truncated": value("bool"),
            "complete": value("bool"),
            "final_observation": IMAGE,
            "file": value("string"),
            "first_row": value("int64"),
            **{name: facts[name] for name in facts if name in columns},
        }
    )
