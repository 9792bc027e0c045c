"""What mends a card that is not as it should be."""

from collections.abc import Sequence

from ..errors import AtariReplayError
from ..format.configs import PREVIEW, ConfigName, parse_config_name
from ..format.games import Game

RENDER = "write the card anew with `atari-dqn-replay render`"


def publish_again(game: Game) -> str:
    """Returns the advice for what the card states of a game."""
    return f"publish {game.slug} again: that writes its part of the card anew"


def load_again(names: Sequence[str]) -> str:
    """Returns the advice for configs that do not load."""
    config = next(filter(None, map(own_config, names)), None)
    if config is None and PREVIEW in names:
        return f"mend what else differs, then {RENDER}"
    if config is None:
        return "mend or remove what its author has written"
    return f"mend what else differs, then publish {config.game.slug} again"


def own_config(name: str) -> ConfigName | None:
    """Returns the config of that name if it is one of ours, or None."""
    try:
        config = parse_config_name(name)
    except AtariReplayError:
        return None
    return config if str(config) == name else None
