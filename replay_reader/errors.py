"""Defines the errors of a dataset that cannot be read."""

from ..builder.errors import AtariReplayError


class DatasetError(AtariReplayError):
    """Raised when a dataset is missing, damaged, or of a kind that these readers cannot read."""


class MissingFileError(DatasetError):
    """Raised when a file does not exist."""
