"""RL Unplugged's Atari episodes, read without TensorFlow."""
