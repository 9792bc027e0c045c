"""Surviving copies of the data, and their episodes in the order of play."""
