"""Downbeats: the metre and the phase of the bar, for beats that are already known.

A bar starts where the harmony changes and the bass is struck, less so where the snare is. The metre
(4 or 3 beats, constant through the signal) and phase are those whose first beats stand out most from
the other beats, in standard errors. Where they do not stand out (a metronome, a drum loop that is the
same in both halves of the bar), the bar is not known, and is not made up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audio_assets.features.beats import accents_at
from audio_assets.features.chords import span_chroma
from audio_assets.features.spectrogram import Float32

Float64 = NDArray[np.float64]

METRES = (4, 3)
FEWEST_BARS = 3
SNARE_WEIGHT = -0.5

CLEAR_MARGIN = 2.0
"""Standard errors by which the phase must stand above the next best one of its metre."""


@dataclass(frozen=True)
class Bars:
    """A metre and the beat on which its bars start."""

    beats_per_bar: int
    first_downbeat: int
    """Index of the first downbeat among the beats, below `beats_per_bar`."""

    def position(self, beat: int) -> int:
        """Position in its bar of the beat of this index: 1 (the downbeat) .. `beats_per_bar`."""
        return (beat - self.first_downbeat) % self.beats_per_bar + 1


def find_bars(beats_s: Float64, accents: Float32, magnitudes: Float32, duration_s: float) -> Bars | None:
    """The bars of a signal, or None where nothing tells its downbeats from the other beats.

    Args:
        beats_s: ``[beats]``
        accents: ``[frames, 3]`` of `beats.band_accents`
        magnitudes: ``[frames, N_BINS]`` of `constant_q.constant_q`
        duration_s: length of the signal
    """
    if len(beats_s) < FEWEST_BARS * max(METRES):
        return None
    evidence = _downbeat_evidence(beats_s, accents, magnitudes, duration_s)
    best: Bars | None = None
    most = -np.inf
    for metre in METRES:
        phases = [evidence[phase::metre] for phase in range(metre)]
        means = np.array([phase.mean() for phase in phases])
        chosen = int(means.argmax())
        prominence = (means[chosen] - evidence.mean()) * np.sqrt(len(evidence) / (metre - 1))
        if prominence > most:
            most = prominence
            error = np.sqrt(np.mean([p.var() for p in phases]) * 2 / len(phases[chosen]))
            margin = means[chosen] - np.partition(means, -2)[-2]
            best = Bars(metre, chosen) if margin > CLEAR_MARGIN * error else None
    return best


def _downbeat_evidence(beats_s: Float64, accents: Float32, magnitudes: Float32, duration_s: float) -> Float64:
    """How much each beat looks like the start of a bar, in standard deviations, ``[beats]``."""
    chroma = span_chroma(magnitudes, np.concatenate([[0.0], beats_s, [duration_s]]))
    before, after = chroma[:-1], chroma[1:]
    sounding = before.any(axis=1) & after.any(axis=1)
    change = np.where(sounding, 1 - (before * after).sum(axis=1), 0)
    bass, snare, _ = accents_at(beats_s, accents).astype(np.float64).T
    return _standardised(change) + _standardised(bass) + SNARE_WEIGHT * _standardised(snare)


def _standardised(values: Float64) -> Float64:
    spread = values.std()
    return (values - values.mean()) / spread if spread > 1e-3 else np.zeros_like(values)
