"""What code a value came from."""
