"""The original dumps of the replay buffer, written again."""
