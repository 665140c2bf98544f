"""Which pitch classes sound between two beats, from the constant-Q transform.

A spectrum is not a set of notes: overtones add a fifth and a third to every tone, drums fill all
bins, and loud instruments hide soft ones. After Mauch & Dixon, "Approximate note transcription for the
improved identification of difficult chords" (ISMIR 2010), in three steps:

- each frame is whitened: less the mean of its neighbourhood, over its standard deviation, so that
  broadband sound vanishes and soft notes count like loud ones (`whiten`);
- the mean spectrum of a span between beats is explained by tones with overtones, by non-negative least
  squares (`note_activations`);
- the tones are folded into two chroma, treble and bass, which overlap from C2 to C4 (`sounding_notes`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import scipy
from numpy.typing import NDArray

from audio_assets.features.constant_q import FRAME_RATE, N_BINS, Q
from audio_assets.features.spectrogram import Float32
from audio_assets.features.tonal import SILENCE

Float64 = NDArray[np.float64]

NEIGHBOURHOOD = 15
"""Bins of whitening: seven semitones on either side."""

NOISE_LEVEL = 0.4
"""Mean of a whitened bin of white noise: that of the positive half of a standard normal variable."""

TONAL_SUM = 5.0
"""Sum of whitened bins above `NOISE_LEVEL` that only tones reach; noise and drums stay below."""

TONAL_BINS = slice(24, 72)
"""The bins of that sum: C3 (131 Hz) to B6 (1976 Hz), above bass drum and toms."""

PARTIALS = 10
PARTIAL_DECAY = 0.6
"""Amplitude of each partial over that of the partial before."""

ITERATIONS = 40
COMPRESSION = 0.5
"""Power of the activations that is folded, so that one loud note does not make the chroma."""

_BIN = np.arange(N_BINS)
WEAKEST_BASS = 0.5
"""Length of the bass chroma, as a share of the treble's, below which it is what tones let through."""

TREBLE = np.clip((_BIN - 19) / 12, 0, 1) * np.clip((N_BINS - _BIN) / 24, 0, 1)
BASS = np.clip((_BIN + 4) / 6, 0, 1) * np.clip((36 - _BIN) / 12, 0, 1)
"""Weight of each semitone in the two chroma."""


@dataclass(frozen=True)
class SoundingNotes:
    """The pitch classes of each span, C first."""

    treble: Float64
    """``[spans, 12]`` of unit length; zeros for a span without sound."""
    bass: Float64
    """``[spans, 12]`` of unit length; zeros for a span without bass."""
    tonality: Float64
    """``[spans]``: 0 (silence) .. 1 (tones)."""


def sounding_notes(magnitudes: Float32, edges_s: Float64) -> SoundingNotes:
    """The pitch classes that sound between each two edges.

    Shape:
        - magnitudes: ``[frames, N_BINS]`` of `constant_q.constant_q`, at least one frame
        - edges_s: ``[spans + 1]``
    """
    spectra = span_means(whiten(magnitudes), edges_s)
    strength = note_activations(spectra) ** COMPRESSION
    above_noise = np.maximum(spectra[:, TONAL_BINS] - NOISE_LEVEL, 0).sum(axis=1)
    treble = (strength * TREBLE).reshape(len(strength), -1, 12).sum(axis=1)
    bass = (strength * BASS).reshape(len(strength), -1, 12).sum(axis=1)
    least = WEAKEST_BASS * np.linalg.norm(treble, axis=1, keepdims=True)
    has_bass = np.linalg.norm(bass, axis=1, keepdims=True) >= least
    return SoundingNotes(
        treble=unit_rows(treble),
        bass=unit_rows(np.where(has_bass, bass, 0)),
        tonality=np.minimum(above_noise / TONAL_SUM, 1),
    )


def whiten(magnitudes: Float32) -> Float32:
    """Each bin's height above its neighbourhood's mean, in its standard deviations; 0 below the mean.

    Shape:
        - magnitudes: ``[frames, N_BINS]``
        - Output: the same
    """
    mean = scipy.ndimage.uniform_filter1d(magnitudes, NEIGHBOURHOOD, axis=1, mode="reflect")
    square = scipy.ndimage.uniform_filter1d(magnitudes**2, NEIGHBOURHOOD, axis=1, mode="reflect")
    deviation = np.sqrt(np.maximum(square - mean**2, SILENCE**2))
    whitened: Float32 = np.maximum(magnitudes - mean, 0) / deviation
    whitened[magnitudes.max(axis=1) < SILENCE] = 0
    return whitened


def span_means(frames: Float32, edges_s: Float64, frame_rate: float = FRAME_RATE) -> Float64:
    """The mean frame of each span between two edges; of the nearest frame where a span holds none.

    Shape:
        - frames: ``[frames, D]`` at `frame_rate`
        - edges_s: ``[spans + 1]``, increasing
        - Output: ``[spans, D]``
    """
    edges = np.clip(np.rint(edges_s * frame_rate).astype(int), 0, len(frames) - 1)
    spans = [frames[a : max(b, a + 1)].mean(axis=0, dtype=np.float64) for a, b in pairwise(edges)]
    return np.array(spans).reshape(-1, frames.shape[1])


def note_activations(spectra: Float64) -> Float64:
    """How strongly each semitone sounds as a tone, by multiplicative updates (Lee & Seung, 2001).

    Shape:
        - spectra: ``[spans, N_BINS]``, not negative
        - Output: the same
    """
    tones = _tones()
    correlation = spectra @ tones.T
    gram = tones @ tones.T
    activations = correlation.copy()
    for _ in range(ITERATIONS):
        activations *= correlation / (activations @ gram + 1e-9)
    return activations


def unit_rows(rows: Float64) -> Float64:
    """Rows scaled to unit length; rows of zeros as they are."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Float64 = np.zeros_like(rows)
    np.divide(rows, length, out=unit, where=length > 1e-6)
    return unit


@lru_cache(maxsize=1)
def _tones() -> Float64:
    """The constant-Q spectrum of a tone on each semitone, ``[N_BINS, N_BINS]``, rows of unit length.

    A partial between two semitones is seen by both, as the transform's Hann window lets it through.
    """
    tones = np.zeros((N_BINS, N_BINS))
    for partial in range(1, PARTIALS + 1):
        distance = _BIN[:, None] + 12 * np.log2(partial) - _BIN
        x = Q * (2 ** (distance / 12) - 1)
        response = np.abs(np.sinc(x) + (np.sinc(x - 1) + np.sinc(x + 1)) / 2)
        tones += PARTIAL_DECAY ** (partial - 1) * np.where(np.abs(distance) < 5, response, 0)
    return unit_rows(tones)
