"""Landing files become raw Parquet by day; every row is accepted or quarantined, and counted."""
