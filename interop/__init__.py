"""Other people's loaders and formats, on top of the dataset.

Each library has a module of its own, which alone imports it.
"""
