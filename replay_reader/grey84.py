"""Refuses frames of other formats where only the original's are known."""

from ..builder.format.frame_format import GREY84, FrameFormat
from .errors import DatasetError


def check_grey84(frame_format: FrameFormat, where: str, reason: str) -> None:
    """Check that frames are 84×84 grey, before they are prepared, which takes long.

    Args:
        frame_format: the format of the frames.
        where: whose frames they are, for the error.
        reason: why no others will do: `which …`.

    Raises:
        DatasetError: they are of another format.
    """
    if frame_format != GREY84:
        raise DatasetError(
            f"{where}: its frames are {frame_format.describe()}, expected {GREY84.describe()}, {reason}; "
            f"read it with Transitions, Sequences, Episodes or ReplayDataset"
        )
