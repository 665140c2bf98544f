"""Audio as arrays: decode, resample, chunk, encode.

Samples are float32 `[channels, n]` (or `[n]` for mono) with full scale at ±1.0; rates are in Hz.
Pure functions on arrays but for reading and writing files. Nothing here knows of items, lakes or
Dagster.
"""
