"""Plays games and logs them as the original dataset was logged."""
