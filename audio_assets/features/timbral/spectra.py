"""Filters, windows and power spectra, as the attributes share them.

Conventions: frames are rows, frequency bins columns. The mean of a frame is removed before its window is
applied. Powers are one-sided: every bin but the first and the last counts twice, so that a row sums to what
the two-sided spectrum holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import fft

from audio_assets.features.filters import filter_sections
from audio_assets.features.spectrogram import Float32

Float64 = NDArray[np.float64]

Real = TypeVar("Real", np.float32, np.float64)

BLOCK_SAMPLES = 1 << 18


def cascade(samples: Float32, kind: str, cutoff_hz: float, sample_rate: int) -> Float32:
    """Three Butterworth filters of order 2 in a row, each -3 dB at `cutoff_hz`; `kind` is "low" or "high".

    Shape:
        - samples: ``[n]``
        - Output: ``[n]``
    """
    from scipy.signal import butter

    section = butter(2, cutoff_hz, kind, fs=sample_rate, output="sos")
    filtered, _ = filter_sections(np.repeat(section, 3, axis=0), samples, np.zeros((3, 2)))
    return filtered.astype(np.float32)


def fitted_window(kind: str | tuple[str, float], length: int, samples: NDArray[Real]) -> Float64:
    """A periodic window of `length` points, or of as many as there are samples."""
    from scipy.signal import get_window

    window: Float64 = get_window(kind, min(length, samples.size))
    return window


def bin_frequencies(fft_length: int, sample_rate: int) -> Float64:
    """Centres in Hz of the bins of a one-sided spectrum, ``[fft_length / 2 + 1]``."""
    return np.linspace(0, sample_rate / 2, fft_length // 2 + 1)


def power_spectra(
    samples: NDArray[Real], window: Float64, hop: int, fft_length: int
) -> Iterator[NDArray[Real]]:
    """Power of the frames of a signal, in its precision, some frames at a time.

    Shape:
        - samples: ``[n]``
        - window: ``[frame_length]``
        - Yields: ``[frames, fft_length / 2 + 1]``
    """
    for block in _windowed(samples, window, hop):
        spectrum = fft.rfft(block, fft_length, axis=1)
        power = spectrum.real**2
        power += spectrum.imag**2
        power[:, 1:-1] *= 2
        yield power


def frame_powers(samples: NDArray[Real], window: Float64, hop: int, fft_length: int) -> Float64:
    """Row sums of `power_spectra`, ``[frames]``, without the transforms (Parseval)."""
    sums = [np.einsum("ij,ij->i", block, block) for block in _windowed(samples, window, hop)]
    return np.concatenate(sums).astype(np.float64) * fft_length


def _windowed(samples: NDArray[Real], window: Float64, hop: int) -> Iterator[NDArray[Real]]:
    """Windowed frames, in blocks that stay in the processor's cache."""
    own_window = window.astype(samples.dtype)
    frames = sliding_window_view(samples, window.size)[::hop]
    step = max(1, BLOCK_SAMPLES // window.size)
    for start in range(0, len(frames), step):
        block = frames[start : start + step]
        centred = block - block.mean(axis=1, keepdims=True)
        centred *= own_window
        yield centred
