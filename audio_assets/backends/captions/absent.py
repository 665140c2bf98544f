"""No second audio model without weights: the caption is left out, and the others are made."""

from __future__ import annotations

from audio_assets.audio.signal import Signal
from audio_assets.captions import Facts
from audio_assets.engine.declare.outcomes import NotApplicable

REASON = (
    "weights not installed: captions by a second model need published weights; set "
    "AUDIO_ASSETS_SECOND_CAPTIONS_BACKEND=published"
)


class NoSecondCaptions:
    """Describes nothing. It can be made, unlike `backends.absent.Absent`: the comparison does without it."""

    name = "none"
    revision = "1"
    licence = "Apache-2.0"
    reason = REASON

    def describe(self, track: Signal, facts: Facts, genres: tuple[str, ...]) -> str:
        """As `Describer.describe`.

        Raises:
            NotApplicable: always.
        """
        raise NotApplicable(REASON)
