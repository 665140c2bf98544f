"""Tags without weights: there are none, and none are made up."""

from __future__ import annotations

from audio_assets.backends.absent import Absent


class NoTags(Absent):
    """Has no tags."""

    reason = "weights not installed: tags need published weights; set AUDIO_ASSETS_TAGS_BACKEND=published"
