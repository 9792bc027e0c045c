"""Games together in stock `datasets`: their actions numbered among ALE's 18."""

from pathlib import Path
from typing import Any

import pytest
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.publishing.publish import publish
from atari_dqn_replay.builder.repos.folder_destination import FolderDestination
from dataset_folders import STEPS, build_dataset
from datasets import Image, concatenate_datasets, interleave_datasets, load_dataset

from atari_dqn_replay import AtariReplayError, align_actions

GAMES = ("breakout", "seaquest")


@pytest.fixture(scope="module")
def two_games(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of each game, in which every action occurs; not to be changed."""
    folder = tmp_path_factory.mktemp("two")
    for game in GAMES:
        built = build_dataset(folder / game, game, checkpoints=(0,))
        publish(built, FolderDestination(folder / "dataset"))
    return folder / "dataset"


def load(folder: Path, game: str, **options: Any) -> Any:
    return load_dataset(str(folder), f"{game}-full", split="run_1", **options)


@pytest.mark.slow
def test_streams_are_interleaved(two_games: Path) -> None:
    streams = [load(two_games, game, streaming=True) for game in GAMES]
    with pytest.raises(ValueError, match="features"):
        interleave_datasets(streams)
    both = interleave_datasets([align_actions(stream) for stream in streams])
    rows = list(both.take(2 * STEPS - 2))
    assert rows[0]["observation"].size == (84, 84)
    for place, game in enumerate(GAMES):
        names = find_game(game).actions
        found = [both.features["action"].int2str(row["action"]) for row in rows[place::2]]
        assert found == [names[step % len(names)] for step in range(STEPS - 1)]


def test_prepared_datasets_are_concatenated(two_games: Path, tmp_path: Path) -> None:
    prepared = [load(two_games, game, cache_dir=str(tmp_path)) for game in GAMES]
    both = concatenate_datasets([align_actions(each) for each in prepared])
    assert both.features["observation"] == Image()
    names = [both.features["action"].int2str(action) for action in both["action"]]
    assert names == [
        prepared[place].features["action"].int2str(action)
        for place in range(2)
        for action in prepared[place]["action"]
    ]


def test_what_holds_no_steps_is_refused(two_games: Path) -> None:
    episodes = load_dataset(str(two_games), "breakout-episodes", split="run_1", streaming=True)
    for given in (episodes, str(two_games)):
        with pytest.raises(AtariReplayError, match="expected a Dataset or an IterableDataset of steps"):
            align_actions(given)  # pyright: ignore
