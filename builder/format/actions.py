"""The actions of ALE and of each game: facts, so that no emulator has to load a game to name its actions."""

from collections.abc import Mapping, Sequence

FULL_ACTIONS: Sequence[str] = """
NOOP FIRE UP RIGHT LEFT DOWN UPRIGHT UPLEFT DOWNRIGHT DOWNLEFT UPFIRE RIGHTFIRE LEFTFIRE DOWNFIRE
UPRIGHTFIRE UPLEFTFIRE DOWNRIGHTFIRE DOWNLEFTFIRE
""".split()  # noqa: SIM905
"""ALE's 18 actions in its order (`ale_py.Action`)."""

# Games that are not listed have all 18. A test compares every game with ALE's own answer.
_SMALLER_SETS = {
    "Freeway": "NOOP UP DOWN",
    "Skiing": "NOOP RIGHT LEFT",
    "Atlantis": "NOOP FIRE RIGHTFIRE LEFTFIRE",
    "Breakout": "NOOP FIRE RIGHT LEFT",
    "AirRaid Carnival DemonAttack NameThisGame Pong SpaceInvaders": (
        "NOOP FIRE RIGHT LEFT RIGHTFIRE LEFTFIRE"
    ),
    "Bowling Pooyan UpNDown": "NOOP FIRE UP DOWN UPFIRE DOWNFIRE",
    "Qbert": "NOOP FIRE UP RIGHT LEFT DOWN",
    "Assault": "NOOP FIRE UP RIGHT LEFT RIGHTFIRE LEFTFIRE",
    "Gopher": "NOOP FIRE UP RIGHT LEFT UPFIRE RIGHTFIRE LEFTFIRE",
    "Phoenix": "NOOP FIRE RIGHT LEFT DOWN RIGHTFIRE LEFTFIRE DOWNFIRE",
    "Tutankham": "NOOP UP RIGHT LEFT DOWN UPFIRE RIGHTFIRE LEFTFIRE",
    "Asterix CrazyClimber MsPacman": "NOOP UP RIGHT LEFT DOWN UPRIGHT UPLEFT DOWNRIGHT DOWNLEFT",
    "BeamRider": "NOOP FIRE UP RIGHT LEFT UPRIGHT UPLEFT RIGHTFIRE LEFTFIRE",
    "Enduro": "NOOP FIRE RIGHT LEFT DOWN DOWNRIGHT DOWNLEFT RIGHTFIRE LEFTFIRE",
    "VideoPinball": "NOOP FIRE UP RIGHT LEFT DOWN UPFIRE RIGHTFIRE LEFTFIRE",
    "Amidar TimePilot WizardOfWor": "NOOP FIRE UP RIGHT LEFT DOWN UPFIRE RIGHTFIRE LEFTFIRE DOWNFIRE",
    "Asteroids": (
        "NOOP FIRE UP RIGHT LEFT DOWN UPRIGHT UPLEFT UPFIRE RIGHTFIRE LEFTFIRE DOWNFIRE UPRIGHTFIRE "
        "UPLEFTFIRE"
    ),
    "KungFuMaster": (
        "NOOP UP RIGHT LEFT DOWN DOWNRIGHT DOWNLEFT RIGHTFIRE LEFTFIRE DOWNFIRE UPRIGHTFIRE UPLEFTFIRE "
        "DOWNRIGHTFIRE DOWNLEFTFIRE"
    ),
    "JourneyEscape": (
        "NOOP UP RIGHT LEFT DOWN UPRIGHT UPLEFT DOWNRIGHT DOWNLEFT RIGHTFIRE LEFTFIRE DOWNFIRE "
        "UPRIGHTFIRE UPLEFTFIRE DOWNRIGHTFIRE DOWNLEFTFIRE"
    ),
}

_BY_GAME: Mapping[str, tuple[str, ...]] = {
    game: tuple(actions.split()) for games, actions in _SMALLER_SETS.items() for game in games.split()
}


def minimal_actions(game: str) -> tuple[str, ...]:
    """Returns the minimal action set of the game with this name, such as `MsPacman`, in ALE's order."""
    return _BY_GAME.get(game, tuple(FULL_ACTIONS))
