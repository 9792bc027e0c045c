"""Talking to servers that may be slow, away or rude: errors, retries, and Ctrl-C that works at once."""
