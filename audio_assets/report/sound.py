"""Sound for a page: recordings as Opus in Ogg, small enough to stand in it, and their pictures.

The bytes for a page are `PAGE_BYTES`, shared between the mix and the stems by weight, whatever their
length: the longer, the lower the bit rate, down to `LOWEST_BIT_RATE`, below which only the beginning is
kept. Preview and pictures are made in one pass over the decoded blocks.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from audio_assets.audio.downmix import Samples
from audio_assets.audio.signal import Signal
from audio_assets.report.pictures import Canvas, frequency_marks

RATE = 48_000
"""Opus's own rate."""

PAGE_BYTES = 1_850_000
"""Of all previews of a page; a third more in base64."""

MIX_WEIGHT, STEM_WEIGHT = 2.5, 1.0
HIGHEST_BIT_RATE = {1: 40_000, 2: 72_000}
"""By channels; Opus is hard to tell from the original there."""

LOWEST_BIT_RATE = 14_000

IN_MEMORY_S = 900.0
"""Longer recordings are read in blocks, and in mono."""

BLOCK_S = 10.0


@dataclass(frozen=True)
class Preview:
    """A recording to hear and see on a page."""

    opus: bytes
    preview_s: float
    """How much of it there is to hear."""
    duration_s: float
    waveform: str
    peak: float
    spectrogram: bytes | None
    marks: list[tuple[str, float]]


def mix_preview(signal: Signal, duration_s: float, stems: int) -> Preview:
    """The preview of an item that has so many stems beside it.

    Raises:
        AudioError: it does not decode.
    """
    weights = MIX_WEIGHT + stems * STEM_WEIGHT
    channels = 1 if duration_s > IN_MEMORY_S or len(signal.samples) == 1 else 2
    return _preview(signal, duration_s, channels, PAGE_BYTES * MIX_WEIGHT / weights, is_stem=False)


def stem_preview(signal: Signal, duration_s: float, stems: int) -> Preview:
    """The preview of one of an item's stems, in mono and without a spectrogram.

    Raises:
        AudioError: it does not decode.
    """
    budget = PAGE_BYTES * STEM_WEIGHT / (MIX_WEIGHT + stems * STEM_WEIGHT)
    return _preview(signal, duration_s, 1, budget, is_stem=True)


def _preview(signal: Signal, duration_s: float, channels: int, budget: float, *, is_stem: bool) -> Preview:
    bit_rate = min(8 * budget / max(duration_s, 1.0), HIGHEST_BIT_RATE[channels])
    kept_s = min(duration_s, 8 * budget / max(bit_rate, LOWEST_BIT_RATE))
    encoder = _Encoder(channels, round(max(bit_rate, LOWEST_BIT_RATE)), is_music=is_stem)
    canvas = Canvas(round(duration_s * RATE), RATE)
    read = 0
    for block in _blocks(signal, duration_s, channels):
        encoder.add(block[:, : max(round(kept_s * RATE) - read, 0)])
        canvas.add(block.mean(axis=0), spectrum=not is_stem)
        read += block.shape[1]
    return Preview(
        opus=encoder.close(),
        preview_s=min(kept_s, read / RATE),
        duration_s=duration_s,
        waveform=canvas.waveform(),
        peak=canvas.peak,
        spectrogram=None if is_stem else canvas.spectrogram(),
        marks=frequency_marks(RATE),
    )


def _blocks(signal: Signal, duration_s: float, channels: int) -> Iterator[Samples]:
    """The recording at `RATE` as ``[channels, m]``."""
    if duration_s > IN_MEMORY_S:
        yield from signal.blocks(BLOCK_S, RATE, mono=True)
        return
    samples = signal.mono(RATE)[None] if channels == 1 else _stereo(signal)
    step = round(BLOCK_S * RATE)
    for start in range(0, samples.shape[1], step):
        yield samples[:, start : start + step]


def _stereo(signal: Signal) -> Samples:
    try:
        return signal.stereo(RATE)
    except ValueError:  # a layout that nobody has gains for
        return np.stack([signal.mono(RATE)] * 2)


class _Encoder:
    """Opus in Ogg, in memory."""

    def __init__(self, channels: int, bit_rate: int, *, is_music: bool) -> None:
        import av

        self._buffer = io.BytesIO()
        # Without a random serial number: the same sound is the same file.
        self._file = av.open(self._buffer, "w", format="ogg", options={"fflags": "+bitexact"})
        self._layout = {1: "mono", 2: "stereo"}[channels]
        self._stream = self._file.add_stream("libopus", rate=RATE)
        self._stream.bit_rate = bit_rate
        self._stream.layout = self._layout
        self._stream.format = "flt"
        # Level 0 is twice as fast as the default, and does not look whether it is music or speech. At the
        # low rates of stems it would then take the codec for speech, which is slower and worse for music.
        application = "lowdelay" if is_music else "audio"
        self._stream.options = {"compression_level": "0", "application": application}
        self._samples = 0

    def add(self, samples: Samples) -> None:
        """The next samples, ``[channels, n]``."""
        import av

        if not samples.shape[1]:
            return
        interleaved = np.ascontiguousarray(samples.T, np.float32).clip(-1, 1).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(interleaved, format="flt", layout=self._layout)
        frame.rate = RATE
        frame.pts = self._samples
        frame.time_base = Fraction(1, RATE)
        self._samples += samples.shape[1]
        for packet in self._stream.encode(frame):
            self._file.mux(packet)

    def close(self) -> bytes:
        """The file."""
        for packet in self._stream.encode(None):
            self._file.mux(packet)
        self._file.close()
        return self._buffer.getvalue()
