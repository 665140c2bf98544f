"""Roughness: the beating of neighbouring partials.

The model of Vassilakis ("SRA: a web-based research tool for spectral and roughness analysis", SMC 2007) on
the spectral peaks of frames of 50 ms. Every pair of partials adds the dissonance curve of Plomp and Levelt,
weighted by the level of the two and by how they compare.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import fft

from audio_assets.features.spectrogram import Float32
from audio_assets.features.timbral.peaks import Peaks, find_peaks
from audio_assets.features.timbral.sound import Sound

FRAME_S = 0.05
LEAD_IN = 512
PEAK_CONTRAST = 0.01
"""Of the range of the whole spectrogram."""

LEAST_BEATING = 0.01
SLOW_DECAY, FAST_DECAY = 3.51, 5.75
NEGLIGIBLE = 8.0
"""Exponent from which on pairs are left out: together they add less than 0.1 %."""

BLOCK_FRAMES = 64
BLOCK_PARTIALS = 1 << 15


def roughness(sound: Sound) -> float:
    """Roughness on the AudioCommons scale, not yet clipped to 0..100; 0 where hardly anything beats."""
    magnitude = _spectrogram(sound.samples_32, int(FRAME_S * sound.sample_rate))
    lowest, highest = float(magnitude.min()), float(magnitude.max())
    peaks = find_peaks(magnitude, PEAK_CONTRAST * (highest - lowest), lowest)
    hz_per_bin = sound.sample_rate / 2 / (magnitude.shape[1] - 1)
    mean = _beating(peaks, len(magnitude), hz_per_bin) / len(magnitude)
    return 13.98779569 * float(np.log10(mean)) + 48.97606571545886 if mean >= LEAST_BEATING else 0.0


def _spectrogram(samples: Float32, frame_length: int) -> Float32:
    """Magnitudes of Hamming frames that overlap by half, padded to a power of two, ``[frames, bins]``."""
    samples = np.pad(samples, (LEAD_IN, 0))
    fft_length = 1 << frame_length.bit_length()
    # The last start leaves half a frame, which counts as a silent one.
    starts = np.arange(2 * samples.size // frame_length) * frame_length // 2
    whole = starts[starts + frame_length <= samples.size]
    window = np.hamming(frame_length + 2)[1:-1].astype(np.float32)
    frames = sliding_window_view(samples, frame_length)
    magnitude = np.zeros((starts.size, fft_length // 2 + 1), np.float32)
    for start in range(0, whole.size, BLOCK_FRAMES):
        block = frames[whole[start : start + BLOCK_FRAMES]] * window
        magnitude[start : start + len(block)] = np.abs(fft.rfft(block, fft_length, axis=1))
    return magnitude


def _beating(peaks: Peaks, frames: int, hz_per_bin: float) -> float:
    """Sum over all pairs of partials of each frame."""
    frequency = (peaks.position * hz_per_bin).astype(np.float32)
    level = peaks.height.astype(np.float32)
    # Blocks of frames with so few partials that all there is to compute stays in the processor's cache.
    block = max(1, BLOCK_PARTIALS * frames // max(1, level.size))
    edges = np.searchsorted(peaks.row, np.arange(0, frames + block, block))
    return sum(_beating_pairs(peaks.row[a:b], frequency[a:b], level[a:b]) for a, b in pairwise(edges))


def _beating_pairs(frame: NDArray[np.intp], frequency: Float32, level: Float32) -> float:
    """Sum over the pairs of partials (in order of frame, then frequency) that share a frame.

    Pairs are visited by how many partials lie between the two, until all left are too far apart to beat.
    """
    weight = level**0.1
    steepness = 0.24 / (0.0207 * frequency + 18.96)  # of the curve above the lower partial, per Hz
    low = np.arange(level.size)
    total = 0.0
    for distance in range(1, level.size):
        low = low[: np.searchsorted(low, level.size - distance)]
        high = low + distance
        apart = steepness[low] * (frequency[high] - frequency[low])
        near = np.flatnonzero((frame[low] == frame[high]) & (SLOW_DECAY * apart < NEGLIGIBLE))
        if not near.size:
            break
        low, high, apart = low[near], high[near], apart[near]
        one, other = level[low], level[high]
        # As published: the louder partial above the line, where Vassilakis has the softer.
        balance = 2 * np.maximum(one, other) / (one + other)
        curve = np.exp(-SLOW_DECAY * apart) - np.exp(-FAST_DECAY * apart)
        total += float(np.sum(weight[low] * weight[high] * 0.5 * balance**3.11 * curve, dtype=np.float64))
    return total
