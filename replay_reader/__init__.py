"""Uses the dataset: stacked transitions, sequences and episodes for training, shuffled and resumable."""
