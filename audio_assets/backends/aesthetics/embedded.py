"""Aesthetics without weights: there are none, and none are made up."""

from __future__ import annotations

from audio_assets.backends.absent import Absent


class NoAesthetics(Absent):
    """Has no ratings."""

    reason = (
        "weights not installed: aesthetics need published weights; "
        "set AUDIO_ASSETS_AESTHETICS_BACKEND=published"
    )
