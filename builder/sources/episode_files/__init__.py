"""Stores of other libraries that keep whole episodes: a file for each, or a group in one file for each."""
