"""Reads dumps of a ring buffer and reassembles whole episodes from them."""
