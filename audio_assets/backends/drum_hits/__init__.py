"""Drum hits: when a drum kit is struck, and what is struck, as General MIDI note numbers.

The vocabulary is that of ADTOF (Zehren et al., "ADTOF: a large dataset of non-synthetic music for automatic
drum transcription", ISMIR 2021). A transcriber need not tell all its classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from audio_assets.audio.downmix import Samples
from audio_assets.engine.declare.roles import Role

SAMPLE_RATE = 44_100

DRUM_CLASSES = {35: "bass drum", 38: "snare drum", 47: "tom-tom", 42: "hi-hat", 49: "cymbal"}
"""General MIDI note and name of each class, in ADTOF's order."""


@dataclass(frozen=True)
class DrumHit:
    """A stroke."""

    time_s: float
    midi: int
    """A key of `DRUM_CLASSES`."""
    strength: float
    """0..1: level at the hit relative to the loud hits of its class, on a scale of 40 dB."""


class DrumTranscriber(Protocol):
    """What plays the role `drum_hits`."""

    def hits(self, drums: Samples) -> list[DrumHit]:
        """The hits of a drum stem in order of time.

        Shape:
            - drums: ``[n]`` at `SAMPLE_RATE`
        """
        ...


DRUM_HITS_ROLE = Role(
    "drum_hits",
    dict.fromkeys(("embedded", "published"), "audio_assets.backends.drum_hits.band_onsets:BandOnsets"),
)
