"""Output for people at a terminal: progress, tables and sizes."""
