"""The columns of the two tables, as `datasets.Features` and as an Arrow schema."""

from datasets import ClassLabel, Features, Image, Value

from .games import Game


def steps_features(game: Game, *, unclipped_reward: bool = False) -> Features:
    """Columns of the steps tables, one row per step; `unclipped_reward` only where the source has it."""
    return Features(
        {
            "observation": Image(),
            "action": ClassLabel(names=list(game.actions)),
            "reward": Value("float32"),
            **({"unclipped_reward": Value("float32")} if unclipped_reward else {}),
            "terminated": Value("bool"),
            "truncated": Value("bool"),
            "return_to_go": Value("float32"),
            "checkpoint": Value("int16"),
            "episode": Value("int32"),
            "step": Value("int32"),
        }
    )


def episodes_features() -> Features:
    """Columns of the episodes tables, one row per episode; `file` and `first_row` say where its steps lie."""
    return Features(
        {
            "game": Value("string"),
            "run": Value("int8"),
            "checkpoint": Value("int16"),
            "episode": Value("int32"),
            "length": Value("int32"),
            "return": Value("float32"),
            "terminated": Value("bool"),
            "truncated": Value("bool"),
            "complete": Value("bool"),
            "final_observation": Image(),
            "file": Value("string"),
            "first_row": Value("int64"),
        }
    )
