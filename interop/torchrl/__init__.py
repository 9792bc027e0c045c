"""TorchRL's `AtariDQNExperienceReplay`, on a built dataset."""

from ..libraries import require

require("torchrl", "0.14", extra="torchrl")

from .experience_replay import AtariDQNExperienceReplay, register

__all__ = ["AtariDQNExperienceReplay", "register"]
