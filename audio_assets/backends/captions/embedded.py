"""Captions composed from what was measured, and put right by it: no weights, no download."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from audio_assets.audio.signal import Signal
from audio_assets.captions import KINDS, Facts
from audio_assets.captions.composition import compose, tells_of
from audio_assets.captions.correction import corrected
from audio_assets.engine.declare.outcomes import NotApplicable

NOTHING = "nothing was measured that a caption could tell: the track may be silent"


class ComposedCaptions:
    """Sentences from measured features; see `captions.composition`."""

    name = "composed"
    revision = "1"
    licence = "Apache-2.0"

    def captions(self, track: Signal, facts: Facts) -> Mapping[str, str]:
        """As `Captioner.captions`; the track itself is not listened to."""
        if not tells_of(facts):
            raise NotApplicable(NOTHING)
        return {kind: text for kind in KINDS if (text := compose(facts, kind))}

    def describe(self, track: Signal, facts: Facts, genres: tuple[str, ...]) -> str:
        """As `Captioner.describe`."""
        untagged = replace(facts, genres=genres or None, moods=None, instruments=None, voice=None)
        if not tells_of(untagged):
            raise NotApplicable(NOTHING)
        return compose(untagged, "full")


class FactCorrection:
    """Puts claims right that contradict the facts; see `captions.correction`."""

    name = "fact-correction"
    revision = "1"
    licence = "Apache-2.0"

    def revise(self, text: str, facts: Facts) -> str:
        """As `Reviser.revise`."""
        return corrected(text, facts)
