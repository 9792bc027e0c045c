"""Proof that a published dataset is right, or a report of what differs."""
