"""The spoken half of the demo corpus: scripted conversations with laughter."""

SAMPLE_RATE = 24_000
