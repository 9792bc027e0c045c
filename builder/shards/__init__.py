"""Writes episodes as Parquet files."""
