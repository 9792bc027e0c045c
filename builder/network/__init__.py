"""Requests to servers that may be slow, down or rude: errors, retries, and Ctrl-C that works at once."""
