"""d4rl-atari's names of environments."""

# pyright: reportMissingImports=false
from gymnasium.envs.registration import EnvSpec, registry

from ...builder.format.configs import EPOCH, FILE_NUMBERS
from ...builder.format.games import GAMES
from .environment import OfflineAtariEnv

RUNS = range(5)
"""`-v0` is run 1, and so on."""

EPOCHS = range(51)
"""Numbers of log files that have an environment; d4rl-atari has no 0."""


def register_environments() -> None:
    """Register every `<game>-<quality>-v<run - 1>` with Gymnasium; importing this module does."""
    qualities = [*FILE_NUMBERS, *(f"{EPOCH}-{number}" for number in EPOCHS)]
    for game in GAMES:
        for quality in qualities:
            for version in RUNS:
                # gymnasium.register looks through all that are there for each: minutes for so many.
                name = f"{game.slug}-{quality}-v{version}"
                registry[name] = EnvSpec(
                    id=name,
                    entry_point=f"{OfflineAtariEnv.__module__}:{OfflineAtariEnv.__name__}",
                    kwargs={"game": game.slug, "index": version + 1, "quality": quality},
                    # No wrapper stands before get_dataset.
                    order_enforce=False,
                    disable_env_checker=True,
                )
