"""Saturation: samples that reached full scale and stayed there.

A run of at least `SHORTEST_RUN` neighbouring samples at or beyond full scale counts as saturated, the
usual meaning of "clipped": one sample may touch full scale by right, several cannot. Full scale is that
of 16 bits (1 - 2**-15), since positive samples of integer formats reach no further. Read at the file's
own rate: resampling rounds the corners off.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audio_assets.features.spectrogram import Float32

FULL_SCALE = 1 - 2.0**-15
SHORTEST_RUN = 3


@dataclass(frozen=True)
class Saturation:
    """Clipping of a signal."""

    saturation_ratio: float | None
    """Saturated samples over all samples of all channels, 0..1; None for an empty signal."""
    saturation_count: int
    """Saturated runs of all channels."""


def measure_saturation(samples: Float32) -> Saturation:
    """Count saturated samples and runs.

    Shape:
        - samples: ``[channels, n]``
    """
    if not samples.size:
        return Saturation(None, 0)
    runs = [_saturated_runs(channel) for channel in samples]
    saturated = sum(int(lengths.sum()) for lengths in runs)
    return Saturation(saturated / samples.size, sum(len(lengths) for lengths in runs))


def _saturated_runs(channel: Float32) -> NDArray[np.int64]:
    """Lengths of the runs of one channel; a run keeps its sign."""
    at = np.flatnonzero(np.abs(channel) >= FULL_SCALE)
    breaks = (np.diff(at) > 1) | (np.diff(np.sign(channel[at])) != 0)
    edges = np.concatenate([[0], np.flatnonzero(breaks) + 1, [len(at)]])
    lengths = np.diff(edges)
    return lengths[lengths >= SHORTEST_RUN]
