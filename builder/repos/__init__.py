"""Dataset repos in folders and on the Hub: read, written and listed."""
