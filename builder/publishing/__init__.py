"""Built checkpoints published to a repo, with its card."""
