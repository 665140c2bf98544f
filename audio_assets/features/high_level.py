"""Danceability and atonality by classical methods, no trained model.

Danceability is Essentia's detrended fluctuation analysis (Streich & Herrera, "Detrended fluctuation
analysis of music signals", 2005): how little the level fluctuates over long times compared to short
ones. Its values of 0 to about 3 are divided by `FULL_DANCEABILITY` and capped at 1.

Atonality is the lack of diatonicity: the fifth Fourier coefficient of the pitch-class profile (Quinn,
"General equal-tempered harmony", 2006), which measures how far it is bunched on the circle of fifths,
over that of a diatonic scale. 0 is as diatonic as a scale's seven notes or more, 1 no key at all.
"""

from __future__ import annotations

import numpy as np

from audio_assets.features.spectrogram import ANALYSIS_RATE, Float32

FULL_DANCEABILITY = 3.0

SHORTEST_DANCE_S = 10.0
"""The longest fluctuations looked at are 8.8 s."""

DIATONIC_FIFTHS = (2 + np.sqrt(3)) / 7
"""The fifth Fourier coefficient of a diatonic scale of equal weights, 0.533."""


def danceability(samples: Float32) -> float | None:
    """Danceability, 0..1, of a mono signal at 44100 Hz.

    None for a signal that is silent, shorter than `SHORTEST_DANCE_S` or of constant level.

    Shape:
        - samples: ``[n]``
    """
    if len(samples) < SHORTEST_DANCE_S * ANALYSIS_RATE:
        return None
    from essentia.standard import Danceability

    value, _ = Danceability(sampleRate=ANALYSIS_RATE)(samples)
    return min(float(value) / FULL_DANCEABILITY, 1.0) if value > 0 else None


def atonality(profile: list[float]) -> float:
    """Atonality, 0..1, of a pitch-class profile such as `tonal.mean_hpcp`.

    >>> c_major = [1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1]
    >>> round(atonality(c_major), 6), round(atonality([1] * 12), 6)
    (0.0, 1.0)
    """
    fifths = abs(np.fft.fft(profile)[5]) / np.sum(profile)
    return max(1 - float(fifths / DIATONIC_FIFTHS), 0.0)
