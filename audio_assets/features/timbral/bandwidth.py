"""How wide a spectrum opens over time.

Frames of 4096 samples, unwindowed, every 128 samples. The bandwidth reaches from the bin where 5 % of the
summed magnitude lies below to the last bin of -75 dB (magnitude density, re 1/√Hz); it is 0 in frames within
the lowest tenth of the range of that sum.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import fft

from audio_assets.features.spectrogram import Float32

Float64 = NDArray[np.float64]

FRAME_LENGTH = 4096
HOP_LENGTH = 128
ROLL_ON = 0.05
ROLL_OFF = 10 ** (-75 / 20)
QUIET = 0.1
BLOCK_FRAMES = 64
CHUNK_BINS = 64


def bandwidths(samples: Float32, sample_rate: int) -> Float64:
    """Bandwidth of each frame, Hz.

    Shape:
        - samples: ``[n]``, n ≥ 4096
        - Output: ``[(n - 4096) // 128 + 1]``
    """
    frames = sliding_window_view(samples, FRAME_LENGTH)[::HOP_LENGTH]
    level, low, high = np.zeros((3, len(frames)))
    least = ROLL_OFF * np.sqrt(sample_rate * FRAME_LENGTH)
    for start in range(0, len(frames), BLOCK_FRAMES):
        block = slice(start, start + BLOCK_FRAMES)
        magnitude = np.abs(fft.rfft(frames[block], axis=1)[:, 1:])  # the mean stands in the first bin alone
        level[block], low[block] = _roll_on(magnitude)
        strong = magnitude >= least
        last = magnitude.shape[1] - 1 - np.argmax(strong[:, ::-1], axis=1)
        high[block] = np.where(strong.any(axis=1), last, low[block])
    quiet = level <= level.min() + QUIET * np.ptp(level)
    return np.where(quiet, 0.0, (high - low) * (sample_rate / FRAME_LENGTH))


def _roll_on(magnitude: Float32) -> tuple[Float64, NDArray[np.intp]]:
    """Sum of each row of magnitudes ``[frames, 2048]``, and the first bin where the running sum reaches 5 %.

    Sums of chunks of bins find the chunk, then a running sum the bin: a running sum over all is far slower.
    """
    chunks = magnitude.reshape(len(magnitude), -1, CHUNK_BINS)
    running = np.cumsum(chunks.sum(axis=2, dtype=np.float64), axis=1)
    wanted = ROLL_ON * running[:, -1:]
    chunk = np.argmax(running >= wanted, axis=1)
    row = np.arange(len(magnitude))
    inside = np.cumsum(chunks[row, chunk], axis=1, dtype=np.float64)
    missing = wanted - (running[row, chunk] - inside[:, -1])[:, None]
    return running[:, -1], CHUNK_BINS * chunk + np.argmax(inside >= missing, axis=1)
