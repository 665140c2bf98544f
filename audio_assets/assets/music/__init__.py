"""What is computed on tracks, in the order of the way of data."""
