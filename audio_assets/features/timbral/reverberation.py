"""Reverberation: a blind estimate of the reverberation time, and how likely it is to sound reverberant.

Free decays are looked for in the waveform, and each gets the likeliest of ten decay rates under a Laplacian
model (Jan & Wang, EUSIPCO 2012). The rate met most often so far, smoothed over time, is the estimate
(Löllmann et al., IWAENC 2010).
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from audio_assets.features.spectrogram import Float32
from audio_assets.features.timbral.sound import Sound

Indices = NDArray[np.intp]

RT60_S = np.arange(2, 12) / 10
"""The candidates."""

DESIGN_RATE = 24_000
"""Lengths in samples below are meant at this rate, Hz."""

DECIMATION = 2
SUBFRAME = 700
SHIFT = 200
MEMORY = 800
SUBFRAMES = 7
ESTIMATED_LENGTHS = (3, 4)
"""Further sub-frames that a decay must last to be estimated. As published: not 5, to the end of the frame."""

INITIAL_RT60_S = 0.3
SMOOTHING = 0.995


def reverberation(sound: Sound) -> float | None:
    """Probability in percent that the sound is reverberant; None where `rt60_s` is None."""
    estimate_s = rt60_s(sound.samples_32, sound.sample_rate)
    return None if estimate_s is None else 100 / (1 + float(np.exp(1.45082989 - 2.97126461 * estimate_s)))


def rt60_s(samples: Float32, sample_rate: int) -> float | None:
    """Reverberation time, 0.2..1.1 s; None of less than 0.21 s, or where no free decay is found.

    Shape:
        - samples: ``[n]`` at 44.1 kHz or more
    """
    from scipy.signal import lfilter

    subframe, shift, memory = (
        round(sample_rate / DESIGN_RATE * n / DECIMATION) for n in (SUBFRAME, SHIFT, MEMORY)
    )
    span = SUBFRAMES * subframe * DECIMATION
    if samples.size <= span:
        return None
    starts = np.arange(0, samples.size - span + 1, shift)
    lengths = _decay_lengths(samples, starts, shift, subframe)
    decays = np.flatnonzero(np.isin(lengths, ESTIMATED_LENGTHS))
    if not decays.size:
        return None

    likeliest = np.empty(decays.size, dtype=np.intp)
    for length in ESTIMATED_LENGTHS:
        chosen = lengths[decays] == length
        frames = _decimated(samples, starts[decays[chosen]], length * subframe)
        likeliest[chosen] = _likeliest(frames, sample_rate / DECIMATION)
    most_frequent_s = RT60_S[_most_frequent(likeliest, memory)]
    latest = np.searchsorted(decays, np.arange(starts.size), side="right")
    raw_s = np.concatenate([[INITIAL_RT60_S], most_frequent_s])[latest]
    smooth_s, _ = lfilter([1 - SMOOTHING], [1, -SMOOTHING], raw_s, zi=[SMOOTHING * INITIAL_RT60_S])
    return float(smooth_s[decays].mean())


def _decimated(samples: Float32, starts: Indices, length: int) -> Float32:
    """Every second sample from each start, ``[starts, length]``."""
    frames: Float32 = sliding_window_view(samples, DECIMATION * (length - 1) + 1)[starts, ::DECIMATION]
    return frames


def _decay_lengths(samples: Float32, starts: Indices, shift: int, subframe: int) -> Indices:
    """Over how many further sub-frames each frame decays: the variance and both extremes shrink."""
    lengths = np.zeros(starts.size, dtype=np.intp)
    decaying = np.flatnonzero(_may_decay(samples, shift, subframe)[: starts.size])
    before = _extent(_decimated(samples, starts[decaying], subframe))
    for k in range(1, SUBFRAMES - 1):
        after = _extent(_decimated(samples, starts[decaying] + DECIMATION * k * subframe, subframe + 1))
        shrinks = (after < before).all(axis=0)
        decaying, before = decaying[shrinks], after[:, shrinks]
        lengths[decaying] += 1
    return lengths


def _may_decay(samples: Float32, shift: int, subframe: int) -> NDArray[np.bool_]:
    """Where the maximum shrinks from the first sub-frame to the second: tests all frames without a copy."""
    span = DECIMATION * subframe
    first = sliding_window_view(samples[: -span - 1], span - 1)[::shift, ::DECIMATION]
    second = sliding_window_view(samples[span:], span + 1)[::shift, ::DECIMATION]
    shrinks: NDArray[np.bool_] = first[: len(second)].max(axis=1) > second.max(axis=1)
    return shrinks


def _extent(frames: Float32) -> Float32:
    """Variance, maximum and negated minimum of each row, ``[3, rows]``."""
    return np.stack([frames.var(axis=1), frames.max(axis=1), -frames.min(axis=1)])


def _likeliest(decays: Float32, sample_rate: float) -> Indices:
    """Which candidate makes each row of samples likeliest, its decay undone, as Laplacian noise."""
    count = decays.shape[1]
    log_decay = -3 * np.log(10) / (RT60_S * sample_rate)
    growth = np.exp(-np.outer(np.arange(count), log_decay))
    scale = np.abs(decays) @ growth / count
    likelihood = -count * np.log(scale) - log_decay * count * (count - 1) / 2
    best: Indices = np.argmax(likelihood, axis=1)
    return best


def _most_frequent(choices: Indices, memory: int) -> Indices:
    """The candidate chosen most often up to each choice, among the latest `memory` and the very first."""
    seen = np.cumsum(np.eye(RT60_S.size, dtype=np.intp)[choices], axis=0)
    forgotten = np.zeros_like(seen)
    forgotten[memory + 1 :] = seen[1 : max(len(seen) - memory, 1)] - seen[0]
    most_frequent: Indices = np.argmax(seen - forgotten, axis=1)
    return most_frequent
