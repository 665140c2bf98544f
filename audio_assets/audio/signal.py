"""`Signal`: one recording, decoded at most once, in the shapes that features ask for.

Nothing is read until it is asked for, and what was computed once is kept for as long as the signal
lives, so that many features share one decode, one resampling and one analysis. All arrays are
float32 and read-only, full scale at ±1.0. Not thread-safe.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable, Iterator
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from audio_assets.audio.chunk import reblock
from audio_assets.audio.decode import AudioStream, Decoded, decode
from audio_assets.audio.downmix import Samples, default_layout, to_stereo
from audio_assets.audio.reader import AudioFormat
from audio_assets.audio.resample import resample, resample_blocks

P = ParamSpec("P")
Result = TypeVar("Result")


class Signal:
    """A recording, from a file or an array.

    Reading its properties raises `audio_assets.audio.decode.AudioError` for a file that is not
    usable audio.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._decoded: Decoded | None = None
        self._memo: dict[Hashable, Any] = {}

    @classmethod
    def from_array(cls, samples: ArrayLike, sample_rate: int) -> Self:
        """A signal of `samples` `[channels, n]` or `[n]`, copied, in the channel order of WAV.

        Raises:
            ValueError: there are no samples, not one or two axes, or some are NaN or infinite.
        """
        array = np.array(samples, dtype=np.float32, ndmin=2)
        if array.ndim != 2 or not array.size:
            raise ValueError(f"found samples of shape {array.shape}; wanted [channels, n] or [n]")
        if not np.isfinite(array).all():
            raise ValueError("found samples that are NaN or infinite; wanted finite ones only")
        channels, length = array.shape
        form = AudioFormat("array", "float", sample_rate, default_layout(channels), 32, length)
        signal = cls("<array>")
        signal._decoded = Decoded(_frozen(array), form, truncated=False)
        return signal

    @property
    def samples(self) -> Samples:
        """`[channels, n]` at the native rate."""
        return self._read().samples

    @property
    def sample_rate(self) -> int:
        """The native rate, Hz."""
        return self._read().sample_rate

    @property
    def duration_s(self) -> float:
        """Length of what decoded."""
        return self._read().duration_s

    def mono(self, rate: int | None = None) -> Samples:
        """`[n]`: the mean of the channels, at `rate` Hz or the native rate."""
        return self.once(Signal._mono, rate or self.sample_rate)

    def stereo(self, rate: int | None = None) -> Samples:
        """`[2, n]` at `rate` Hz or the native rate: mono doubled, surround mixed by ITU-R BS.775.

        Raises:
            ValueError: a layout that BS.775 has no gains for.
        """
        return self.once(Signal._stereo, rate or self.sample_rate)

    def once(
        self,
        function: Callable[Concatenate[Signal, P], Result],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Result:
        """`function(self, *args, **kwargs)`, computed at the first call and kept.

        Calls are the same if function and arguments are equal; arguments must be hashable. Arrays
        that come back are shared with every other caller: do not change them. A call that raises is
        not kept.
        """
        key = (function, args, tuple(sorted(kwargs.items())))
        if key not in self._memo:
            self._memo[key] = function(self, *args, **kwargs)
        result: Result = self._memo[key]
        return result

    def blocks(self, block_s: float, rate: int | None = None, mono: bool = False) -> Iterator[Samples]:
        """`[channels, m]` (`[1, m]` if `mono`), `block_s` at a time, the last block shorter.

        At `rate` Hz or the native rate. Decoded as a stream, in memory independent of the length,
        unless the samples are there already.
        """
        if self._decoded is not None:
            yield from _blocks([self.samples], self.sample_rate, block_s, rate, mono)
            return
        with AudioStream(self._path) as stream:
            native = stream.format.sample_rate
            yield from _blocks(stream.chunks(), native, block_s, rate, mono)

    def stereo_blocks(self, block_s: float, rate: int | None = None) -> Iterator[Samples]:
        """`[2, m]` as `stereo` has them, in blocks as `blocks` has them.

        Raises:
            ValueError: a layout that BS.775 has no gains for.
        """
        if self._decoded is not None:
            form = self._decoded.format
            mixed = (to_stereo(chunk, form.layout) for chunk in (self.samples,))
            yield from _blocks(mixed, form.sample_rate, block_s, rate, mono=False)
            return
        with AudioStream(self._path) as stream:
            form = stream.format
            mixed = (to_stereo(chunk, form.layout) for chunk in stream.chunks())
            yield from _blocks(mixed, form.sample_rate, block_s, rate, mono=False)

    def _read(self) -> Decoded:
        if self._decoded is None:
            self._decoded = decode(self._path)
        return self._decoded

    def _mono(self, rate: int) -> Samples:
        if rate != self.sample_rate:
            return _frozen(resample(self.mono(), self.sample_rate, rate))
        if len(self.samples) == 1:
            return self.samples.reshape(-1)
        mixed: Samples = np.mean(self.samples, axis=0, dtype=np.float32)
        return _frozen(mixed)

    def _stereo(self, rate: int) -> Samples:
        if len(self.samples) == 1:
            return _frozen(np.stack([self.mono(rate)] * 2))
        if rate != self.sample_rate:
            return _frozen(resample(self.stereo(), self.sample_rate, rate))
        return _frozen(to_stereo(self.samples, self._read().format.layout))


def _frozen(array: Samples) -> Samples:
    array.setflags(write=False)
    return array


def _blocks(
    chunks: Iterable[Samples], native: int, block_s: float, rate: int | None, mono: bool
) -> Iterator[Samples]:
    if mono:
        chunks = (chunk.mean(axis=0, keepdims=True) for chunk in chunks)
    rate = rate or native
    for block in reblock(resample_blocks(chunks, native, rate), max(1, round(block_s * rate))):
        yield _frozen(block)
