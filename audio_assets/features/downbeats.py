"""Downbeats: the metre and the phase of the bar, for beats that are already known.

A bar starts where harmony, bass and timbre change, where the bass drum is struck rather than the snare,
and where sections begin (Goto, "An audio-based real-time beat tracking system for music with or without
drum-sounds", 2001; Davies & Plumbley, "A spectral difference approach to downbeat extraction in musical
audio", 2006). These cues add up to one evidence for each beat. A dynamic programme places the bars: all
of the same metre (4 or 3 beats), except where an irregular bar makes up for a beat too few or too many.

The metre is the one whose downbeats stand out most. Where they do not stand out clearly, or nothing
sounds but drums (whose accents mark second beats as readily as first ones), bars are not known, and are
not made up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from audio_assets.features.beats import accents_at
from audio_assets.features.frames import FRAME_RATE
from audio_assets.features.notes import sounding_notes, span_means
from audio_assets.features.spectrogram import Float32

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

METRES = (4, 3)
FEWEST_BARS = 3

WEIGHTS = {"timbre": 1.0, "section": 2.0, "harmony": 1.0, "bass": 0.5, "low": 1.0, "middle": -0.5}
"""Weights of the standardised cues; the snare is the accent of the middle band."""

LARGEST_CUE = 3.0
"""Standard deviations to which a cue is cut: one crash cymbal is not three downbeats."""

SECTION_BEATS = 8
"""Beats before and after a beat whose timbres are compared for the beginning of a section ..."""

SECTION_REACH = 3
"""... which differ more there than at this many beats on either side."""

TIMBRE_RANGE = 1e-6
"""Power of a mel band, relative to the signal's loudest, below which timbre is not read (-60 dB)."""

IRREGULAR_BAR = 10.0
"""Standard deviations of evidence that a bar of another length must gain."""

PROMINENCE = 3.0
"""Standard errors by which downbeats must stand above all beats: seven guesses reach 2 by chance."""

CLEAR_MARGIN = 1.5
"""Standard errors by which they must stand above the next best position in the bar."""

LEAST_TONALITY = 0.9
"""Median of `notes.SoundingNotes.tonality` below which the signal has no harmony to speak of."""


@dataclass(frozen=True)
class Bars:
    """A metre and where in its bar each beat is."""

    beats_per_bar: int
    positions: tuple[int, ...]
    """For each beat: 1 (the downbeat) .. `beats_per_bar`."""


def find_bars(
    beats_s: Float64, accents: Float32, mel_power: Float32, magnitudes: Float32, duration_s: float
) -> Bars | None:
    """The bars of a signal, or None where nothing tells its downbeats from the other beats.

    Args:
        beats_s: ``[beats]``
        accents: ``[frames, 3]`` of `beats.band_accents`
        mel_power: ``[frames, bands]`` of `frames.Frames`
        magnitudes: ``[frames, N_BINS]`` of `constant_q.constant_q`
        duration_s: length of the signal
    """
    if len(beats_s) < FEWEST_BARS * max(METRES):
        return None
    edges_s = np.concatenate([[0.0], beats_s, [duration_s]])
    notes = sounding_notes(magnitudes, edges_s)
    if np.median(notes.tonality) < LEAST_TONALITY:
        return None
    low, middle, _ = accents_at(beats_s, accents).astype(np.float64).T
    loudest = mel_power.max()
    timbre = span_means(np.log10(np.maximum(mel_power / loudest, TIMBRE_RANGE)), edges_s, FRAME_RATE)
    cues = {
        "timbre": _distances(timbre, 1),
        "section": _peaks(_distances(timbre, SECTION_BEATS)),
        "harmony": _turns(notes.treble),
        "bass": _turns(notes.bass),
        "low": low,
        "middle": middle,
    }
    evidence = np.zeros(len(low))
    for cue, weight in WEIGHTS.items():
        evidence += weight * _standardised(cues[cue])
    return place_bars(evidence)


def place_bars(evidence: Float64) -> Bars | None:
    """The metre and bars whose downbeats have most evidence; None where that is not clear.

    Shape:
        - evidence: ``[beats]``, of any scale
    """
    spread = evidence.std()
    if spread < 1e-3:
        return None
    standard = (evidence - evidence.mean()) / spread
    best: Bars | None = None
    most = PROMINENCE
    for metre in METRES:
        positions = _best_positions(standard, metre)
        beats = [standard[positions == position] for position in range(1, metre + 1)]
        means = np.array([group.mean() if group.size else -np.inf for group in beats])
        prominence = means[0] * np.sqrt(len(standard) / (metre - 1))
        if prominence > most:
            most = prominence
            variance = np.mean([group.var() for group in beats if group.size])
            error = np.sqrt(2 * variance / len(beats[0]))
            is_clear = means[0] - means[1:].max() > CLEAR_MARGIN * error
            best = Bars(metre, tuple(positions.tolist())) if is_clear else None
    return best


def _best_positions(evidence: Float64, metre: int) -> Int64:
    """Position in its bar of each beat, 1 .. `metre`, for the most evidence at downbeats."""
    total = np.zeros(metre)
    total[0] = evidence[0]
    regular = np.roll(np.arange(metre), 1)
    previous = []
    for value in evidence[1:]:
        before = regular.copy()
        cut_short = int(total[:-1].argmax())
        total_if_cut = total[cut_short] - IRREGULAR_BAR
        total = total[before]
        if total_if_cut > total[0]:
            total[0], before[0] = total_if_cut, cut_short
        total[0] += value
        previous.append(before)
    path = [int(total.argmax())]
    for before in reversed(previous):
        path.append(int(before[path[-1]]))
    return np.array(path[::-1]) + 1


def _turns(chroma: Float64) -> Float64:
    """How far the chroma turns at each edge between spans, 0..1; 0 beside silence."""
    before, after = chroma[:-1], chroma[1:]
    sounding = before.any(axis=1) & after.any(axis=1)
    return np.where(sounding, 1 - (before * after).sum(axis=1), 0)


def _distances(spans: Float64, width: int) -> Float64:
    """Distance, at each edge, between the means of the `width` spans before and after it."""
    padded = np.pad(spans, ((width - 1, width - 1), (0, 0)), mode="edge")
    sums = np.cumsum(np.pad(padded, ((1, 0), (0, 0))), axis=0)
    means = (sums[width:] - sums[:-width]) / width
    distances: Float64 = np.linalg.norm(means[width:] - means[:-width], axis=1)
    return distances


def _peaks(values: Float64) -> Float64:
    """The values that are the largest within `SECTION_REACH`, 0 elsewhere."""
    return np.where(values == scipy.ndimage.maximum_filter1d(values, 2 * SECTION_REACH + 1), values, 0)


def _standardised(values: Float64) -> Float64:
    spread = values.std()
    if spread < 1e-3:
        return np.zeros_like(values)
    standardised: Float64 = np.clip((values - values.mean()) / spread, -LARGEST_CUE, LARGEST_CUE)
    return standardised
