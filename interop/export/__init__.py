"""Writes a dataset, or a source, in the forms that other people's loaders read."""
