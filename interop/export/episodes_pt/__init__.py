"""Exports a `.pt` file for each episode, as world models read them."""
