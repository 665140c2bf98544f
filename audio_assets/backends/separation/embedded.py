"""Separation by signal processing alone: soft masks on a spectrogram; no weights, no download."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import scipy
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from audio_assets.audio.downmix import Samples
from audio_assets.backends.separation import SAMPLE_RATE, Mix
from audio_assets.backends.separation.masks import FRAME_LENGTH, HOP_LENGTH, stem_masks
from audio_assets.backends.separation.overlap import separate_in_chunks

CHUNK = 12 * SAMPLE_RATE
OVERLAP = SAMPLE_RATE

_OVERLAPPED = FRAME_LENGTH // HOP_LENGTH
_BEFORE = FRAME_LENGTH - HOP_LENGTH
_GAIN = 0.375 * _OVERLAPPED
"""What the squares of overlapping Hann windows sum to."""


class MaskSeparation:
    """Harmonic/percussive, bass and melody masks; see `masks`. The stems sum to the mix."""

    name = "masks"
    revision = "1"
    licence = "Apache-2.0"

    def separate(self, mix: Mix) -> Iterator[Samples]:
        """As `Separation.separate`."""
        return separate_in_chunks(
            mix(), lambda chunks: [separate_chunk(chunk) for chunk in chunks], CHUNK, OVERLAP
        )


def separate_chunk(mix: Samples) -> Samples:
    """The stems of some seconds of a mix.

    Shape:
        - mix: ``[2, n]``
        - Output: ``[4, 2, n]``, which sum to `mix`
    """
    spectra = short_time_spectra(mix)
    drums, bass, vocals = (resynthesised(spectra * mask, mix.shape[1]) for mask in stem_masks(spectra))
    return np.stack([drums, bass, mix - drums - bass - vocals, vocals])


def short_time_spectra(samples: Samples) -> NDArray[np.complex64]:
    """Hann-windowed spectra, frame ``i`` ending with sample ``(i + 1) * HOP_LENGTH - 1``.

    Shape:
        - samples: ``[channels, n]``
        - Output: ``[channels, frames, FRAME_LENGTH // 2 + 1]``
    """
    # So many zeros around that the first and the last sample are in as many frames as any other.
    padded = np.pad(samples, ((0, 0), (_BEFORE, FRAME_LENGTH)))
    frames = sliding_window_view(padded, FRAME_LENGTH, axis=1)[:, ::HOP_LENGTH]
    spectra: NDArray[np.complex64] = scipy.fft.rfft(frames * _hann(), axis=2)
    return spectra


def resynthesised(spectra: NDArray[np.complex64], length: int) -> Samples:
    """The signal of `short_time_spectra`, after changes to them.

    Shape:
        - Output: ``[channels, length]``
    """
    frames = scipy.fft.irfft(spectra, FRAME_LENGTH, axis=2) * _hann()
    channels, n_frames, _ = frames.shape
    blocks = np.zeros((channels, n_frames + _OVERLAPPED - 1, HOP_LENGTH), np.float32)
    for part in range(_OVERLAPPED):
        blocks[:, part : part + n_frames] += frames[..., part * HOP_LENGTH : (part + 1) * HOP_LENGTH]
    return blocks.reshape(channels, -1)[:, _BEFORE : _BEFORE + length]


@lru_cache(maxsize=1)
def _hann() -> Samples:
    phase = 2 * np.pi * np.arange(FRAME_LENGTH) / FRAME_LENGTH
    window: Samples = ((0.5 - 0.5 * np.cos(phase)) / np.sqrt(_GAIN)).astype(np.float32)
    return window
