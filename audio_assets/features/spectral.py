"""Spectral shape of a whole signal: the median over its audible frames.

Frames, windows and definitions are those of `frames`. None where no frame is audible; flux also needs
two audible frames in a row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audio_assets.features.frames import Frames
from audio_assets.features.spectrogram import Float32


@dataclass(frozen=True)
class Spectral:
    """Medians over the audible frames."""

    spectral_flatness: float | None
    """0 (a tone) .. 1 (white noise)."""
    spectral_flux: float | None
    """0 (nothing changes) .. sqrt(2) (successive frames share no frequency)."""
    spectral_skewness: float | None
    """Above 0 where energy stands below the centroid with a tail above it; unbounded."""
    spectral_kurtosis: float | None
    """1 and more; 1.8 for a flat spectrum, 3 for a Gaussian one; unbounded."""
    spectral_centroid_hz: float | None
    spectral_bandwidth_hz: float | None
    spectral_rolloff_hz: float | None


def summarise_spectrum(frames: Frames) -> Spectral:
    """Medians of the spectral descriptors of `frames`."""
    return Spectral(
        spectral_flatness=_median(frames.flatness),
        spectral_flux=_median(frames.flux),
        spectral_skewness=_median(frames.skewness),
        spectral_kurtosis=_median(frames.kurtosis),
        spectral_centroid_hz=_median(frames.centroid_hz),
        spectral_bandwidth_hz=_median(frames.bandwidth_hz),
        spectral_rolloff_hz=_median(frames.rolloff_hz),
    )


def _median(values: Float32) -> float | None:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if known.size else None
