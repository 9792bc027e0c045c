"""A file per episode, as LRAM's download script writes them."""
