"""What can be wrong with a dataset that is to be read."""

from ..builder.errors import AtariReplayError


class DatasetError(AtariReplayError):
    """A dataset that is missing, damaged, or of another kind than these readers read."""


class MissingFileError(DatasetError):
    """A file that is not there."""
