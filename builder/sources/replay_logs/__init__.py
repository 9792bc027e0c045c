"""Dumps of a ring buffer, put together to whole episodes again."""
