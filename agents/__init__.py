"""Agents that learn from the dataset, and play the games again; needs the extra `agents`."""
