"""``python -m audio_assets`` is the `audio-assets` command."""

from audio_assets.command.main import main

main()
