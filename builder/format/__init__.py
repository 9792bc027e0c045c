"""Defines a dataset's format: games, configs, layout, features, manifests and frames."""
