"""Builds checkpoints independently, joins them, and publishes them as they are finished."""
