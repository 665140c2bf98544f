"""Who speaks when in an episode, and the audio of each speaker."""
