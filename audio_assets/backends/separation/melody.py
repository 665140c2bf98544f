"""The strongest melody of a spectrogram: its fundamental in every frame, and where its harmonics are.

Candidates are `FUNDAMENTALS_HZ`, quarter-semitones. A candidate's salience is the sum of the square roots
of the magnitudes at its harmonics, weaker ones counting less (Klapuri, "Multiple fundamental frequency
estimation by summing harmonic amplitudes", ISMIR 2006); the melody is the path of most salience that
glides by at most a semitone a frame, or pays for a leap.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from audio_assets.audio.downmix import Samples
from audio_assets.backends.separation import SAMPLE_RATE

BIN_HZ = SAMPLE_RATE / 4096

TOP_HZ = 6000.0
"""Harmonics above are not looked at."""

FUNDAMENTALS_HZ = 110.0 * 2 ** (np.arange(0, 137) / 48)
"""110 to 784 Hz: where sung melodies lie."""

SALIENT_HARMONICS = 12
HARMONIC_DECAY = 0.9

GLIDE = 4
"""Candidates (a semitone) by which a melody may glide within a frame."""

GLIDE_COST = 0.15
"""Price of a candidate, in mean saliences."""

LEAP_COST = 0.9

WIDTH_HZ = 18.0
"""Standard deviation of a harmonic in the spectrum of a frame ..."""

WIDTH_SHARE = 0.004
"""... and what vibrato adds, as a share of its frequency."""


def track_melody(magnitude: Samples) -> NDArray[np.intp]:
    """The melody's candidate in each frame, as an index of `FUNDAMENTALS_HZ`.

    Shape:
        - magnitude: ``[frames, bins]``, the bins below `TOP_HZ`
        - Output: ``[frames]``
    """
    salience = np.sqrt(magnitude) @ _harmonic_sums(magnitude.shape[1])
    salience /= salience.mean() + 1e-9
    n_frames, n = salience.shape
    glide_cost = (GLIDE_COST * np.abs(np.arange(-GLIDE, GLIDE + 1))).astype(np.float32)
    every = np.arange(n)
    score = salience[0].copy()
    padded = np.full(n + 2 * GLIDE, -np.inf, np.float32)
    previous = np.empty((n_frames, n), np.intp)
    for frame in range(1, n_frames):
        padded[GLIDE:-GLIDE] = score
        near = sliding_window_view(padded, 2 * GLIDE + 1) - glide_cost
        step = near.argmax(axis=1)
        glided = near[every, step]
        highest = int(score.argmax())
        leapt = score[highest] - LEAP_COST
        previous[frame] = np.where(leapt > glided, highest, every + step - GLIDE)
        score = np.maximum(leapt, glided) + salience[frame]
    path = np.empty(n_frames, np.intp)
    path[-1] = score.argmax()
    for frame in range(n_frames - 1, 0, -1):
        path[frame - 1] = previous[frame, path[frame]]
    return path


def harmonics_of(path: NDArray[np.intp]) -> Samples:
    """How near each bin below `TOP_HZ` is to a harmonic of the melody, 0..1.

    Shape:
        - path: ``[frames]`` of `track_melody`
        - Output: ``[frames, bins]``
    """
    combs: Samples = _combs()[path]
    return combs


@lru_cache(maxsize=1)
def _combs() -> Samples:
    """``[candidates, bins]``: a Gaussian at each harmonic of each candidate."""
    hz = np.arange(int(np.ceil(TOP_HZ / BIN_HZ))) * BIN_HZ
    fundamentals = FUNDAMENTALS_HZ[:, None]
    nearest = np.maximum(np.rint(hz / fundamentals), 1) * fundamentals
    combs = np.exp(-0.5 * ((hz - nearest) / (WIDTH_HZ + WIDTH_SHARE * nearest)) ** 2)
    return combs.astype(np.float32)


@lru_cache(maxsize=2)
def _harmonic_sums(n_bins: int) -> Samples:
    """``[bins, candidates]``: the weights of a candidate's harmonics, between two bins each."""
    weights = np.zeros((n_bins, len(FUNDAMENTALS_HZ)), np.float32)
    candidates = np.arange(len(FUNDAMENTALS_HZ))
    for harmonic in range(1, SALIENT_HARMONICS + 1):
        position = harmonic * FUNDAMENTALS_HZ / BIN_HZ
        lower = position.astype(int)
        inside = lower + 1 < n_bins
        share = (position - lower)[inside]
        weight = HARMONIC_DECAY ** (harmonic - 1)
        weights[lower[inside], candidates[inside]] += weight * (1 - share)
        weights[lower[inside] + 1, candidates[inside]] += weight * share
    return weights
