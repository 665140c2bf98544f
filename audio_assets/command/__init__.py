"""The `audio-assets` command, one module per verb."""
