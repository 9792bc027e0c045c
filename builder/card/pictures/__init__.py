"""The pictures of a game, drawn from its published checkpoints."""
