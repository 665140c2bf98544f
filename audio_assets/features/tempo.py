"""Tempo from beat times: the number, and whether there is one.

A tempo is 60 over the mean inter-beat interval. It is defined for at least `FEWEST_BEATS` beats and
between 40 and 300 bpm, if the intervals are regular: their standard deviation is at most
`REGULAR_S`, or stable stretches cover at least a tenth of them. Where it is not defined it is None:
no tempo is made up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

FEWEST_BEATS = 15
SLOWEST_BPM, FASTEST_BPM = 40.0, 300.0
REGULAR_S = 0.15

STRETCH_INTERVALS = 8
"""A stretch of this many intervals, two bars of four, is stable ..."""

STABLE_DEVIATION = 0.05
"""... when their standard deviation is at most this share of their mean."""

STABLE_SHARE = 0.1


@dataclass(frozen=True)
class Tempo:
    """Tempo and regularity of a beat sequence."""

    bpm: float | None
    bpm_is_defined: bool
    beat_count: int
    beat_regularity_s: float | None
    """Standard deviation of the inter-beat intervals; None below two intervals."""


def measure_tempo(beats_s: Float64) -> Tempo:
    """Tempo of beat times.

    Shape:
        - beats_s: ``[beats]``, increasing

    >>> measure_tempo(np.arange(20) * 0.5).bpm
    120.0
    """
    intervals = np.diff(beats_s)
    regularity_s = float(intervals.std()) if len(intervals) >= 2 else None
    bpm = 60 / float(intervals.mean()) if len(intervals) else 0.0
    is_defined = (
        len(beats_s) >= FEWEST_BEATS
        and SLOWEST_BPM <= bpm <= FASTEST_BPM
        and (float(intervals.std()) <= REGULAR_S or stable_share(intervals) >= STABLE_SHARE)
    )
    return Tempo(bpm if is_defined else None, is_defined, len(beats_s), regularity_s)


def stable_share(intervals: Float64) -> float:
    """The share of inter-beat intervals that lie in a stable stretch, 0..1.

    Shape:
        - intervals: ``[beats - 1]``
    """
    if len(intervals) < STRETCH_INTERVALS:
        return 0.0
    stretches = sliding_window_view(intervals, STRETCH_INTERVALS)
    stable = stretches.std(axis=1) <= STABLE_DEVIATION * stretches.mean(axis=1)
    covered = np.convolve(stable, np.ones(STRETCH_INTERVALS)) > 0
    return float(covered.mean())
