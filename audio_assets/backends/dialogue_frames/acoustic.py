"""Acoustic frames at 12.5 Hz: spectral envelope, its movement, energy, pitch and flatness.

Frame ``i`` describes the samples ``[1280 i, 1280 (i + 1))`` at 16 kHz. Its power spectrum is the mean
of four Hann windows of 32 ms, 20 ms apart (Welch 1967). The `DIMENSIONS` columns are

    0..19   MFCC: cosine transform (orthonormal) of the log mel power, 40 bands, 50..8000 Hz
    20..39  their first derivative, by linear regression over ±2 frames, per frame
    40..59  their second derivative, the regression of the first
    60      energy: level of the frame, dB re full scale, -100 and more
    61      pitch: octaves above 50 Hz, 0 where the frame is unvoiced
    62      flatness of the power spectrum: geometric over arithmetic mean, 0 (tone) .. 1 (noise)

Samples are analysed in blocks of fixed size, whatever the sizes they come in, so frames of a stream
are those of the whole recording bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

import numpy as np
import scipy
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from audio_assets.audio.chunk import reblock
from audio_assets.backends.dialogue_frames import FRAME_RATE_HZ

Float32 = NDArray[np.float32]

SAMPLE_RATE = 16_000
FRAME_LENGTH = round(SAMPLE_RATE / FRAME_RATE_HZ)

N_MFCC = 20
STATIC = N_MFCC + 3
"""Columns of `static_frames`: MFCC, energy, pitch, flatness."""

DIMENSIONS = 3 * N_MFCC + 3

_WINDOW_LENGTH = 512
_WINDOW_STEP = 320
_MARGIN = (_WINDOW_LENGTH - _WINDOW_STEP) // 2
_BLOCK_FRAMES = 128

_N_MELS = 40
_MEL_RANGE_HZ = (50.0, 8000.0)
_FLOOR_POWER = 1e-10

_PITCH_RANGE_HZ = (60.0, 500.0)
_PITCH_REFERENCE_HZ = 50.0
_PITCH_FFT = 2048
_VOICED = 0.5
"""Least normalised autocorrelation of a voiced frame; that of noise stays below 0.4."""

_OCTAVE_COST = 0.02
"""Autocorrelation that a candidate must have more than one an octave above (Boersma 1993)."""

_QUIET_DB = -65.0
"""A frame below this has no pitch."""


def acoustic_frames(blocks: Iterable[Float32]) -> Float32:
    """Frames of signals side by side that come in blocks of any sizes.

    Shape:
        - blocks: each ``[S, m]``, S signals at `SAMPLE_RATE`
        - Output: ``[S, ceil(n / 1280), DIMENSIONS]`` for n samples in all
    """
    static = static_frames(blocks)
    mfcc, rest = static[..., :N_MFCC], static[..., N_MFCC:]
    first = regression_delta(mfcc)
    return np.concatenate([mfcc, first, regression_delta(first), rest], axis=-1)


def static_frames(blocks: Iterable[Float32]) -> Float32:
    """`acoustic_frames` without the derivatives.

    Shape:
        - blocks: each ``[S, m]``, S signals at `SAMPLE_RATE`
        - Output: ``[S, ceil(n / 1280), STATIC]``: MFCC, energy, pitch, flatness
    """
    return np.concatenate([_describe(frames) for frames in _framed(blocks)], axis=1)


def regression_delta(features: Float32) -> Float32:
    """Slope of each column over ±2 frames, per frame; the ends are held beyond the edges.

    Shape:
        - features: ``[..., T, D]``
        - Output: ``[..., T, D]``
    """
    around = [(0, 0)] * (features.ndim - 2)
    padded = np.pad(features, [*around, (2, 2), (0, 0)], mode="edge")
    near = padded[..., 3:-1, :] - padded[..., 1:-3, :]
    far = padded[..., 4:, :] - padded[..., :-4, :]
    slope: Float32 = np.float32(0.1) * near + np.float32(0.2) * far
    return slope


def _framed(blocks: Iterable[Float32]) -> Iterator[Float32]:
    """Frames with their margins ``[S, k, FRAME_LENGTH + 2 * _MARGIN]``, k at most `_BLOCK_FRAMES` + 1.

    Where the blocks are cut depends on the number of samples alone.
    """
    size, margins = _BLOCK_FRAMES * FRAME_LENGTH, 2 * _MARGIN
    length = done = 0
    held: Float32 | None = None
    for block in reblock(blocks, size):
        length += block.shape[1]
        before = np.zeros((len(block), _MARGIN), np.float32) if held is None else held
        held = np.concatenate([before, block], axis=1)
        while held.shape[1] >= size + margins:
            yield _sliding(held[:, : size + margins], FRAME_LENGTH + margins, FRAME_LENGTH)
            held = held[:, size:]
            done += _BLOCK_FRAMES
    left = -(-length // FRAME_LENGTH) - done
    if held is not None and left:
        missing = left * FRAME_LENGTH + margins - held.shape[1]
        padded = np.pad(held, ((0, 0), (0, missing)))
        yield _sliding(padded, FRAME_LENGTH + margins, FRAME_LENGTH)


def _sliding(samples: Float32, length: int, step: int) -> Float32:
    """A view ``[..., k, length]`` of the last axis."""
    windows: Float32 = sliding_window_view(samples, length, axis=-1)[..., ::step, :]
    return windows


def _describe(frames: Float32) -> Float32:
    """The static columns ``[S, k, STATIC]`` of frames with margins."""
    described = np.empty((*frames.shape[:-1], STATIC), np.float32)
    sounding = frames.any(axis=-1)
    # Half of the frames are empty where speakers take turns, each on a stream of their own.
    described[~sounding] = _silent_frame()
    if sounding.any():
        described[sounding] = _describe_sounding(frames[sounding])
    return described


@lru_cache(maxsize=1)
def _silent_frame() -> Float32:
    """The static columns ``[1, STATIC]`` of silence."""
    return _describe_sounding(np.zeros((1, FRAME_LENGTH + 2 * _MARGIN), np.float32))


def _describe_sounding(frames: Float32) -> Float32:
    window, mel, cosine = _analysis()
    spectra = scipy.fft.rfft(_sliding(frames, _WINDOW_LENGTH, _WINDOW_STEP) * window, axis=-1)
    power = (spectra.real**2 + spectra.imag**2).mean(axis=1) + np.float32(_FLOOR_POWER)
    mfcc: Float32 = np.log(power @ mel) @ cosine
    flatness = np.exp(np.log(power).mean(axis=1)) / power.mean(axis=1)
    middle = frames[:, _MARGIN:-_MARGIN]
    level_db = 10 * np.log10((middle**2).mean(axis=1) + np.float32(_FLOOR_POWER))
    columns: Float32 = np.column_stack([mfcc, level_db, _pitch(middle, level_db), flatness])
    return columns


def _pitch(frames: Float32, level_db: Float32) -> Float32:
    """Octaves above `_PITCH_REFERENCE_HZ`, 0 where unvoiced, by autocorrelation (Boersma 1993).

    The autocorrelation of the windowed frame is divided by that of the window, which makes it that
    of the signal; its highest peak between the lags of `_PITCH_RANGE_HZ` is the period.
    """
    window, window_correlation, lags, cost = _pitch_analysis()
    centred = (frames - frames.mean(axis=1, keepdims=True)) * window
    spectrum = scipy.fft.rfft(centred, _PITCH_FFT, axis=1)
    correlation = scipy.fft.irfft(spectrum.real**2 + spectrum.imag**2, axis=1)
    energy = np.maximum(correlation[:, :1], np.float32(1e-20))
    candidates = correlation[:, lags[0] - 1 : lags[-1] + 2] / energy / window_correlation
    inner = candidates[:, 1:-1]
    is_peak = (inner >= candidates[:, :-2]) & (inner > candidates[:, 2:])
    best = np.where(is_peak, inner - cost, -np.inf).argmax(axis=1)
    rows = np.arange(len(frames))
    left, peak, right = (candidates[rows, best + shift] for shift in range(3))
    curvature = np.maximum(2 * peak - left - right, np.float32(1e-9))
    lag = lags[best] + np.clip((right - left) / (2 * curvature), -0.5, 0.5)
    octaves = np.log2(SAMPLE_RATE / (lag * _PITCH_REFERENCE_HZ))
    voiced = is_peak[rows, best] & (peak >= _VOICED) & (level_db > _QUIET_DB)
    return np.where(voiced, octaves, 0).astype(np.float32)


@lru_cache(maxsize=1)
def _analysis() -> tuple[Float32, Float32, Float32]:
    """Window ``[512]``, mel filters ``[257, 40]`` and cosine transform ``[40, 20]``."""
    window = _hann(_WINDOW_LENGTH)
    # A white signal of power p has p in every bin and so in every mel band.
    window /= np.sqrt((window**2).sum())
    cosine = scipy.fft.dct(np.eye(_N_MELS), axis=1, norm="ortho")[:, :N_MFCC]
    return window.astype(np.float32), _mel_filters(), cosine.astype(np.float32)


def _mel_filters() -> Float32:
    """Triangles of unit sum, evenly spaced in mel (O'Shaughnessy: 2595 log10(1 + f / 700))."""
    low, high = (2595 * np.log10(1 + edge / 700) for edge in _MEL_RANGE_HZ)
    edges_hz = 700 * (10 ** (np.linspace(low, high, _N_MELS + 2) / 2595) - 1)
    bins_hz = np.arange(_WINDOW_LENGTH // 2 + 1)[:, None] * SAMPLE_RATE / _WINDOW_LENGTH
    left, centre, right = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    slopes = np.minimum((bins_hz - left) / (centre - left), (right - bins_hz) / (right - centre))
    filters = np.maximum(slopes, 0)
    normalised: Float32 = (filters / filters.sum(axis=0)).astype(np.float32)
    return normalised


@lru_cache(maxsize=1)
def _pitch_analysis() -> tuple[Float32, Float32, NDArray[np.int64], Float32]:
    """Window, its autocorrelation at the lags and their neighbours, the lags, their cost."""
    low_hz, high_hz = _PITCH_RANGE_HZ
    lags = np.arange(round(SAMPLE_RATE / high_hz), round(SAMPLE_RATE / low_hz) + 1)
    window = _hann(FRAME_LENGTH)
    correlation = scipy.fft.irfft(np.abs(scipy.fft.rfft(window, _PITCH_FFT)) ** 2)
    around = correlation[lags[0] - 1 : lags[-1] + 2] / correlation[0]
    cost = _OCTAVE_COST * np.log2(lags / lags[0])
    return window.astype(np.float32), around.astype(np.float32), lags, cost.astype(np.float32)


def _hann(length: int) -> NDArray[np.float64]:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
