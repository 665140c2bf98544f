"""Captions by models: a captioner says what it hears of a track, a reviser puts a caption right.

A captioner gives those of the kinds of `audio_assets.captions` for which it has something to say; texts are
normalised. What was measured of the track is handed to it as `Facts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from audio_assets.audio.signal import Signal
from audio_assets.captions import Facts
from audio_assets.engine.declare.roles import Role


class Describer(Protocol):
    """What plays the role `second_captions`."""

    def describe(self, track: Signal, facts: Facts, genres: tuple[str, ...]) -> str:
        """A full caption by the baseline prompt, with a hint at its genres if there are any.

        Raises:
            NotApplicable: there is nothing to say of the track.
        """
        ...


class Captioner(Describer, Protocol):
    """What plays the role `captions`."""

    def captions(self, track: Signal, facts: Facts) -> Mapping[str, str]:
        """Captions by kind, in the order of `KINDS`.

        Raises:
            NotApplicable: there is nothing to say of the track.
        """
        ...


class Reviser(Protocol):
    """What plays the role `caption_revision`."""

    def revise(self, text: str, facts: Facts) -> str:
        """A caption with what contradicts the measured facts put right, and the rest kept."""
        ...


CAPTIONS_ROLE = Role(
    "captions",
    {
        "embedded": "audio_assets.backends.captions.embedded:ComposedCaptions",
        "published": "audio_assets.backends.captions.music_flamingo:MusicFlamingoCaptions",
    },
)


CAPTION_REVISION_ROLE = Role(
    "caption_revision",
    {
        "embedded": "audio_assets.backends.captions.embedded:FactCorrection",
        "published": "audio_assets.backends.captions.text_model:TextModelRevision",
    },
)


SECOND_CAPTIONS_ROLE = Role(
    "second_captions",
    {
        "embedded": "audio_assets.backends.captions.absent:NoSecondCaptions",
        "published": "audio_assets.backends.captions.qwen_omni:QwenOmniCaptions",
    },
)
