"""Reads surviving copies of the data and yields their episodes in order of play."""
