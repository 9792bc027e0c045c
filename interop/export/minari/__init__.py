"""A Minari dataset, written by Minari's own library."""
