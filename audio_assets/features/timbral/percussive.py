"""How much of a sound is percussive: harmonic-percussive separation by median filtering.

A spectrogram smoothed by a median along time keeps what lasts, along frequency what is short and broad; their
ratio splits every bin (FitzGerald, "Harmonic/percussive separation using median filtering", DAFx 2010).
Medians of 31 points with mirrored edges and squared (Wiener) masks, as in librosa.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import fft

from audio_assets.features.spectrogram import Complex64, Float32, hann, spectrum_blocks

Value = TypeVar("Value", np.float32, np.uint16)

FRAME_LENGTH = 2048
HOP_LENGTH = 512
REACH = 15
"""Of the median, to either side."""

BLOCK_FRAMES = 128
RMS_LENGTH = 1024
RMS_HOP = 512


def percussive_ratio(samples: Float32) -> float | None:
    """Percussive share, 0..1, of the summed frame RMS of a signal ``[n]``; None of silence."""
    spectrogram = np.concatenate(list(spectrum_blocks(samples, FRAME_LENGTH, HOP_LENGTH)))
    percussive = _inverse(_percussive_blocks(spectrogram), len(spectrogram))
    harmonic = samples[: percussive.size] - percussive
    percussive_rms = _summed_rms(percussive)
    total_rms = percussive_rms + _summed_rms(harmonic)
    return percussive_rms / total_rms if total_rms > 0 else None


def _percussive_blocks(spectrogram: Complex64) -> Iterator[Complex64]:
    """The percussive part of a spectrogram ``[frames, bins]``, some frames at a time."""
    for start in range(0, len(spectrogram), BLOCK_FRAMES):
        before = min(start, REACH)
        block = spectrogram[start - before : start + BLOCK_FRAMES + REACH]
        inner = slice(before, before + BLOCK_FRAMES)
        # Medians only compare: the upper half of a float, steps of 0.4 % in the same order, halves the work.
        rough = (np.abs(block).view(np.uint32) >> 16).astype(np.uint16)
        lasting = _magnitude(sliding_median(rough)[inner]) ** 2
        broad = _magnitude(sliding_median(np.ascontiguousarray(rough[inner].T)).T) ** 2
        both = lasting + broad
        yield block[inner] * np.divide(broad, both, out=np.full_like(both, 0.5), where=both > 0)


def _magnitude(upper_half: NDArray[np.uint16]) -> Float32:
    return (upper_half.astype(np.uint32) << 16).view(np.float32)


def sliding_median(rows: NDArray[Value]) -> NDArray[Value]:
    """Median of the 31 rows around each row, the edges mirrored.

    Neighbouring windows share their work (the idea of Adams, "Fast median filters using separable sorting
    networks", 2021): the 16 rows that 16 windows have in common are sorted once. Then, halving the group each
    time, the rows that a half has in common besides are merged in, and only the ranks are kept that can
    still become the median.

    Shape:
        - rows: ``[rows, lanes]``
        - Output: ``[rows, lanes]``
    """
    # Row i of the input is row i + 16 here, so window i covers rows i + 1 .. i + 31, and runs[e][:, m] holds
    # the rows e·m .. e·m + e - 1 in ascending order.
    groups = -(-len(rows) // 16)
    padded = np.pad(rows, ((16, 16 * (groups + 1) - len(rows)), (0, 0)), mode="symmetric")
    runs = {1: padded[None]}
    for length in (1, 2, 4, 8):
        even, odd = runs[length][:, 0::2], runs[length][:, 1::2]
        runs[2 * length] = _sort_bitonic(np.concatenate([even, odd[::-1]]))

    kept = runs[16][:, 1:-1]
    for extra in (8, 4, 2, 1):
        groups = kept.shape[1]
        halves = np.empty((extra, 2 * groups, rows.shape[1]), rows.dtype)
        halves[:, 0::2] = _middle(kept, runs[extra][:, 1 : 2 * groups : 2])
        halves[:, 1::2] = _middle(kept, runs[extra][:, 32 // extra :: 2][:, :groups])
        kept = halves
    return kept[0, : len(rows)]


def _middle(many: NDArray[Value], few: NDArray[Value]) -> NDArray[Value]:
    """Ranks e + 1 .. 2·e, ascending, of 2·e and e values that ascend along the first axis."""
    half = len(few)
    without_lowest = _sort_bitonic(np.maximum(many[:half], few[::-1]))
    return _sort_bitonic(np.minimum(without_lowest, many[half:][::-1]))


def _sort_bitonic(values: NDArray[Value]) -> NDArray[Value]:
    """Sort what rises, then falls along the first axis, of length 2^k, in k rounds of exchanges (Batcher)."""
    width = len(values) // 2
    while width:
        pairs = values.reshape(-1, 2, width, *values.shape[1:])
        exchanged = np.empty_like(pairs)
        np.minimum(pairs[:, 0], pairs[:, 1], out=exchanged[:, 0])
        np.maximum(pairs[:, 0], pairs[:, 1], out=exchanged[:, 1])
        values = exchanged.reshape(values.shape)
        width //= 2
    return values


def _inverse(blocks: Iterable[Complex64], count: int) -> Float32:
    """The samples of a spectrogram of `count` frames as far as whole hops reach, ``[(count - 1) · 512]``."""
    window = hann(FRAME_LENGTH)
    overlap = FRAME_LENGTH // HOP_LENGTH
    summed = np.zeros((count + overlap - 1, HOP_LENGTH), np.float32)
    start = 0
    for block in blocks:
        frames = (fft.irfft(block, axis=1) * window).reshape(len(block), overlap, HOP_LENGTH)
        for k in range(overlap):
            summed[start + k : start + k + len(block)] += frames[:, k]
        start += len(block)
    weight = np.zeros_like(summed)
    for k, squares in enumerate((window**2).reshape(overlap, HOP_LENGTH)):
        weight[k : k + count] += squares
    inner = slice(overlap // 2, count + overlap // 2 - 1)
    samples: Float32 = (summed[inner] / weight[inner]).ravel()
    return samples


def _summed_rms(samples: Float32) -> float:
    """Sum of the RMS of frames of 1024 that start every 512 samples; the last takes what is left."""
    whole = max(-(-(samples.size - RMS_LENGTH) // RMS_HOP), 0)
    rest = samples[whole * RMS_HOP :]
    total = float(np.sqrt(np.mean(rest**2)))
    if whole:
        frames = sliding_window_view(samples, RMS_LENGTH)[: whole * RMS_HOP : RMS_HOP]
        total += float(np.sqrt(np.einsum("ij,ij->i", frames, frames) / RMS_LENGTH).sum())
    return total
