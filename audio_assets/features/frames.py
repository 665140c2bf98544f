"""What is read from every frame of a signal, in one pass over its spectrogram.

Several families start here: the spectral shape (`spectral`), the onsets (`onsets`) and through them
beats and rhythm. Frames of `FRAME_LENGTH` samples every `HOP_LENGTH`, Hann, at `ANALYSIS_RATE`;
frame ``i`` stands at ``i * HOP_LENGTH / ANALYSIS_RATE`` seconds.

The moments treat the magnitude spectrum as a distribution over frequency (Peeters, "A large set of
audio features for sound description", 2004, section 6.1): the centroid is its mean, the bandwidth its
standard deviation, kurtosis is not reduced by 3.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from audio_assets.features.spectrogram import (
    ANALYSIS_RATE,
    Float32,
    mel_filterbank,
    power_blocks,
)

FRAME_LENGTH = 2048
HOP_LENGTH = 512
FRAME_RATE = ANALYSIS_RATE / HOP_LENGTH
"""Frames per second, Hz."""

BINS_HZ = np.arange(FRAME_LENGTH // 2 + 1) * ANALYSIS_RATE / FRAME_LENGTH

SILENCE_POWER = 1e-10
"""A frame whose mean square is below this (-100 dBFS) is silent: it has no spectral shape."""

POWER_PER_MEAN_SQUARE = 3.0
"""Sum of a Hann frame's power spectrum over its mean square, as `spectrogram.hann` is scaled."""

DYNAMIC_RANGE = 1e-10
"""Power, relative to the frame's peak, below which a bin holds nothing but rounding noise (-100 dB)."""

ROLLOFF = 0.85
"""Share of a frame's energy below the roll-off frequency."""

N_MELS = 40
MEL_RANGE_HZ = (30.0, 16000.0)


@dataclass(frozen=True)
class Frames:
    """Descriptors of each frame; those of silent frames are NaN.

    Shape: every array is ``[frames]``, `mel_power` is ``[frames, N_MELS]``.
    """

    centroid_hz: Float32
    bandwidth_hz: Float32
    skewness: Float32
    kurtosis: Float32
    rolloff_hz: Float32
    flatness: Float32
    """Geometric over arithmetic mean of the power spectrum, 0..1."""
    flux: Float32
    """Distance to the frame before, both scaled to unit Euclidean norm, 0..sqrt(2)."""
    mel_power: Float32
    """Mean power in each mel band; of silent frames too."""

    def __len__(self) -> int:
        return len(self.flux)


def describe_frames(samples: Float32) -> Frames:
    """Describe every frame of a mono signal at `ANALYSIS_RATE`.

    Shape:
        - samples: ``[n]``
    """
    filters, _ = mel_filterbank(ANALYSIS_RATE, FRAME_LENGTH, N_MELS, *MEL_RANGE_HZ)
    previous = np.full((1, len(filters)), np.nan, np.float32)
    parts: list[Frames] = []
    for power in power_blocks(samples, FRAME_LENGTH, HOP_LENGTH):
        mel_power = power @ filters
        peak = power.max(axis=1, keepdims=True)
        mean_square = power.sum(axis=1, keepdims=True) / POWER_PER_MEAN_SQUARE
        floor = np.where(mean_square < SILENCE_POWER, np.nan, DYNAMIC_RANGE * peak)
        np.maximum(power, floor, out=power)
        magnitude = np.sqrt(power - floor)
        unit = magnitude / np.linalg.norm(magnitude, axis=1, keepdims=True)
        steps = unit - np.concatenate([previous, unit[:-1]])
        previous = unit[-1:]
        centroid_hz, bandwidth_hz, skewness, kurtosis = _moments(magnitude)
        parts.append(
            Frames(
                centroid_hz=centroid_hz,
                bandwidth_hz=bandwidth_hz,
                skewness=skewness,
                kurtosis=kurtosis,
                rolloff_hz=_rolloff(power),
                flatness=np.minimum(np.exp(np.log(power).mean(axis=1)) / power.mean(axis=1), 1),
                flux=np.linalg.norm(steps, axis=1),
                mel_power=mel_power,
            )
        )
    return Frames(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Frames)))


def _moments(magnitude: Float32) -> Float32:
    """Mean, standard deviation (Hz), skewness and kurtosis of each row over frequency, ``[4, rows]``.

    In 64 bits: the central moments are small differences of the raw ones.
    """
    nyquist_hz = ANALYSIS_RATE / 2
    x = BINS_HZ / nyquist_hz
    raw = magnitude.astype(np.float64) @ np.stack([x**k for k in range(5)], axis=1)
    m1, m2, m3, m4 = (raw[:, 1:] / raw[:, :1]).T
    variance = np.maximum(m2 - m1**2, 1e-12)
    third = m3 - 3 * m1 * m2 + 2 * m1**3
    fourth = m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4
    spread = np.sqrt(variance)
    moments = [m1 * nyquist_hz, spread * nyquist_hz, third / spread**3, fourth / variance**2]
    return np.array(moments, np.float32)


def _rolloff(power: Float32) -> Float32:
    cumulated = np.cumsum(power, axis=1)
    index = (cumulated >= ROLLOFF * cumulated[:, -1:]).argmax(axis=1)
    return np.where(np.isnan(cumulated[:, -1]), np.nan, BINS_HZ[index]).astype(np.float32)
