"""Chords by beat: triads, or none, by templates over treble and bass and a hidden Markov model.

Labels are those of Harte et al. (2005) that mir_eval reads: ``C:maj``, ``A:min``, ``B:dim``, ``N``.
Chords with a seventh are recognised as such, so that Cmaj7 is not heard as E minor, and named by their
triad: on which of the sevenths it is, the method is right half of the time only.

A span between beats (`notes`) is compared with each chord by the cosine of its chroma, with a bonus for
the chord's root in the bass and a malus for triads out of the signal's diatonic scale; without tones it
holds no chord. The sequence of chords is that of highest total score, less a penalty for each change,
which is smaller at a downbeat (Papadopoulos & Peeters, "Joint estimation of chords and downbeats from an
audio signal", 2011).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from audio_assets.features.notes import sounding_notes, unit_rows
from audio_assets.features.spectrogram import Float32
from audio_assets.features.tonal import PITCH_CLASSES

Float64 = NDArray[np.float64]

GRID_S = 0.5
"""Span for a signal without beats."""

QUALITIES = {
    "maj": (0, 4, 7),
    "min": (0, 3, 7),
    "dim": (0, 3, 6),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "min7": (0, 3, 7, 10),
    "hdim7": (0, 3, 6, 10),
}
TRIADS = {"7": "maj", "maj7": "maj", "min7": "min", "hdim7": "dim"}
"""The triad by which a chord with a seventh is named."""

NO_CHORD = "N"
CHORDS = [(root, quality) for quality in QUALITIES for root in range(12)]
LABELS = (*(f"{PITCH_CLASSES[root]}:{TRIADS.get(q, q)}" for root, q in CHORDS), NO_CHORD)
"""The label of each chord that is told apart; chords of one triad share theirs."""

SEVENTH_WEIGHT = 0.7
"""Weight of a seventh in its template; the triad's tones have 1."""

BASS_IN_CHROMA = 0.3
"""Weight of the bass chroma beside the treble's: a chord's root is often in the bass alone."""

BASS_WEIGHTS = (1.0, 0.2, 0.4)
"""How well root, third and fifth stand in the bass."""

CHROMA_SCORE = 10.0
BASS_SCORE = 2.0
"""Score of a span that equals the chord, and of a bass that is its root."""

NO_CHORD_SCORE = 7.0
"""Score of no chord: most of what speech reaches for its best chord, less than most music does."""

RARITY = {"dim": 0.3, "hdim7": 0.3, "7": 0.2, "maj7": 0.2, "min7": 0.2}
"""Score that rarer qualities lack: they contain, or are contained in, commoner ones."""

OUT_OF_SCALE = 0.3
"""Score lost for each tone of the triad that is not in the signal's scale."""

CHANGE_PENALTY = 2.0
"""Score lost by a change of chord where bars are unknown ..."""

CHANGE_PENALTY_AT_DOWNBEAT = 1.0
CHANGE_PENALTY_IN_BAR = 2.5
"""... and where they are known."""

MAJOR_SCALE = (0, 2, 4, 5, 7, 9, 11)


@dataclass(frozen=True)
class Chord:
    """A stretch of one chord; its ends are beats, or the ends of the signal."""

    start_s: float
    end_s: float
    chord: str
    strength: float | None
    """Mean cosine similarity of its spans to the chord, 0..1; None for ``N``."""


def recognise_chords(
    magnitudes: Float32, beats_s: Float64, duration_s: float, downbeats_s: Float64 | None = None
) -> list[Chord]:
    """The chords of a signal from its constant-Q transform; they cover it from end to end.

    Args:
        magnitudes: ``[frames, N_BINS]`` of `constant_q.constant_q`
        beats_s: beat times; without any the signal is cut every `GRID_S`
        duration_s: length of the signal
        downbeats_s: those of the beats that begin a bar; None or none if that is not known
    """
    if not len(magnitudes) or duration_s <= 0:
        return []
    inner = beats_s if len(beats_s) else np.arange(GRID_S, duration_s, GRID_S)
    edges_s = np.unique([0.0, *inner[(inner > 0) & (inner < duration_s)], duration_s])
    similarity, score = _score(magnitudes, edges_s)
    path = _viterbi(score, _change_penalties(edges_s[:-1], downbeats_s))
    labels = np.array(LABELS)[path]
    starts = np.flatnonzero(labels[1:] != labels[:-1]) + 1
    chords = []
    for first, last in pairwise([0, *starts.tolist(), len(path)]):
        label = str(labels[first])
        strength = None
        if label != NO_CHORD:
            strength = min(float(similarity[np.arange(first, last), path[first:last]].mean()), 1.0)
        chords.append(Chord(float(edges_s[first]), float(edges_s[last]), label, strength))
    return chords


def _score(magnitudes: Float32, edges_s: Float64) -> tuple[Float64, Float64]:
    """Cosine similarity of each span to each chord, and score with that of no chord as last column."""
    notes = sounding_notes(magnitudes, edges_s)
    chroma = unit_rows(notes.treble + BASS_IN_CHROMA * notes.bass)
    templates, basses = _templates()
    similarity = chroma @ templates.T
    scale = _scale(chroma.mean(axis=0))
    outside = [sum(not scale[(root + tone) % 12] for tone in QUALITIES[q][:3]) for root, q in CHORDS]
    prior = OUT_OF_SCALE * np.array(outside) + [RARITY.get(quality, 0) for _, quality in CHORDS]
    heard = CHROMA_SCORE * similarity + BASS_SCORE * notes.bass @ basses.T
    score = notes.tonality[:, None] * heard - prior
    return similarity, np.pad(score, ((0, 0), (0, 1)), constant_values=NO_CHORD_SCORE)


def _templates() -> tuple[Float64, Float64]:
    """The chroma of each chord, of unit length, and its weights in the bass; both ``[chords, 12]``."""
    chroma, bass = np.zeros((2, len(CHORDS), 12))
    for i, (root, quality) in enumerate(CHORDS):
        tones = (root + np.array(QUALITIES[quality])) % 12
        chroma[i, tones] = (1, 1, 1, SEVENTH_WEIGHT)[: len(tones)]
        bass[i, tones[:3]] = BASS_WEIGHTS
    return unit_rows(chroma), bass


def _scale(chroma: Float64) -> NDArray[np.bool_]:
    """The diatonic scale that holds most of a chroma, as a mask of pitch classes."""
    major = np.isin(np.arange(12), MAJOR_SCALE)
    scales = np.array([np.roll(major, tonic) for tonic in range(12)])
    best: NDArray[np.bool_] = scales[(scales @ chroma).argmax()]
    return best


def _change_penalties(starts_s: Float64, downbeats_s: Float64 | None) -> Float64:
    """What a change of chord at the start of each span costs."""
    if downbeats_s is None or not len(downbeats_s):
        return np.full(len(starts_s), CHANGE_PENALTY)
    return np.where(np.isin(starts_s, downbeats_s), CHANGE_PENALTY_AT_DOWNBEAT, CHANGE_PENALTY_IN_BAR)


def _viterbi(scores: Float64, change_penalties: Float64) -> NDArray[np.int64]:
    """The sequence of labels of highest total score, less the penalty for each change."""
    total = scores[0]
    stay = np.arange(scores.shape[1])
    previous = []
    for score, penalty in zip(scores[1:], change_penalties[1:], strict=True):
        best = int(total.argmax())
        change = total[best] - penalty
        previous.append(np.where(total >= change, stay, best))
        total = np.maximum(total, change) + score
    path = [int(total.argmax())]
    for choices in reversed(previous):
        path.append(int(choices[path[-1]]))
    return np.array(path[::-1])
