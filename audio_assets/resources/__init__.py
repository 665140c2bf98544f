"""What Dagster hands to assets: the lake, object storage, and what they are reached with."""
