"""Defines the errors of agents: what they cannot learn with, from or on."""

from ..builder.errors import AtariReplayError


class AgentError(AtariReplayError):
    """A hyperparameter, device, library or run that an agent cannot work with."""
