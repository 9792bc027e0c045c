"""Reads the dataset for training as stacked transitions, sequences and episodes, shuffled and resumable."""
