"""Aesthetics without weights: there are none, and none are made up."""

from __future__ import annotations

from audio_assets.engine.outcomes import NotApplicable


class NoAesthetics:
    """Cannot be made, so that nothing is decoded for it.

    Raises:
        NotApplicable: always; it says what would give an answer.
    """

    name = "none"
    revision = "1"
    licence = "Apache-2.0"

    def __init__(self) -> None:
        raise NotApplicable(
            "weights not installed: aesthetics need published weights; "
            "set AUDIO_ASSETS_AESTHETICS_BACKEND=published"
        )
