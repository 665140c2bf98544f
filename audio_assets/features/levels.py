"""Peaks, crest factor, dynamics and stereo image of a signal.

Levels are decibels relative to full scale (a sample of 1.0). A silent signal has no level, no image:
everything is None.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audio_assets.audio.resample import resample_blocks
from audio_assets.features.spectrogram import ANALYSIS_RATE, Float32

TRUE_PEAK_RATE = 176400
"""Peaks are looked for at this rate or above: 44.1 and 48 kHz are oversampled four times."""

CHUNK_S = 5.0
SHORTEST_DYNAMICS_S = 1.0


@dataclass(frozen=True)
class Levels:
    """Peak levels and crest factor over all channels."""

    true_peak_dbtp: float | None
    """Peak of the continuous signal, ITU-R BS.1770-4 annex 2."""
    sample_peak_dbfs: float | None
    crest_factor_db: float | None
    """Sample peak over RMS, 0 (square wave) and up; 3.01 for a sinusoid."""


@dataclass(frozen=True)
class StereoImage:
    """How a signal lies between two loudspeakers."""

    stereo_width: float | None
    """Energy of the side signal over that of mid and side: 0 mono, 0.5 unrelated channels, 1 opposite
    polarity."""
    stereo_correlation: float | None
    """-1..1; None where a channel is silent."""


def measure_levels(samples: Float32, sample_rate: int) -> Levels:
    """Peaks and crest factor.

    Shape:
        - samples: ``[channels, n]``
    """
    peak = float(np.abs(samples).max(initial=0))
    if peak == 0:
        return Levels(None, None, None)
    power = float(np.einsum("cn,cn->", samples, samples, dtype=np.float64)) / samples.size
    return Levels(
        true_peak_dbtp=_db(true_peak(samples, sample_rate)),
        sample_peak_dbfs=_db(peak),
        crest_factor_db=max(_db(peak / np.sqrt(power)), 0.0),
    )


def true_peak(samples: Float32, sample_rate: int) -> float:
    """The largest magnitude of the oversampled signal and of its samples.

    BS.1770 asks for four-fold oversampling at 48 kHz and less at higher rates; a signal at
    `TRUE_PEAK_RATE` or above is taken as it is.

    Shape:
        - samples: ``[channels, n]``
    """
    peak = float(np.abs(samples).max(initial=0))
    factor = next(f for f in (1, 2, 4) if f == 4 or f * sample_rate >= TRUE_PEAK_RATE)
    if factor == 1 or not samples.size:
        return peak
    chunk = int(CHUNK_S * sample_rate)
    chunks = (samples[:, start : start + chunk] for start in range(0, samples.shape[1], chunk))
    oversampled = resample_blocks(chunks, sample_rate, factor * sample_rate)
    return max(peak, *(float(np.abs(block).max(initial=0)) for block in oversampled))


def dynamic_complexity(samples: Float32) -> float | None:
    """Mean absolute deviation of the loudness from its level, in dB (Streich, 2007), by Essentia.

    None for a signal that is silent or shorter than `SHORTEST_DYNAMICS_S`.

    Shape:
        - samples: ``[n]``, mono at 44100 Hz
    """
    if len(samples) < SHORTEST_DYNAMICS_S * ANALYSIS_RATE or not samples.any():
        return None
    from essentia.standard import DynamicComplexity

    complexity, _ = DynamicComplexity(sampleRate=ANALYSIS_RATE)(samples)
    return float(complexity)


def measure_stereo(samples: Float32) -> StereoImage:
    """Width and correlation of a stereo signal; two equal channels have width 0 and correlation 1.

    Shape:
        - samples: ``[2, n]``
    """
    (left, product), (_, right) = np.einsum("cn,dn->cd", samples, samples, dtype=np.float64)
    if left + right == 0:
        return StereoImage(None, None)
    width = 0.5 - product / (left + right)
    correlation = product / np.sqrt(left * right) if left * right > 0 else None
    return StereoImage(
        stereo_width=float(np.clip(width, 0, 1)),
        stereo_correlation=None if correlation is None else float(np.clip(correlation, -1, 1)),
    )


def _db(amplitude: float) -> float:
    return float(20 * np.log10(amplitude))
