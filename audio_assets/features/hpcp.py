"""Harmonic pitch-class profile (Gómez, 2006) and tuning, both from the peaks of the spectrum.

Frames are those of `constant_q`: 0.74 s at 11025 Hz every 46 ms, here with a Hann window. Pitch class
0 is C.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audio_assets.features.constant_q import A4_HZ, FRAME_LENGTH, HOP_LENGTH, SAMPLE_RATE
from audio_assets.features.spectrogram import Float32, power_blocks

LOW_HZ, HIGH_HZ = 40.0, 5000.0
MAX_PEAKS = 60
HARMONICS = 4

QUIETEST_PEAK = 1e-5
"""Amplitude of the weakest peak that counts, -100 dBFS."""

CLEAR_TUNING = 0.1
"""Length of the mean direction of the peaks' deviations above which they agree on a tuning."""


@dataclass(frozen=True)
class PitchClasses:
    """The tuning of a signal and its pitch-class profile at each frame."""

    a4_hz: float | None
    """Frequency of A4, 427.5..452.9; None where the peaks agree on none (noise, drums)."""
    hpcp: Float32
    """``[frames, 12]``, 0..1, the highest of a frame 1; zeros where there is no peak."""


def pitch_classes(samples: Float32) -> PitchClasses:
    """Tuning and HPCP of a mono signal at 11025 Hz (`constant_q.SAMPLE_RATE`).

    Shape:
        - samples: ``[n]``
    """
    from essentia.standard import HPCP, SpectralPeaks

    spectral_peaks = SpectralPeaks(
        sampleRate=SAMPLE_RATE,
        minFrequency=LOW_HZ,
        maxFrequency=HIGH_HZ,
        maxPeaks=MAX_PEAKS,
        magnitudeThreshold=QUIETEST_PEAK,
        orderBy="magnitude",
    )
    peaks = [
        spectral_peaks(magnitude)
        for power in power_blocks(samples, FRAME_LENGTH, HOP_LENGTH)
        for magnitude in np.sqrt(power)
    ]
    a4_hz = _tuning(peaks)
    profile = HPCP(
        sampleRate=SAMPLE_RATE,
        referenceFrequency=a4_hz or A4_HZ,
        minFrequency=LOW_HZ,
        maxFrequency=HIGH_HZ,
        harmonics=HARMONICS,
        bandPreset=False,
        weightType="cosine",
        windowSize=1.0,
    )
    from_a = np.array([profile(*frame) for frame in peaks], np.float32).reshape(-1, 12)
    return PitchClasses(a4_hz, np.roll(from_a, -3, axis=1))


def _tuning(peaks: list[tuple[Float32, Float32]]) -> float | None:
    """The mean deviation of all peaks from the semitones of A4 = 440 Hz, weighted by magnitude.

    A deviation is an angle: a quarter-tone up is a quarter-tone down.
    """
    if not peaks:
        return None
    frequencies, magnitudes = (np.concatenate(values) for values in zip(*peaks, strict=True))
    total: np.floating = magnitudes.sum(dtype=np.float64)
    if not total > 0:
        return None
    semitones: NDArray[np.float64] = 12 * np.log2(frequencies.astype(np.float64) / A4_HZ)
    direction = (magnitudes * np.exp(2j * np.pi * semitones)).sum() / total
    if abs(direction) < CLEAR_TUNING:
        return None
    return float(A4_HZ * 2 ** (np.angle(direction) / (2 * np.pi) / 12))
