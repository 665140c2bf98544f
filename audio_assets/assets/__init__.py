"""What exists: item kinds and item assets, one module per step of the way from audio to models.

Every item asset in a module here becomes a Dagster asset; nothing has to be registered.
"""
