"""From paths to typed records of what is there: find, inspect, read tags and files beside.

Nothing here knows of the lake or Dagster. Original files are only ever read.
"""
