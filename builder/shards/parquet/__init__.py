"""Writes Parquet files whose frames are laid out and compressed by hand."""
