"""Rhythm: how onsets stand to the beats and to one another.

An onset is on the beat when it lies within `ON_BEAT_S` of one. Syncopation weighs onsets by strength,
read at the onset's peak. Inter-onset intervals (IOI) are described by their coefficient of variation
CV = standard deviation / mean and by the entropy H (nats) of a histogram of 50 bins of 40 ms, longer
intervals in the last; fixed bins, so that a steady pulse with a millisecond of jitter is one bin and not
fifty. Everything is None where it has no answer: no beats, no onsets, too few intervals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audio_assets.features.onsets import Onsets

Float64 = NDArray[np.float64]

ON_BEAT_S = 0.07

HISTOGRAM_BINS = 50
HISTOGRAM_S = 2.0
FULL_ENTROPY = 5.0
FULL_VARIATION = 2.0

WINDOW_S = 4.0
"""Window of the onset density; windows overlap by half."""


@dataclass(frozen=True)
class Rhythm:
    """Rhythm of a signal, in ratios of 0..1 and intervals in seconds."""

    syncopation: float | None
    """Strength of the onsets off the beat over that of all onsets."""
    on_beat_ratio: float | None
    """Share of the onsets that are on a beat."""
    rhythmic_complexity: float | None
    """Mean of min(H / 5, 1) and min(CV / 2, 1)."""
    rhythmic_evenness: float | None
    """1 / (1 + CV); 1 for a steady pulse."""
    ioi_mean_s: float | None
    ioi_std_s: float | None


@dataclass(frozen=True)
class OnsetDensity:
    """Onsets per second in windows of `WINDOW_S`."""

    onset_density_average: float | None
    onset_density_variance: float | None
    """None below two windows."""


def measure_rhythm(onsets: Onsets, beats_s: Float64) -> Rhythm:
    """Rhythm of `onsets` against beats.

    Shape:
        - beats_s: ``[beats]``, increasing
    """
    off_beat = beat_distance(onsets.times_s, beats_s) > ON_BEAT_S
    has_beats = len(beats_s) > 0 and len(onsets.times_s) > 0
    intervals = np.diff(onsets.times_s)
    mean_s = float(intervals.mean()) if len(intervals) else None
    std_s = float(intervals.std()) if len(intervals) >= 2 else None
    variation = std_s / mean_s if std_s is not None and mean_s else None
    return Rhythm(
        syncopation=float(onsets.strengths[off_beat].sum() / onsets.strengths.sum()) if has_beats else None,
        on_beat_ratio=float(1 - off_beat.mean()) if has_beats else None,
        rhythmic_complexity=_complexity(intervals, variation),
        rhythmic_evenness=1 / (1 + variation) if variation is not None else None,
        ioi_mean_s=mean_s,
        ioi_std_s=std_s,
    )


def beat_distance(times_s: Float64, beats_s: Float64) -> Float64:
    """Distance of each time from the nearest beat in seconds; infinite without beats.

    Shape:
        - times_s: ``[times]``
        - beats_s: ``[beats]``, increasing
        - Output: ``[times]``

    >>> beat_distance(np.array([0.1, 0.4]), np.array([0.0, 0.5])).round(3).tolist()
    [0.1, 0.1]
    """
    if not len(beats_s):
        return np.full(len(times_s), np.inf)
    nearest = np.searchsorted((beats_s[1:] + beats_s[:-1]) / 2, times_s)
    return np.abs(times_s - beats_s[nearest])


def measure_onset_density(times_s: Float64, duration_s: float) -> OnsetDensity:
    """Mean and variance of the onsets per second over the whole windows of a signal.

    A signal shorter than a window is one window of its own length.

    Shape:
        - times_s: ``[onsets]``, increasing
    """
    if duration_s <= 0:
        return OnsetDensity(None, None)
    window_s = min(WINDOW_S, duration_s)
    starts = np.arange(0, duration_s - window_s + 1e-9, WINDOW_S / 2)
    ends = np.searchsorted(times_s, starts + window_s)
    densities = (ends - np.searchsorted(times_s, starts)) / window_s
    variance = float(densities.var()) if len(densities) >= 2 else None
    return OnsetDensity(float(densities.mean()), variance)


def _complexity(intervals: Float64, variation: float | None) -> float | None:
    if variation is None:
        return None
    counts, _ = np.histogram(np.minimum(intervals, HISTOGRAM_S), HISTOGRAM_BINS, (0, HISTOGRAM_S))
    share = counts[counts > 0] / counts.sum()
    entropy = float(-(share * np.log(share)).sum())
    return (min(entropy / FULL_ENTROPY, 1.0) + min(variation / FULL_VARIATION, 1.0)) / 2
