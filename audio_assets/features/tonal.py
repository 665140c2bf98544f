"""Pitch-class content and key of a whole signal.

Chroma is the constant-Q transform folded into twelve pitch classes, each frame scaled to sum 1; HPCP
comes from spectral peaks (`hpcp`). Pitch class 0 is C. Frames without sound are left out.

The tonal interval vector (Bernardes et al., "A multi-level tonal interval space for modelling pitch
relatedness and musical consonance", 2016) is the weighted discrete Fourier transform of the mean HPCP,
scaled to length 1. Its twelve values are real and imaginary part in turn: Re T1, Im T1, ..., Re T6,
Im T6. T5 is the circle of fifths, T3 the major thirds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audio_assets.features.constant_q import N_BINS
from audio_assets.features.spectrogram import ANALYSIS_RATE, Float32

SILENCE = 1e-5
"""A constant-Q frame without a bin above this amplitude (-100 dBFS) has no chroma."""

PITCH_CLASSES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
ENHARMONIC = {"Db": "C#", "D#": "Eb", "Gb": "F#", "G#": "Ab", "A#": "Bb"}

TIV_WEIGHTS = np.array([3.0, 8.0, 11.5, 15.0, 14.5, 7.5])

VARIANCE_SCALE = 0.1
"""Mean variance of chroma that counts as the most there is."""

SHORTEST_KEY_S = 1.0


@dataclass(frozen=True)
class Key:
    """A key and how well the pitch-class profile fits it."""

    tonic: int
    """0 (C) .. 11 (B)."""
    scale: str
    """``major`` or ``minor``."""
    strength: float
    """Correlation with the key's profile, 0..1."""

    @property
    def name(self) -> str:
        """The tonic as musicians write it, e.g. ``Eb``."""
        return PITCH_CLASSES[self.tonic]


@dataclass(frozen=True)
class HarmonicChange:
    """How much the harmony of a signal (a bass stem, say) moves and varies; None below two frames."""

    harmonic_movement: float | None
    """Mean distance of successive chroma frames over its maximum sqrt(2), 0..1."""
    harmonic_variance: float | None
    """Mean variance of the pitch classes over `VARIANCE_SCALE`, capped at 1."""


def chroma_frames(magnitudes: Float32) -> Float32:
    """Fold a constant-Q transform into pitch classes; each frame sums to 1, silent frames are dropped.

    Shape:
        - magnitudes: ``[frames, N_BINS]`` of `constant_q.constant_q`
        - Output: ``[audible frames, 12]``
    """
    audible = magnitudes[magnitudes.max(axis=1, initial=0) > SILENCE]
    folded: Float32 = audible.reshape(-1, N_BINS // 12, 12).sum(axis=1)
    folded /= folded.sum(axis=1, keepdims=True)
    return folded


def mean_chroma(chroma: Float32) -> list[float] | None:
    """The mean of chroma frames: twelve values of sum 1. None without a frame."""
    return chroma.mean(axis=0, dtype=np.float64).tolist() if len(chroma) else None


def mean_hpcp(hpcp: Float32) -> list[float] | None:
    """The mean of the HPCP frames that have a peak: twelve values, 0..1. None without one."""
    sounding = hpcp[hpcp.any(axis=1)]
    return sounding.mean(axis=0, dtype=np.float64).tolist() if len(sounding) else None


def tonal_interval_vector(profile: list[float]) -> list[float] | None:
    """The tonal interval vector of a pitch-class profile: twelve values of unit length.

    None for a profile that is the same at every pitch class, which has no direction.
    """
    share = np.asarray(profile) / np.sum(profile)
    vector = TIV_WEIGHTS * np.fft.fft(share)[1:7]
    length = np.linalg.norm(vector)
    if length < 1e-9:
        return None
    return [float(part) for value in vector / length for part in (value.real, value.imag)]


def estimate_key(samples: Float32) -> Key | None:
    """The key of a mono signal at 44100 Hz by Essentia's KeyExtractor with the `edma` profile.

    None for a signal that is silent, shorter than `SHORTEST_KEY_S` or in which it finds no pitch.

    Shape:
        - samples: ``[n]``
    """
    if len(samples) < SHORTEST_KEY_S * ANALYSIS_RATE:
        return None
    from essentia.standard import KeyExtractor

    name, scale, strength = KeyExtractor(profileType="edma", sampleRate=ANALYSIS_RATE)(samples)
    if strength <= 0:
        return None
    return Key(PITCH_CLASSES.index(ENHARMONIC.get(name, name)), scale, min(float(strength), 1.0))


def measure_harmonic_change(chroma: Float32) -> HarmonicChange:
    """Movement and variance of chroma frames.

    Shape:
        - chroma: ``[frames, 12]``, each frame of sum 1
    """
    if len(chroma) < 2:
        return HarmonicChange(None, None)
    steps = np.linalg.norm(np.diff(chroma, axis=0), axis=1) / np.sqrt(2)
    variance = chroma.var(axis=0).mean() / VARIANCE_SCALE
    return HarmonicChange(min(float(steps.mean()), 1.0), min(float(variance), 1.0))
