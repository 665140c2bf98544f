"""Short-time spectra, made in blocks so that memory does not grow with the spectrogram.

Conventions: mono float32 signals; frame ``i`` is centred on sample ``i * hop_length`` (the signal is
padded with zeros on both sides), so it describes the time ``i * hop_length / sample_rate``. Windows
are periodic Hann. A caller's loop over `power_blocks` keeps each block in the processor's cache and
the whole spectrogram (85 MB for four minutes) out of memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import scipy
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Complex64 = NDArray[np.complex64]

ANALYSIS_RATE = 44100
"""Rate at which the frame-wise features are read, in Hz, whatever the rate of the file."""

BLOCK_FRAMES = 128


def centred_frames(samples: Float32, frame_length: int, hop_length: int) -> Float32:
    """A view of `samples` as overlapping frames centred on multiples of `hop_length`.

    Shape:
        - samples: ``[n]``
        - Output: ``[1 + n // hop_length, frame_length]``; no frames for an empty signal
    """
    if samples.size == 0:
        return np.zeros((0, frame_length), np.float32)
    half = frame_length // 2
    return sliding_window_view(np.pad(samples, half), frame_length)[::hop_length]


def spectrum_blocks(
    samples: Float32, frame_length: int, hop_length: int, *, window: bool = True
) -> Iterator[Complex64]:
    """The short-time Fourier transform of `samples`, some frames at a time; at least one block.

    The window is scaled to a sum of 2, so a sinusoid of amplitude 1 has a peak of magnitude 1.
    With ``window=False`` the frames are transformed as they are.

    Shape:
        - samples: ``[n]``
        - Yields: ``[frames, frame_length // 2 + 1]`` complex64
    """
    frames = centred_frames(samples, frame_length, hop_length)
    for start in range(0, max(len(frames), 1), BLOCK_FRAMES):
        block = frames[start : start + BLOCK_FRAMES]
        yield scipy.fft.rfft(block * hann(frame_length) if window else block, axis=1)


def power_blocks(samples: Float32, frame_length: int, hop_length: int) -> Iterator[Float32]:
    """The power spectrogram of `samples`, some frames at a time.

    Shape:
        - samples: ``[n]``
        - Yields: ``[frames, frame_length // 2 + 1]`` float32
    """
    for spectrum in spectrum_blocks(samples, frame_length, hop_length):
        yield spectrum.real**2 + spectrum.imag**2


@lru_cache(maxsize=8)
def hann(length: int) -> Float32:
    """A periodic Hann window of sum 2."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    scaled: Float32 = (window * (2 / window.sum())).astype(np.float32)
    return scaled


@lru_cache(maxsize=8)
def mel_filterbank(
    sample_rate: int, frame_length: int, n_mels: int, low_hz: float, high_hz: float
) -> tuple[Float32, NDArray[np.float64]]:
    """Triangular filters of unit sum, evenly spaced in mel (O'Shaughnessy: 2595·log10(1 + f/700)).

    A filter narrower than a bin takes the one bin nearest to its centre.

    Returns:
        The filters ``[frame_length // 2 + 1, n_mels]`` and their centres in Hz ``[n_mels]``.
    """

    def mel(hz: NDArray[np.float64] | float) -> NDArray[np.float64]:
        return 2595 * np.log10(1 + np.asarray(hz) / 700)

    edges_mel = np.linspace(mel(low_hz), mel(high_hz), n_mels + 2)
    edges = 700 * (10 ** (edges_mel / 2595) - 1)
    bins = np.arange(frame_length // 2 + 1) * sample_rate / frame_length
    filters = np.zeros((len(bins), n_mels))
    for i, (left, centre, right) in enumerate(zip(edges, edges[1:], edges[2:], strict=False)):
        slopes = np.minimum((bins - left) / (centre - left), (right - bins) / (right - centre))
        filters[:, i] = np.maximum(slopes, 0)
        if not filters[:, i].any():
            filters[np.abs(bins - centre).argmin(), i] = 1
    return (filters / filters.sum(axis=0)).astype(np.float32), edges[1:-1]
