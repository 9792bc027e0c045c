"""Names the ways of compressing a dataset's frames."""

SMALL = "small"
"""Compression for files that are written once and downloaded often: as small as is sensible."""
FAST = "fast"
"""Compression about six times as fast, into files larger by a fifth to a half."""
COMPRESSIONS = (SMALL, FAST)
