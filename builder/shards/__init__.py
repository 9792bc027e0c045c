"""Episodes as Parquet files."""
