"""Checkpoints made apart from each other, put together, and published as they are finished."""
