"""Specific loudness after Zwicker, as in DIN 45631 and ISO 532 B.

Levels in third octaves become loudness along the Bark scale: corrected for the transmission of the ear,
compressed to the core loudness of critical bands, and spread upwards along the slopes of masking. Tables and
procedure are those of the program of Zwicker et al., J. Acoust. Soc. Jpn. (E) 12, 39-42 (1991), free field.

Conventions: full scale is 100 dB SPL; specific loudness is in sone/Bark, at 240 points from 0.1 to 24 Bark.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audio_assets.features.spectrogram import Float32

Float64 = NDArray[np.float64]

FRAME_LENGTH = 4096
BARK = np.arange(1, 241) / 10
FULL_SCALE_DB = 100.0
BLOCK_FRAMES = 32

CENTRES_HZ = 1000.0 * 2.0 ** (np.arange(-16, 12) / 3)
"""Of the third octaves from 25 Hz to 12.5 kHz, exact."""

FIRST_FULL_RATE_BAND = 24
"""6.3 kHz. What lies below is measured in decimated signals."""

RANGE_DB = np.array([45, 55, 65, 71, 80, 90, 100])
LOW_CORRECTION_DB = np.array(
    [
        [-32, -24, -16, -10, -5, 0, -7, -3, 0, -2, 0],
        [-29, -22, -15, -10, -4, 0, -7, -2, 0, -2, 0],
        [-27, -19, -14, -9, -4, 0, -6, -2, 0, -2, 0],
        [-25, -17, -12, -9, -3, 0, -5, -2, 0, -2, 0],
        [-23, -16, -11, -7, -3, 0, -4, -1, 0, -1, 0],
        [-20, -14, -10, -6, -3, 0, -4, -1, 0, -1, 0],
        [-18, -12, -9, -6, -2, 0, -3, -1, 0, -1, 0],
        [-15, -10, -8, -4, -2, 0, -3, -1, 0, -1, 0],
    ]
)
"""What equal-loudness contours take from the bands from 25 to 250 Hz, by range of level."""

LOW_CRITICAL_BANDS = ((0, 6), (6, 9), (9, 11))
"""The low third octaves that each of the first three critical bands sums."""

THRESHOLD_DB = np.array([30, 18, 12, 8, 7, 6, 5, 4, *[3] * 12])
TRANSMISSION_DB = np.array([*[0.0] * 10, -0.5, -1.6, -3.2, -5.4, -5.6, -4.0, -1.5, 2.0, 5.0, 12.0])
BANDWIDTH_DB = np.array(
    [-0.25, -0.6, -0.8, -0.8, -0.5, 0, 0.5, 1.1, 1.5, 1.7, 1.8, 1.8, 1.7, 1.6, 1.4, 1.2, 0.8, 0.5, 0, -0.5]
)
"""By critical band: threshold in quiet, transmission to the inner ear, third octave to critical band."""

UPPER_EDGE_BARK = (
    *(0.9, 1.8, 2.8, 3.5, 4.4, 5.4, 6.6, 7.9, 9.2, 10.6, 12.3),
    *(13.8, 15.2, 16.7, 18.1, 19.3, 20.6, 21.8, 22.7, 23.6, 24.0),
)

SLOPE_BELOW = np.array(
    [21.5, 18, 15.1, 11.5, 9, 6.1, 4.4, 3.1, 2.13, 1.36, 0.82, 0.42, 0.30, 0.22, 0.15, 0.10, 0.035, 0]
)
SLOPES = np.array(
    [
        [13.0, 8.2, 6.3, 5.5, 5.5, 5.5, 5.5, 5.5],
        [9.0, 7.5, 6.0, 5.1, 4.5, 4.5, 4.5, 4.5],
        [7.8, 6.7, 5.6, 4.9, 4.4, 3.9, 3.9, 3.9],
        [6.2, 5.4, 4.6, 4.0, 3.5, 3.2, 3.2, 3.2],
        [4.5, 3.8, 3.6, 3.2, 2.9, 2.7, 2.7, 2.7],
        [3.7, 3.0, 2.8, 2.35, 2.2, 2.2, 2.2, 2.2],
        [2.9, 2.3, 2.1, 1.9, 1.8, 1.7, 1.7, 1.7],
        [2.4, 1.7, 1.5, 1.35, 1.3, 1.3, 1.3, 1.3],
        [1.95, 1.45, 1.3, 1.15, 1.1, 1.1, 1.1, 1.1],
        [1.5, 1.2, 0.94, 0.86, 0.82, 0.82, 0.82, 0.82],
        [0.72, 0.67, 0.64, 0.63, 0.62, 0.62, 0.62, 0.62],
        [0.59, 0.53, 0.51, 0.50, 0.42, 0.42, 0.42, 0.42],
        [0.40, 0.33, 0.26, 0.24, 0.24, 0.22, 0.22, 0.22],
        [0.27, 0.21, 0.20, 0.18, 0.17, 0.17, 0.17, 0.17],
        [0.16, 0.15, 0.14, 0.12, 0.11, 0.11, 0.11, 0.11],
        [0.12, 0.11, 0.10, 0.08, 0.08, 0.08, 0.08, 0.08],
        [0.09, 0.08, 0.07, 0.06, 0.06, 0.06, 0.06, 0.05],
        [0.06, 0.05, 0.03, 0.02, 0.02, 0.02, 0.02, 0.02],
    ]
)
"""How steeply masking falls, in sone/Bark per Bark: a row down to each value of `SLOPE_BELOW`, a column for
each critical band from the second on, the last for all above."""


@dataclass(frozen=True)
class SpecificLoudness:
    """Loudness of consecutive frames of 4096 samples.

    Shape: `pattern` is ``[frames, 240]``, the others ``[frames]``.
    """

    sone: Float64
    """Total loudness."""
    pattern: Float64
    """Specific loudness, sone/Bark."""
    rms: Float64
    """Of the samples."""

    @property
    def audible(self) -> NDArray[np.bool_]:
        """Which frames reach 0.001 sone, the last digit of the standard, ``[frames]``."""
        return self.sone >= 0.0005


def specific_loudness(samples: Float32, sample_rate: int) -> SpecificLoudness:
    """Loudness in frames, the last of them completed by zeros.

    There is always a last one: of zeros alone where the samples fill the others.

    Shape:
        - samples: ``[n]``, at 28.6 kHz or more, where the 12.5 kHz band still fits
        - Frames: ``n // 4096 + 1``
    """
    frames = np.zeros((samples.size // FRAME_LENGTH + 1, FRAME_LENGTH))
    frames.reshape(-1)[: samples.size] = samples
    blocks = np.split(frames, range(BLOCK_FRAMES, len(frames), BLOCK_FRAMES))
    levels_db = np.concatenate([third_octave_levels(block, sample_rate) for block in blocks])
    sone, pattern = spread(core_loudness(levels_db))
    return SpecificLoudness(sone, pattern, np.sqrt(np.einsum("ij,ij->i", frames, frames) / FRAME_LENGTH))


def third_octave_levels(frames: Float64, sample_rate: int) -> Float64:
    """Levels in dB in third octaves, Butterworth of order 4.

    The bands of the octave above 5 kHz also serve every octave below, where the signal is decimated by two;
    that keeps them well conditioned. A band whose output is nowhere positive counts as silent, at -inf dB,
    as published; in the lowest octave a frame has but 16 samples.

    Shape:
        - frames: ``[frames, 4096]``
        - Output: ``[frames, 28]``
    """
    from scipy.signal import butter, cheby1, lfilter

    edge = 2 ** (1 / 6)
    filters = [
        butter(4, [centre / edge, centre * edge], "bandpass", fs=sample_rate)
        for centre in CENTRES_HZ[FIRST_FULL_RATE_BAND:]
    ]
    levels_db = np.empty((len(frames), len(CENTRES_HZ)))
    for band, (b, a) in enumerate(filters, FIRST_FULL_RATE_BAND):
        levels_db[:, band] = _level_db(lfilter(b, a, frames))
    anti_alias = cheby1(2, 0.1, 0.4)
    for lowest in range(FIRST_FULL_RATE_BAND - 3, -1, -3):
        frames = lfilter(*anti_alias, frames)[:, 1::2]
        for band, (b, a) in enumerate(filters[:3], lowest):
            levels_db[:, band] = _level_db(lfilter(b, a, frames))
    return levels_db


def _level_db(band: Float64) -> Float64:
    power = np.einsum("ij,ij->i", band, band) / band.shape[1]
    level_db = np.full(len(band), -np.inf)
    np.log10(power, out=level_db, where=(band.max(axis=1) > 0) & (power > 0))
    return 10 * level_db + FULL_SCALE_DB


def core_loudness(levels_db: Float64) -> Float64:
    """Core loudness in sone/Bark of critical bands.

    Shape:
        - levels_db: ``[frames, 28]``
        - Output: ``[frames, 21]``, the last 0
    """
    bands = np.arange(LOW_CORRECTION_DB.shape[1])
    low_db = levels_db[:, bands]
    level_range = (low_db[:, None] > RANGE_DB[:, None] - LOW_CORRECTION_DB[:-1]).sum(axis=1)
    intensity = 10 ** ((low_db + LOW_CORRECTION_DB[level_range, bands]) / 10)

    excitation_db = levels_db[:, 8:].copy()
    for band, (first, stop) in enumerate(LOW_CRITICAL_BANDS):
        summed = intensity[:, first:stop].sum(axis=1)
        excitation_db[:, band] = 10 * np.log10(summed, out=np.zeros_like(summed), where=summed > 0)

    audible = excitation_db > THRESHOLD_DB
    excitation_db = np.where(audible, excitation_db - TRANSMISSION_DB - BANDWIDTH_DB, 0.0)
    compressed = (0.75 + 0.25 * 10 ** (0.1 * (excitation_db - THRESHOLD_DB))) ** 0.25 - 1
    core = np.where(audible, np.maximum(0.0635 * 10 ** (0.025 * THRESHOLD_DB) * compressed, 0), 0.0)
    core[:, 0] *= np.minimum(0.4 + 0.32 * core[:, 0] ** 0.2, 1)
    return np.pad(core, ((0, 0), (0, 1)))


def spread(core: Float64) -> tuple[Float64, Float64]:
    """Total loudness ``[frames]`` and specific loudness ``[frames, 240]`` of core loudness ``[frames, 21]``.

    Within a band the pattern is flat at the core loudness, or falls to it along the slopes, in steps of whole
    tenths of a Bark. All frames climb the Bark scale together, each with segments of its own.
    """
    total = np.zeros(len(core))
    pattern = np.zeros((len(core), BARK.size))
    bark, height = np.zeros((2, len(core)))  # where the next segment starts
    row = np.full(len(core), len(SLOPES) - 1)
    lower_edge = 0.0
    for band, edge in enumerate(UPPER_EDGE_BARK):
        column = min(band - 1, SLOPES.shape[1] - 1)
        points = np.arange(max(round(10 * lower_edge), 1), round(10 * edge) + 1)
        climbing = np.arange(len(core))
        while climbing.size:
            z1, n1, target, j = bark[climbing], height[climbing], core[climbing, band], row[climbing]
            j = np.where(n1 < target, (target[:, None] < SLOPE_BELOW).sum(axis=1), j)
            falling = n1 > target
            slope = np.where(falling, SLOPES[j, column], 0.0)
            n2 = np.where(falling, np.maximum(SLOPE_BELOW[j], target), target)
            step = np.rint(10 * np.divide(n1 - n2, slope, out=np.zeros_like(n1), where=falling)) * 0.1
            step[step == 0] = 0.1
            cut = ~falling | (z1 + step > edge)
            z2 = np.where(cut, edge, z1 + step)
            step = np.where(cut, edge - z1, step)
            n2 = np.where(cut & falling, n1 - step * slope, n2)

            start = np.where(falling, n1, n2)
            total[climbing] += step * (start + n2) / 2
            inside = (points >= np.rint(10 * z1)[:, None]) & (points <= np.rint(10 * z2)[:, None])
            line = start[:, None] - (points / 10 - z1[:, None]) * slope[:, None]
            frame, point = np.nonzero(inside)
            pattern[climbing[frame], points[point] - 1] = line[frame, point]

            row[climbing] = np.minimum(np.where(n2 == SLOPE_BELOW[j], j + 1, j), len(SLOPES) - 1)
            height[climbing] = n2
            bark[climbing] = np.rint(10 * z2) * 0.1
            climbing = climbing[bark[climbing] < edge]
        lower_edge = edge
    return np.maximum(total, 0), pattern


def bell(low: int, high: int) -> Float64:
    """Weights ``[240]`` for specific loudness: a bell from point `low` up to `high`, 1 in its middle."""
    gaussian = np.exp(-0.5 * (0.01 * (np.arange(low, high) - (low + high) / 2)) ** 2)
    weights = np.zeros(BARK.size)
    weights[low:high] = (gaussian - gaussian.min()) / np.ptp(gaussian)
    return weights
