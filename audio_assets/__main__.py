"""``python -m audio_assets`` is the `audio-assets` command."""

from audio_assets.cli import main

main()
