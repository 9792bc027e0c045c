"""The names of the ways in which a dataset's frames are compressed."""

SMALL = "small"
"""As small as is sensible for what is written once and downloaded often."""
FAST = "fast"
"""A fifth to a half larger, compressed about six times as fast."""
COMPRESSIONS = (SMALL, FAST)
