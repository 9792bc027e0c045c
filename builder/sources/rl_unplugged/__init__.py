"""Reads RL Unplugged's Atari episodes without TensorFlow."""
