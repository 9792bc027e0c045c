"""The columns: made without `datasets`, and the same to it as if it had made them."""

import pytest
from ale_py import ALEInterface, LoggerMode, roms
from atari_dqn_replay.builder.format.features import TableFeatures, episodes_features, steps_features
from atari_dqn_replay.builder.format.games import GAMES, find_game
from datasets import ClassLabel, Features, Image

TABLES = [
    steps_features(find_game("pong")),
    steps_features(find_game("seaquest"), ["unclipped_reward"]),
    episodes_features(),
]


@pytest.mark.parametrize("table", TABLES)
def test_datasets_reads_and_would_write_the_very_same_schema(table: TableFeatures) -> None:
    features = Features.from_arrow_schema(table.arrow_schema)
    assert list(features) == list(table)
    assert features.arrow_schema.equals(table.arrow_schema, check_metadata=True)


@pytest.mark.parametrize("table", TABLES)
def test_the_card_says_what_datasets_would_say(table: TableFeatures) -> None:
    assert table.card_entry == Features.from_arrow_schema(table.arrow_schema)._to_yaml_list()


def test_frames_are_images_and_actions_have_names() -> None:
    features = Features.from_arrow_schema(steps_features(find_game("pong")).arrow_schema)
    assert features["observation"] == Image()
    assert features["action"] == ClassLabel(names=["NOOP", "FIRE", "RIGHT", "LEFT", "RIGHTFIRE", "LEFTFIRE"])


@pytest.mark.slow
def test_a_games_actions_are_those_that_ale_knows_of() -> None:
    ALEInterface.setLoggerMode(LoggerMode.Error)
    ale = ALEInterface()
    for game in GAMES:
        ale.loadROM(str(roms.get_rom_path(game.rom_id)))
        assert game.actions == tuple(action.name for action in ale.getMinimalActionSet()), game
