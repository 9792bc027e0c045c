"""Publishes built checkpoints to a repo, with its card."""
