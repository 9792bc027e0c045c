"""Games that are played anew, and logged as the original was."""
