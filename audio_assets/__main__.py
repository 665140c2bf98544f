"""``python -m audio_assets`` is the `audio-assets` command."""

from audio_assets.command.app import main

main()
