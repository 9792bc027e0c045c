"""Hand-written players, one per file, that read the console's RAM.

RAM addresses are those of the Atari Annotated RAM Interface (Anand et al., 2019); speeds, walls and the
effects of hits were measured in ale-py. Unless stated otherwise, lengths are pixels and times are agent
steps.
"""
