"""Beats: Essentia's tracker, then the metrical level and the exact times on the onset envelope.

The pulse of `pulse.extract_pulse` is the base. It is right about the period far more often than about
three things, which are mended here:

- the level: it hears 200 bpm as 100 and 60 bpm as 120 whatever sounds between the beats
  (`choose_level`);
- the first beats, which slide into phase over some seconds;
- the phase, which stands up to 30 ms off the attacks and on a grid of 11.6 ms.

The last two are one dynamic programme (`align_beats`; Ellis, "Beat tracking by dynamic programming",
2007) whose local period is Essentia's. Times are seconds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audio_assets.features.frames import FRAME_LENGTH, FRAME_RATE, MEL_RANGE_HZ, N_MELS
from audio_assets.features.onsets import LATENCY_FRAMES, interpolated_peaks
from audio_assets.features.pulse import FEWEST_TICKS
from audio_assets.features.spectrogram import ANALYSIS_RATE, Float32, mel_filterbank

Float64 = NDArray[np.float64]

BAND_EDGES_HZ = (200.0, 2500.0)
"""Between bass drum and bass, the body of the music, and cymbals."""

FASTEST_DOUBLED_BPM = 105.0
"""Essentia's beats of this tempo or slower may stand for twice the tempo; it finds none above 208 bpm."""

EVEN_SHARE = 0.8
"""Pulses that carry this share of the beats' accent in every band cannot be told from beats."""

EMPTY_SHARE = 0.1
"""Pulses that carry no more than this share of the others' accent are no beats."""

TATUM_BPM = 130.0
"""A fast pulse ..."""

TATUM_SHARES = ((0.1, 0.7), (0.35, 0.4))
"""... is a subdivision if no band has more than the first share of the beats' accent between them, and
every second beat has less than the second share of the others' accent in the lower two bands."""

TIGHTNESS = 100.0
"""Weight of the squared log deviation of an interval from the local period (Ellis's alpha)."""

PRIOR_WEIGHT = 2.0
"""Weight of Essentia's beat against one standard deviation of the envelope."""

PRIOR_WIDTH_FRAMES = 3.0
"""Standard deviation of that bonus around Essentia's beat (35 ms), which is off by up to that much."""

LOCAL_BEATS = 9
"""Intervals whose median is the local period."""


def track_beats(ticks_s: Float64, accents: Float32) -> Float64:
    """Beat times, from Essentia's beats and the accents of the same signal.

    Shape:
        - ticks_s: ``[ticks]`` of `pulse.Pulse`; none, or at least `pulse.FEWEST_TICKS`
        - accents: ``[frames, 3]`` of `band_accents`
        - Output: ``[beats]`` in seconds, increasing
    """
    if not len(ticks_s):
        return ticks_s
    envelope = accents.mean(axis=1)
    aligned_s = align_beats(ticks_s, envelope)
    if len(aligned_s) < FEWEST_TICKS:
        return aligned_s
    beats_s = choose_level(aligned_s, accents)
    return align_beats(beats_s, envelope) if len(beats_s) > len(aligned_s) else beats_s


def band_accents(rises: Float32) -> Float32:
    """The onset envelopes of the bands below, between and above `BAND_EDGES_HZ`.

    Shape:
        - rises: ``[frames, N_MELS]`` of `onsets.band_rises`
        - Output: ``[frames, 3]``
    """
    _, centres_hz = mel_filterbank(ANALYSIS_RATE, FRAME_LENGTH, N_MELS, *MEL_RANGE_HZ)
    starts = [0, *np.searchsorted(centres_hz, BAND_EDGES_HZ)]
    counts = np.diff([*starts, N_MELS])
    return (np.add.reduceat(rises, starts, axis=1) / counts).astype(np.float32)


def choose_level(beats_s: Float64, accents: Float32) -> Float64:
    """Double the beats where those between cannot be told from them; drop every second where empty.

    Only clear cases are changed. A slow pulse is doubled when its beats are alike, the points midway carry
    as much accent as they in each band, bass drum to cymbals, and the points midway between all these do
    not: nothing then marks the slower level. A pulse is halved when every second beat is all but silent,
    or when it is fast, little sounds between its beats and every second beat is weaker in the lower two
    bands: it is then a subdivision of the beat.

    Shape:
        - beats_s: ``[beats]``
        - accents: ``[frames, 3]``
        - Output: ``[beats']``
    """
    doubled_s = np.sort(np.concatenate([beats_s, _midpoints(beats_s)]))
    on = accents_at(beats_s, accents)
    mean = on.mean(axis=0)
    between = accents_at(_midpoints(beats_s), accents).mean(axis=0)
    between_doubled = accents_at(_midpoints(doubled_s), accents).mean(axis=0)
    even, odd = on[::2].mean(axis=0), on[1::2].mean(axis=0)
    bpm = 60 / np.median(np.diff(beats_s))
    is_even = (between >= EVEN_SHARE * mean).all() and _share(even, odd) >= EVEN_SHARE
    if bpm <= FASTEST_DOUBLED_BPM and is_even and _share(between_doubled, mean) < EVEN_SHARE:
        return doubled_s
    weak = _share(even[:2], odd[:2])
    is_tatum = any((between <= quiet * mean).all() and weak < share for quiet, share in TATUM_SHARES)
    if _share(even, odd) < EMPTY_SHARE or (bpm >= TATUM_BPM and is_tatum):
        return beats_s[::2] if even.sum() >= odd.sum() else beats_s[1::2]
    return beats_s


def align_beats(beats_s: Float64, envelope: Float32) -> Float64:
    """Move beats onto the attacks, from the first attack of the signal to the last.

    Maximises the sum of the envelope at the beats, plus a bonus near the given beats, minus a penalty
    for intervals that differ from the local period, which is the running median of the given ones.

    Shape:
        - beats_s: ``[beats]``, at least two
        - envelope: ``[frames]``
        - Output: ``[beats']``
    """
    if not envelope.any():
        return beats_s
    n = len(envelope)
    salience = envelope / envelope.std()
    frames = beats_s * FRAME_RATE - LATENCY_FRAMES
    periods = np.interp(np.arange(n), _midpoints(frames), _running_median(frames))
    nearest = frames[np.searchsorted(_midpoints(frames), np.arange(n))]
    bonus = np.exp(-0.5 * ((np.arange(n) - nearest) / PRIOR_WIDTH_FRAMES) ** 2)
    path = _best_path(salience + PRIOR_WEIGHT * bonus, periods)
    heard = np.flatnonzero(_local_maximum(salience, path) > 0.5 * np.sqrt(np.mean(salience**2)))
    path = path[heard[0] : heard[-1] + 1] if heard.size else path[:0]
    return (interpolated_peaks(envelope, path) + LATENCY_FRAMES) / FRAME_RATE


def accents_at(times_s: Float64, accents: Float32) -> Float32:
    """The highest accent of each band within three frames (35 ms) of each time.

    Shape:
        - times_s: ``[times]``
        - accents: ``[frames, 3]`` of `band_accents`
        - Output: ``[times, 3]``
    """
    frames = np.rint(times_s * FRAME_RATE - LATENCY_FRAMES).astype(int)
    around = np.clip(frames[:, None] + np.arange(-3, 4), 0, len(accents) - 1)
    loudest: Float32 = accents[around].max(axis=1)
    return loudest


def _midpoints(times_s: Float64) -> Float64:
    return (times_s[1:] + times_s[:-1]) / 2


def _share(one: Float32, other: Float32) -> float:
    """The smaller of two accents as a share of the larger."""
    small, large = sorted((float(one.sum()), float(other.sum())))
    return small / large if large else 1.0


def _running_median(frames: Float64) -> Float64:
    """The median of `LOCAL_BEATS` intervals around each interval."""
    padded = np.pad(np.diff(frames), LOCAL_BEATS // 2, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, LOCAL_BEATS), axis=1)


def _best_path(salience: Float64, periods: Float64) -> NDArray[np.int64]:
    """Frames of the beat sequence of highest score; see `align_beats`."""
    n = len(salience)
    score = salience.copy()
    previous = np.full(n, -1)
    log_lags = np.log(np.arange(1, int(2 * periods.max()) + 2))
    for frame, period in enumerate(periods):
        shortest, longest = int(0.6 * period), min(int(1.6 * period), frame)
        if longest <= shortest:
            continue
        penalty = TIGHTNESS * (log_lags[shortest - 1 : longest] - np.log(period)) ** 2
        candidates = score[frame - longest : frame - shortest + 1] - penalty[::-1]
        best = candidates.argmax()
        score[frame] += candidates[best]
        previous[frame] = frame - longest + best
    start = max(n - 1 - int(periods[-1]), 0)
    frame = start + int(score[start:].argmax())
    path = []
    while frame >= 0:
        path.append(frame)
        frame = previous[frame]
    return np.array(path[::-1])


def _local_maximum(salience: Float64, frames: NDArray[np.int64]) -> Float64:
    around = np.clip(frames[:, None] + np.arange(-2, 3), 0, len(salience) - 1)
    loudest: Float64 = salience[around].max(axis=1)
    return loudest
