"""What runs by itself: new audio, scheduled runs, maintenance of lake and objects."""
