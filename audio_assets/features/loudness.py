"""Programme loudness and loudness range to EBU R 128.

Integrated loudness after ITU-R BS.1770-4 (K-weighting, 400 ms blocks overlapping by 75 %, gates at
-70 LUFS and 10 LU below), loudness range after EBU Tech 3342 (3 s windows every 100 ms, gates at
-70 LUFS and 20 LU below, 10th to 95th percentile). One or two channels of weight 1 at any sample rate:
a mono file is one channel, 3 LU quieter than the same signal on two, as the standard has it. Where
everything lies below the gate, or the signal is shorter than one block, the value is None.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from audio_assets.features.filters import filter_sections
from audio_assets.features.spectrogram import Float32

Float64 = NDArray[np.float64]

STEP_S = 0.1
MOMENTARY_STEPS = 4
SHORT_TERM_STEPS = 30
STEPS_PER_CHUNK = 100

OFFSET_DB = -0.691
ABSOLUTE_GATE_LUFS = -70.0
INTEGRATED_GATE_LU = -10.0
RANGE_GATE_LU = -20.0
RANGE_PERCENTILES = (10, 95)

SHELF = (1681.974450955533, 3.999843853973347, 0.7071752369554196)
"""Frequency (Hz), gain (dB) and Q of the analogue shelf whose bilinear transform at 48 kHz is the first
filter of BS.1770; likewise (Hz, Q) of the second."""
HIGH_PASS = (38.13547087602444, 0.5003270373238773)
SHELF_BAND_EXPONENT = 0.4996667741545416


@dataclass(frozen=True)
class Loudness:
    """Loudness of a whole programme."""

    lufs: float | None
    """Integrated loudness; None where no 400 ms reach -70 LUFS."""
    lra: float | None
    """Loudness range in LU; None where no 3 s reach -70 LUFS."""


def measure_loudness(samples: Float32, sample_rate: int) -> Loudness:
    """Integrated loudness and loudness range.

    Shape:
        - samples: ``[channels, n]``, one channel or left and right

    Raises:
        ValueError: more than two channels, whose weights would have to be known.
    """
    if len(samples) > 2:
        raise ValueError(
            f"samples have {len(samples)} channels; wanted 1 or 2: mix them down to stereo first"
        )
    meter = LoudnessMeter(sample_rate)
    meter.add(samples)
    return meter.loudness()


class LoudnessMeter:
    """The same of a signal that comes in blocks, in memory of 80 bytes for each of its seconds.

    Args:
        sample_rate: of all blocks, Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._step = STEP_S * sample_rate
        self._state: Float64 | None = None
        self._rest: Float32 | None = None
        self._taken = 0
        self._power: list[Float64] = []

    def add(self, samples: Float32) -> None:
        """Measure what follows.

        Shape:
            - samples: ``[channels, m]``, as many channels as before
        """
        joined = samples if self._rest is None else np.concatenate([self._rest, samples], axis=1)
        if self._state is None:
            self._state = np.zeros((2, len(samples), 2))
        steps_before = sum(map(len, self._power))
        n_steps = int((self._taken + joined.shape[1]) / self._step + 1e-9) - steps_before
        edges = np.rint((steps_before + np.arange(n_steps + 1)) * self._step).astype(int) - self._taken
        for first in range(0, n_steps, STEPS_PER_CHUNK):
            chunk = edges[first : first + STEPS_PER_CHUNK + 1]
            weighted, self._state = filter_sections(
                k_weighting(self._sample_rate), joined[:, chunk[0] : chunk[-1]], self._state
            )
            energy = np.einsum("cn,cn->n", weighted, weighted)
            self._power.append(np.add.reduceat(energy, chunk[:-1] - chunk[0]) / np.diff(chunk))
        self._taken += int(edges[-1])
        self._rest = joined[:, edges[-1] :].copy()

    def loudness(self) -> Loudness:
        """The loudness of what was added so far."""
        steps = np.concatenate([np.zeros(0), *self._power])
        return Loudness(_integrated_lufs(steps), _range_lu(steps))


@lru_cache(maxsize=16)
def k_weighting(sample_rate: int) -> Float64:
    """The two filters of BS.1770 as second-order sections at a sample rate, ``[2, 6]``.

    The standard tabulates them for 48 kHz only; these are the bilinear transforms of the analogue
    filters that give that table.
    """
    frequency, gain_db, q = SHELF
    k = np.tan(np.pi * frequency / sample_rate)
    high = 10 ** (gain_db / 20)
    band = high**SHELF_BAND_EXPONENT
    a0 = 1 + k / q + k * k
    shelf = [
        (high + band * k / q + k * k) / a0,
        2 * (k * k - high) / a0,
        (high - band * k / q + k * k) / a0,
        1,
        2 * (k * k - 1) / a0,
        (1 - k / q + k * k) / a0,
    ]
    frequency, q = HIGH_PASS
    k = np.tan(np.pi * frequency / sample_rate)
    a0 = 1 + k / q + k * k
    high_pass = [1, -2, 1, 1, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0]
    return np.array([shelf, high_pass])


def _window_powers(steps: Float64, length: int) -> Float64:
    """Mean power of every run of `length` steps."""
    if len(steps) < length:
        return np.zeros(0)
    power: Float64 = sliding_window_view(steps, length).mean(axis=1)
    return power


def _lufs(power: Float64 | np.float64) -> Float64:
    with np.errstate(divide="ignore"):
        return np.asarray(OFFSET_DB + 10 * np.log10(power))


def _gated(power: Float64, relative_gate_lu: float) -> Float64:
    """The powers above the absolute gate and the gate relative to their own mean."""
    loud = power[_lufs(power) >= ABSOLUTE_GATE_LUFS]
    if not len(loud):
        return loud
    return loud[_lufs(loud) >= _lufs(loud.mean()) + relative_gate_lu]


def _integrated_lufs(steps: Float64) -> float | None:
    gated = _gated(_window_powers(steps, MOMENTARY_STEPS), INTEGRATED_GATE_LU)
    return float(_lufs(gated.mean())) if len(gated) else None


def _range_lu(steps: Float64) -> float | None:
    gated = _gated(_window_powers(steps, SHORT_TERM_STEPS), RANGE_GATE_LU)
    if not len(gated):
        return None
    low, high = np.percentile(_lufs(gated), RANGE_PERCENTILES, method="nearest")
    return float(high - low)
