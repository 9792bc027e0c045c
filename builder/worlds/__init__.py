"""Worlds that can be played beside Atari's games: a file for each."""
