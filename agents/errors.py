"""Defines the errors of agents: what they cannot learn with, from or on."""

from collections.abc import Mapping

from ..builder.errors import AtariReplayError


class AgentError(AtariReplayError):
    """A hyperparameter, device, library or run that an agent cannot work with."""


def check_least(settings: object, least: Mapping[str, int]) -> None:
    """Check numbers of some settings.

    Args:
        settings: what has them as attributes.
        least: the least that each may be, by its name.

    Raises:
        AgentError: one is smaller.
    """
    for name, smallest in least.items():
        if getattr(settings, name) < smallest:
            raise AgentError(f"{name} is {getattr(settings, name)}: expected {smallest} or more")
