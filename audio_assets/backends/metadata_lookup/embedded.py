"""Metadata look-up switched off: nobody is asked."""

from __future__ import annotations

from audio_assets.engine.outcomes import NotApplicable


class NoLookup:
    """Cannot be made, so that nothing is decoded for it.

    Raises:
        NotApplicable: always; it says what would give an answer.
    """

    name = "none"
    revision = "1"
    licence = "Apache-2.0"

    def __init__(self) -> None:
        raise NotApplicable(
            "look-up is off: set AUDIO_ASSETS_METADATA_LOOKUP_BACKEND=published to ask MusicBrainz"
        )
