"""Other people's loaders and formats, on top of the dataset."""
