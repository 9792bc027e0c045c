"""Looks at a dataset: a web page that needs no server of its own, and what brings it to people."""
