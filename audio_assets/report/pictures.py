"""Waveform and spectrogram of a recording, in memory that does not grow with its length.

Both are built from blocks of sound in order: a waveform is the lowest and highest sample in each of
`WAVE_COLUMNS` equal stretches of time, a spectrogram the mean mel power in `SPECTRUM_COLUMNS` of them, in
decibels below the loudest. They become an SVG path and a PNG with a palette.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import fft

from audio_assets.features.spectrogram import Float32, hann, mel_filterbank

WAVE_COLUMNS = 1200
WAVE_HEIGHT = 100
"""Units from the middle line to full height."""

SPECTRUM_COLUMNS = 1440
FRAME_LENGTH = 2048
SHORTEST_HOP = 512
FRAMES_PER_COLUMN = 4
FRAMES_AT_ONCE = 512
N_MELS = 112
LOW_HZ, HIGH_HZ = 40.0, 16000.0
MARKS_HZ = (100, 1000, 10000)

RANGE_DB = 80.0
LEVELS = 64
"""Steps of 1.25 dB: fewer cannot be told apart, and the file is smaller by a third."""

PALETTE = (
    (0.00, (13, 15, 23)),
    (0.25, (38, 32, 84)),
    (0.45, (104, 42, 112)),
    (0.65, (190, 66, 92)),
    (0.82, (242, 132, 66)),
    (0.94, (252, 205, 120)),
    (1.00, (255, 250, 226)),
)
"""Colours from silence to the loudest; lightness rises all the way, so it reads without hue."""


@dataclass
class Canvas:
    """Collects waveform and spectrogram of `samples_total` mono samples at `rate` Hz."""

    samples_total: int
    rate: int
    peak: float = 0.0
    _offset: int = 0
    _low: Float32 = field(default_factory=lambda: np.zeros(WAVE_COLUMNS, np.float32))
    _high: Float32 = field(default_factory=lambda: np.zeros(WAVE_COLUMNS, np.float32))
    _power: Float32 = field(default_factory=lambda: np.zeros((SPECTRUM_COLUMNS, N_MELS), np.float32))
    _frames: Float32 = field(default_factory=lambda: np.zeros(SPECTRUM_COLUMNS, np.float32))

    def add(self, mono: Float32, *, spectrum: bool = True) -> None:
        """The next samples, ``[n]``."""
        if not len(mono):
            return
        columns = self._columns(np.arange(len(mono)) + self._offset, WAVE_COLUMNS)
        starts = np.flatnonzero(np.diff(columns, prepend=-1))
        at = columns[starts]
        self._low[at] = np.minimum(self._low[at], np.minimum.reduceat(mono, starts))
        self._high[at] = np.maximum(self._high[at], np.maximum.reduceat(mono, starts))
        self.peak = max(self.peak, float(np.abs(mono).max()))
        if spectrum:
            self._add_spectrum(mono)
        self._offset += len(mono)

    def waveform(self) -> str:
        """The outline as an SVG path, `WAVE_COLUMNS` by twice `WAVE_HEIGHT`, scaled to the peak."""
        scale = WAVE_HEIGHT / self.peak if self.peak else 0.0
        x = np.arange(WAVE_COLUMNS)
        top = np.rint(WAVE_HEIGHT - self._high * scale).astype(int)
        bottom = np.rint(WAVE_HEIGHT - self._low * scale).astype(int) + 1
        points = [*zip(x, top, strict=True), *zip(x[::-1], bottom[::-1], strict=True)]
        return "M" + "L".join(f"{a} {b}" for a, b in points) + "Z"

    def spectrogram(self) -> bytes:
        """The spectrogram as a PNG, low frequencies at the bottom."""
        heard = self._frames > 0
        power = self._power[heard] / self._frames[heard][:, None]
        nearest = np.searchsorted(np.flatnonzero(heard), np.arange(SPECTRUM_COLUMNS))
        power = power[np.minimum(nearest, len(power) - 1)] if len(power) else self._power
        loudest = power.max(initial=0) or 1.0
        level_db = 10 * np.log10(np.maximum(power / loudest, 10 ** (-RANGE_DB / 10)))
        index = np.rint((1 + level_db / RANGE_DB) * (LEVELS - 1)).astype(np.uint8)
        return png(index.T[::-1], palette(LEVELS))

    def _columns(self, samples: NDArray[np.int64], count: int) -> NDArray[np.int64]:
        return np.minimum(samples * count // max(self.samples_total, 1), count - 1)

    def _add_spectrum(self, mono: Float32) -> None:
        if len(mono) < FRAME_LENGTH:
            mono = np.pad(mono, (0, FRAME_LENGTH - len(mono)))
        hop = max(SHORTEST_HOP, self.samples_total // (SPECTRUM_COLUMNS * FRAMES_PER_COLUMN))
        frames = sliding_window_view(mono, FRAME_LENGTH)[::hop]
        filters, _ = mel_filterbank(self.rate, FRAME_LENGTH, N_MELS, LOW_HZ, min(HIGH_HZ, self.rate / 2))
        centres = self._offset + np.arange(len(frames)) * hop + FRAME_LENGTH // 2
        columns = self._columns(centres, SPECTRUM_COLUMNS)
        for start in range(0, len(frames), FRAMES_AT_ONCE):
            spectrum = fft.rfft(frames[start : start + FRAMES_AT_ONCE] * hann(FRAME_LENGTH), axis=1)
            mel = (spectrum.real**2 + spectrum.imag**2) @ filters
            at = columns[start : start + FRAMES_AT_ONCE]
            np.add.at(self._power, at, mel)
            np.add.at(self._frames, at, 1)


def frequency_marks(rate: int) -> list[tuple[str, float]]:
    """Labels of `MARKS_HZ` and their places above the bottom of the spectrogram, 0..1."""
    top_hz = min(HIGH_HZ, rate / 2)
    low, high = _mel(LOW_HZ), _mel(top_hz)
    return [
        (f"{hz // 1000} kHz" if hz >= 1000 else f"{hz} Hz", (_mel(hz) - low) / (high - low))
        for hz in MARKS_HZ
        if hz < top_hz
    ]


def _mel(hz: float) -> float:
    return float(2595 * np.log10(1 + hz / 700))


def palette(levels: int) -> NDArray[np.uint8]:
    """`PALETTE` in even steps, ``[levels, 3]``."""
    places = np.linspace(0, 1, levels)
    stops = [place for place, _ in PALETTE]
    channels = [np.interp(places, stops, [colour[c] for _, colour in PALETTE]) for c in range(3)]
    return np.rint(np.stack(channels, axis=1)).astype(np.uint8)


def png(index: NDArray[np.uint8], colours: NDArray[np.uint8]) -> bytes:
    """An image of palette entries as a PNG (ISO/IEC 15948, colour type 3).

    Shape:
        - index: ``[height, width]``
        - colours: ``[up to 256, 3]``
    """
    height, width = index.shape
    rows = np.pad(index, ((0, 0), (1, 0)))  # each row begins with its filter: none
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = ((b"IHDR", header), (b"PLTE", colours.tobytes()), (b"IDAT", zlib.compress(rows.tobytes(), 6)))
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in (*parts, (b"IEND", b""))
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
