"""Where the notes of a sound begin, to the sample.

Peaks of the spectral flux give the first guess. Each is traced back along the amplitude envelope to where its
rise began, and dropped if the envelope hardly rises, another onset is close before it, or the flux stays low.
Flux, peak picking and backtracking are those of librosa (McFee et al., SciPy 2015) with its defaults.

Conventions: envelopes have one value per sample; onset strengths one per 512 samples, the mean rise in dB of
128 mel bands; onsets are sample indices in ascending order.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from audio_assets.features.spectrogram import Float32, power_blocks
from audio_assets.features.timbral.spectra import bin_frequencies

Float64 = NDArray[np.float64]
Indices = NDArray[np.intp]

FRAME_LENGTH = 2048
HOP_LENGTH = 512
MEL_BANDS = 128
FLOOR_POWER = 1e-10
DYNAMIC_RANGE_DB = 80.0

CHUNKS = 1024
SHORTEST_CHUNK = 2048
HOLD_S = 0.01

LOOK_BACK_S = 0.02
HYSTERESIS_S = 0.3
LEAST_RISE = 0.1
"""Of the envelope's range."""

LEAST_SEPARATION_S = 0.1
LEAST_STRENGTH_DB = 3.0

PEAK_WAIT_S = 0.03
PEAK_SURROUNDINGS_S = 0.1
PEAK_OVER_MEAN = 0.07
"""Of the strength's range."""


def peak_envelope(samples: Float32, sample_rate: int, decay_s: float) -> Float64:
    """Amplitude envelope: peaks are held for 10 ms, then fall linearly, by the whole range in `decay_s`.

    The recursion runs over chunks abreast: once from silence, then again from where the chunk before ended,
    until no start changes any more. That is soon, as the envelope forgets its past at the next peak.

    Shape:
        - samples: ``[n]``
        - Output: ``[n]``
    """
    length = max(-(-samples.size // CHUNKS), SHORTEST_CHUNK)
    chunks = -(-samples.size // length)
    amplitude = np.zeros((chunks, length))
    amplitude.reshape(-1)[: samples.size] = np.abs(samples)
    abreast = np.ascontiguousarray(amplitude.T)
    fall = amplitude.max() / (decay_s * sample_rate)
    hold = int(np.ceil(HOLD_S * sample_rate))

    envelope = np.empty_like(abreast)
    start = np.zeros((2, chunks))
    end = _hold_and_fall(abreast, start, fall, hold, out=envelope)
    start[:, 1:] = end[:, :-1]
    end = _hold_and_fall(abreast, start, fall, hold, out=envelope)
    while (stale := 1 + np.flatnonzero((start[:, 1:] != end[:, :-1]).any(axis=0))).size:
        start[:, stale] = end[:, stale - 1]
        redone = np.empty((length, stale.size))
        end[:, stale] = _hold_and_fall(abreast[:, stale], start[:, stale], fall, hold, out=redone)
        envelope[:, stale] = redone
    return envelope.T.ravel()[: samples.size]


def _hold_and_fall(amplitude: Float64, start: Float64, fall: float, hold: int, out: Float64) -> Float64:
    """Write the envelope of amplitudes ``[length, chunks]`` to `out`; the state after, from the state before.

    A state ``[2, chunks]`` is the level, and for how many more samples it is held.
    """
    level, release = start[0], start[1].copy()
    for time, (current, here) in enumerate(zip(amplitude, out, strict=True)):
        peaked = current >= level
        level = np.maximum(current, level - fall * (release <= time), out=here)
        np.putmask(release, peaked, time + 1 + hold)
    return np.stack([level, np.maximum(release - len(amplitude), 0)])


def onset_strength(samples: Float32, sample_rate: int) -> Float64:
    """Spectral flux.

    Shape:
        - samples: ``[n]``
        - Output: ``[1 + n // 512]``
    """
    # `power_blocks` scales its window to a sum of 2. The floor is for one that peaks at 1, of sum 1024.
    bands = mel_bands(sample_rate) * np.float32((FRAME_LENGTH / 4) ** 2)
    mel_power = np.concatenate([power @ bands for power in power_blocks(samples, FRAME_LENGTH, HOP_LENGTH)])
    level_db = 10 * np.log10(np.maximum(mel_power, FLOOR_POWER))
    level_db = np.maximum(level_db, level_db.max() - DYNAMIC_RANGE_DB)
    rise = np.maximum(np.diff(level_db, axis=0), 0).mean(axis=1)
    delay = 1 + FRAME_LENGTH // (2 * HOP_LENGTH)  # a frame hears an onset before its centre reaches it
    return np.concatenate([np.zeros(delay), rise])[: len(level_db)]


@lru_cache(maxsize=4)
def mel_bands(sample_rate: int) -> Float32:
    """Triangles of equal area on Slaney's mel scale from 0 Hz to half the sample rate, ``[1025, 128]``."""
    step_hz, knee_hz, log_step = 200 / 3, 1000.0, np.log(6.4) / 27  # linear below the knee, then logarithmic
    knee = knee_hz / step_hz
    mel = np.linspace(0, knee + np.log(sample_rate / 2 / knee_hz) / log_step, MEL_BANDS + 2)
    edges = np.where(mel < knee, mel * step_hz, knee_hz * np.exp(log_step * (mel - knee)))
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    frequency = bin_frequencies(FRAME_LENGTH, sample_rate)[:, None]
    triangles = np.minimum((frequency - low) / (centre - low), (high - frequency) / (high - centre))
    bands: Float32 = (np.maximum(triangles, 0) * 2 / (high - low)).astype(np.float32)
    return bands


def find_onsets(
    envelope: Float64, strength: Float64, sample_rate: int, *, earliest: int = HOP_LENGTH
) -> Indices:
    """Onsets of a sound, at least one: where none is found, its start.

    An onset traced back to `earliest` samples or less counts as the start of the sound.

    Shape:
        - envelope: ``[n]``
        - strength: ``[1 + n // 512]``
        - Output: ``[onsets]``
    """
    least_rise = LEAST_RISE * float(np.ptp(envelope))
    traced: list[int] = []
    for onset in _flux_onsets(strength, sample_rate):
        # Only as the first is an onset in the last hop taken for one.
        if not traced or onset == 0 or onset + HOP_LENGTH <= envelope.size:
            traced.append(_trace_back(int(onset), envelope, sample_rate, least_rise, earliest))
    # Only as the first is the start of the sound taken for an onset.
    distinct = dict.fromkeys(onset for i, onset in enumerate(traced) if onset > 0 or i == 0)
    onsets = np.array(list(distinct), dtype=np.intp)
    if onsets.size > 1:
        onsets = _rising(onsets, envelope, least_rise)
    onsets = _separated(onsets, LEAST_SEPARATION_S * sample_rate)
    onsets = _strong(onsets, strength)
    return onsets if onsets.size else np.zeros(1, dtype=np.intp)


def _flux_onsets(strength: Float64, sample_rate: int) -> Indices:
    """Onsets in samples: peaks of the strength, moved back to the minimum before them."""
    span = np.ptp(strength)
    if not span > 0:
        return np.zeros(0, dtype=np.intp)
    curve = (strength - strength.min()) / span
    wait = int(PEAK_WAIT_S * sample_rate // HOP_LENGTH)
    reach = int(PEAK_SURROUNDINGS_S * sample_rate // HOP_LENGTH)

    index = np.arange(curve.size)
    first, stop = np.maximum(index - reach, 0), np.minimum(index + reach + 1, curve.size)
    summed = np.concatenate([[0.0], np.cumsum(curve)])
    mean = (summed[stop] - summed[first]) / (stop - first)
    highest = sliding_window_view(np.pad(curve, (wait, 0)), wait + 1).max(axis=1)
    peaks: list[int] = []
    for peak in np.flatnonzero((curve == highest) & (curve >= mean + PEAK_OVER_MEAN) & (curve > 0)):
        if not peaks or peak > peaks[-1] + wait:
            peaks.append(int(peak))

    inner = strength[1:-1]
    minima = 1 + np.flatnonzero((inner <= strength[:-2]) & (inner < strength[2:]))
    minima = np.concatenate([[0], minima])
    return HOP_LENGTH * minima[np.searchsorted(minima, peaks, side="right") - 1]


def _trace_back(onset: int, envelope: Float64, sample_rate: int, least_rise: float, earliest: int) -> int:
    """Walk back to where the envelope stops falling, over bumps smaller than `least_rise`."""
    look_back, hysteresis = int(LOOK_BACK_S * sample_rate), int(HYSTERESIS_S * sample_rate)
    while onset > 0:
        recent = envelope[max(onset - look_back - 1, 0) : onset]
        if recent.min() <= envelope[onset]:
            moved = onset - recent.size + int(recent.argmin())
        else:
            past = envelope[max(onset - hysteresis - 1, 0) : onset]
            lower = np.flatnonzero(past < envelope[onset])
            if not lower.size or np.ptp(past[lower[-1] :]) >= least_rise:
                return onset
            moved = onset - past.size + int(lower[-1])
        onset = moved if moved > earliest else 0
    return 0


def _rising(onsets: Indices, envelope: Float64, least_rise: float) -> Indices:
    """Those after which the envelope rises by `least_rise`, before the next onset kept."""
    kept: list[int] = []
    for onset in onsets[::-1]:
        segment = envelope[onset : kept[-1] if kept else None]
        peak = int(segment.argmax()) if segment.size else 0
        if peak > 0 and segment[peak] - segment[:peak].min() >= least_rise:
            kept.append(int(onset))
    return np.array(kept[::-1], dtype=np.intp)


def _separated(onsets: Indices, least: float) -> Indices:
    """Onsets without those closer than `least` samples to the one before."""
    while onsets.size > 1 and (close := np.diff(onsets) < least).any():
        onsets = onsets[np.concatenate([[True], ~close])]
    return onsets


def _strong(onsets: Indices, strength: Float64) -> Indices:
    """Those after which the strength reaches 3 dB, before the next onset kept."""
    kept: list[int] = []
    for onset in onsets[::-1]:
        stop = kept[-1] // HOP_LENGTH if kept else None
        if strength[onset // HOP_LENGTH : stop].max() >= LEAST_STRENGTH_DB:
            kept.append(int(onset))
    return np.array(kept[::-1], dtype=np.intp)
