"""The musical half of the demo corpus: works, their versions, and how they come to sound."""

SAMPLE_RATE = 44_100
