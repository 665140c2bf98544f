"""Onsets: where sounds begin, and how strongly.

The onset envelope is the mean rise, over mel bands, of the level in bels (1 B = 10 dB) within
`LAG_FRAMES`, after Böck & Widmer, "Maximum filter vibrato suppression for onset detection", DAFx 2013:
a band rises above the louder of itself and its neighbours before, so that a gliding pitch is no onset.
Levels are read down to `FLOOR_B` below the loudest band of the signal, so the envelope does not depend
on gain and lies in 0..8.

Strengths are read at the envelope's peak. (Detectors that move an onset back to where its attack
starts read the strength there too, where it is still near 0.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from audio_assets.features.frames import FRAME_LENGTH, FRAME_RATE, HOP_LENGTH
from audio_assets.features.spectrogram import Float32

Float64 = NDArray[np.float64]

LAG_FRAMES = 2
FLOOR_B = 8.0

LATENCY_FRAMES = 0.5
"""Frames from the envelope's peak to the attack itself; measured on impulses, clicks and noise bursts."""

EDGE_FRAMES = FRAME_LENGTH // HOP_LENGTH // 2
"""Frames at the end that reach past the last sample."""

NEIGHBOUR_FRAMES = 3
"""A peak is the highest value of this many frames on either side (35 ms)."""

AVERAGE_FRAMES = 21
"""A peak stands above the mean of this many frames around it (240 ms) ..."""

THRESHOLD_B = 0.06
"""... by this much at least, in bels: three standard deviations of the envelope of white noise."""

WEAKEST_SHARE = 0.08
"""... and is at least this share of a strong onset of the same signal (95th percentile of peaks)."""


@dataclass(frozen=True)
class Onsets:
    """Onsets in order of time.

    Shape: both ``[onsets]``.
    """

    times_s: Float64
    strengths: Float64
    """Rise in bels at the envelope's peak, 0..8."""


@dataclass(frozen=True)
class OnsetStatistics:
    """How many and how strong; None where there is no onset (or no time) to speak of."""

    onset_count: int
    onset_density_hz: float | None
    onset_strength_mean: float | None
    onset_strength_std: float | None


def band_rises(mel_power: Float32) -> Float32:
    """How much each mel band rises at each frame, in bels.

    Before the signal there is silence, so what sounds from its first sample on begins there. The last
    frames reach past the end of the signal; the cut they see is no onset, so they are 0.

    Shape:
        - mel_power: ``[frames, bands]``
        - Output: ``[frames, bands]``; zeros for a silent signal
    """
    loudest = mel_power.max(initial=0)
    if loudest == 0:
        return np.zeros_like(mel_power)
    level = np.log10(np.maximum(mel_power / loudest, np.float32(10**-FLOOR_B)))
    level = np.pad(level, ((LAG_FRAMES, 0), (0, 0)), constant_values=-FLOOR_B)
    before = scipy.ndimage.maximum_filter1d(level[:-LAG_FRAMES], 3, axis=1)
    rises: Float32 = np.maximum(level[LAG_FRAMES:] - before, 0)
    rises[-EDGE_FRAMES:] = 0
    return rises


def detect_onsets(envelope: Float32) -> Onsets:
    """Pick the onsets of an onset envelope, the mean of `band_rises` over bands.

    Shape:
        - envelope: ``[frames]`` at `FRAME_RATE`
    """
    highest = scipy.ndimage.maximum_filter1d(envelope, 2 * NEIGHBOUR_FRAMES + 1, mode="constant")
    average = scipy.ndimage.uniform_filter1d(envelope, AVERAGE_FRAMES, mode="constant")
    peaks = np.flatnonzero((envelope == highest) & (envelope > average + THRESHOLD_B))
    if peaks.size:
        strong = np.percentile(envelope[peaks], 95)
        peaks = peaks[envelope[peaks] >= WEAKEST_SHARE * strong]
    times_s = (interpolated_peaks(envelope, peaks) + LATENCY_FRAMES) / FRAME_RATE
    return Onsets(times_s, envelope[peaks].astype(np.float64))


def interpolated_peaks(envelope: Float32, frames: NDArray[np.int64]) -> Float64:
    """Positions of peaks to a fraction of a frame: the vertex of the parabola through three values.

    Shape:
        - envelope: ``[n]``
        - frames: ``[peaks]``, indices into `envelope`; one that is no peak stays where it is
        - Output: ``[peaks]``
    """
    padded = np.pad(envelope.astype(np.float64), 1)
    left, middle, right = padded[frames], padded[frames + 1], padded[frames + 2]
    curvature = 2 * middle - left - right
    is_peak = (middle >= left) & (middle >= right) & (curvature > 0)
    shift: Float64 = np.zeros_like(middle)
    np.divide(right - left, 2 * curvature, out=shift, where=is_peak)
    return frames + shift


def summarise_onsets(onsets: Onsets, duration_s: float) -> OnsetStatistics:
    """Count, onsets per second, mean and standard deviation of the strengths."""
    count = len(onsets.times_s)
    return OnsetStatistics(
        onset_count=count,
        onset_density_hz=count / duration_s if duration_s > 0 else None,
        onset_strength_mean=float(onsets.strengths.mean()) if count else None,
        onset_strength_std=float(onsets.strengths.std()) if count else None,
    )
