"""Hand-written players, a file each, that read the console's RAM.

RAM addresses are those of the Atari Annotated RAM Interface (Anand et al., 2019); speeds, walls and what a
hit does were measured in ale-py. Unless said otherwise, lengths are pixels and times are agent steps.
"""
