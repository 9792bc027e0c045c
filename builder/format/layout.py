"""Where each file of a dataset repo lies; the same in a folder and on the Hub."""

from .games import Game

CARD = "README.md"
MANIFEST = "manifest.json"
MOST_CHECKPOINT = 99
"""Folders are named with two digits, so that their order is the order of play."""


def checkpoint_folder(game: Game, run: int, checkpoint: int) -> str:
    """`data/pong/run_1/checkpoint_09`: a checkpoint's step shards and its manifest."""
    return f"data/{game.slug}/{split_name(run)}/checkpoint_{checkpoint:02d}"


def steps_shard(game: Game, run: int, checkpoint: int, shard: int, shards: int) -> str:
    """`…/steps-00000-of-00002.parquet`, in order of play."""
    return f"{checkpoint_folder(game, run, checkpoint)}/steps-{shard:05d}-of-{shards:05d}.parquet"


def manifest_file(game: Game, run: int, checkpoint: int) -> str:
    """`data/pong/run_1/checkpoint_09/manifest.json`."""
    return f"{checkpoint_folder(game, run, checkpoint)}/{MANIFEST}"


def episodes_table(game: Game, run: int, checkpoint: int) -> str:
    """`episodes/pong/run_1/checkpoint_09.parquet`: one row per episode that began in the checkpoint."""
    return f"episodes/{game.slug}/{split_name(run)}/checkpoint_{checkpoint:02d}.parquet"


def split_name(run: int) -> str:
    """A run is a split: `run_1`."""
    return f"run_{run}"
