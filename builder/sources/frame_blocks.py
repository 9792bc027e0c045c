"""Bounds how many frames of a source are held in memory at a time."""

from ..format.frame_format import FrameFormat

_MOST_BYTES = 512 * 84 * 84


def frames_in_block(frame_format: FrameFormat) -> int:
    """Returns the number of frames read at a time, 3.6 MB: 512 of 84×84 grey; at least one."""
    return max(1, min(512, _MOST_BYTES // frame_format.nbytes))
