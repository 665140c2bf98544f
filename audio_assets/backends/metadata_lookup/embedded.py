"""Metadata look-up switched off: nobody is asked."""

from __future__ import annotations

from audio_assets.backends.absent import Absent


class NoLookup(Absent):
    """Asks nobody."""

    reason = "look-up is off: set AUDIO_ASSETS_METADATA_LOOKUP_BACKEND=published to ask MusicBrainz"
