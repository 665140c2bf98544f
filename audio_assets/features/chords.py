"""Chords by beat: major and minor triads, or none, by template matching and Viterbi smoothing.

Chord labels are those of Harte et al. (2005) that mir_eval reads: ``C:maj``, ``A:min``, ``N``. The
chroma of a span between beats is that of C3 to B6, above bass drum and bass line: the median of its
constant-Q frames, so that a drum hit in it does not count, less the median of the twelve values, so
that broadband sound is no chord.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from audio_assets.features.constant_q import FRAME_RATE
from audio_assets.features.spectrogram import Float32
from audio_assets.features.tonal import PITCH_CLASSES, SILENCE

Float64 = NDArray[np.float64]

CHORD_BINS = slice(24, 72)
"""The bins of `constant_q` that are read: C3 (131 Hz) to B6 (1976 Hz)."""

GRID_S = 0.5
"""Span for a signal without beats."""

LABELS = (
    *(f"{name}:maj" for name in PITCH_CLASSES),
    *(f"{name}:min" for name in PITCH_CLASSES),
    "N",
)
NO_CHORD_SIMILARITY = 0.65
"""A span whose best triad is less similar than this (cosine) holds no chord."""

SIMILARITY_WEIGHT = 10.0
CHANGE_PENALTY = 1.5
"""Cost of a change of chord, in units of ``SIMILARITY_WEIGHT`` times cosine similarity."""


@dataclass(frozen=True)
class Chord:
    """A stretch of one chord; its ends are beats, or the ends of the signal."""

    start_s: float
    end_s: float
    chord: str
    strength: float | None
    """Mean cosine similarity of its beats to the triad, 0..1; None for ``N``."""


def recognise_chords(magnitudes: Float32, beats_s: Float64, duration_s: float) -> list[Chord]:
    """The chords of a signal from its constant-Q transform; they cover it from end to end.

    Args:
        magnitudes: ``[frames, N_BINS]`` of `constant_q.constant_q`
        beats_s: beat times; without any the signal is cut every `GRID_S`
        duration_s: length of the signal
    """
    if not len(magnitudes) or duration_s <= 0:
        return []
    inner = beats_s if len(beats_s) else np.arange(GRID_S, duration_s, GRID_S)
    edges_s = np.unique([0.0, *inner[(inner > 0) & (inner < duration_s)], duration_s])
    similarity = _similarity(span_chroma(magnitudes, edges_s))
    path = _viterbi(SIMILARITY_WEIGHT * similarity, CHANGE_PENALTY)
    starts = np.flatnonzero(np.diff(path, prepend=-1))
    chords = []
    for first, last in pairwise([*starts.tolist(), len(path)]):
        label = LABELS[path[first]]
        strength = float(similarity[first:last, path[first]].mean())
        chords.append(
            Chord(
                float(edges_s[first]),
                float(edges_s[last]),
                label,
                None if label == "N" else min(strength, 1.0),
            )
        )
    return chords


def span_chroma(magnitudes: Float32, edges_s: Float64) -> Float64:
    """Chroma of each span between two edges, above its median pitch class and of unit length.

    Shape:
        - magnitudes: ``[frames, N_BINS]`` of `constant_q.constant_q`
        - edges_s: ``[spans + 1]``
        - Output: ``[spans, 12]``; zeros for a span without sound
    """
    pitch = magnitudes[:, CHORD_BINS].astype(np.float64)
    frames = np.clip(np.rint(edges_s * FRAME_RATE).astype(int), 0, len(pitch) - 1)
    spans = [np.median(pitch[a : max(b, a + 1)], axis=0) for a, b in pairwise(frames)]
    chroma = np.array(spans).reshape(len(spans), -1, 12).sum(axis=1)
    chroma[chroma.max(axis=1) < SILENCE] = 0
    chroma = np.maximum(chroma - np.median(chroma, axis=1, keepdims=True), 0)
    length = np.linalg.norm(chroma, axis=1, keepdims=True)
    unit: Float64 = np.zeros_like(chroma)
    np.divide(chroma, length, out=unit, where=length > 0)
    return unit


def _similarity(chroma: Float64) -> Float64:
    """Cosine similarity of each span to each label, ``[spans, len(LABELS)]``."""
    triads = np.zeros((len(LABELS) - 1, 12))
    for i, third in enumerate((4, 3)):
        for root in range(12):
            triads[12 * i + root, [root, (root + third) % 12, (root + 7) % 12]] = 1 / np.sqrt(3)
    none = np.full((len(chroma), 1), NO_CHORD_SIMILARITY)
    return np.hstack([chroma @ triads.T, none])


def _viterbi(scores: Float64, change_penalty: float) -> NDArray[np.int64]:
    """The sequence of labels of highest total score, less a penalty for each change."""
    total = scores[0]
    stay = np.arange(scores.shape[1])
    previous = []
    for score in scores[1:]:
        best = int(total.argmax())
        change = total[best] - change_penalty
        previous.append(np.where(total >= change, stay, best))
        total = np.maximum(total, change) + score
    path = [int(total.argmax())]
    for choices in reversed(previous):
        path.append(int(choices[path[-1]]))
    return np.array(path[::-1])
