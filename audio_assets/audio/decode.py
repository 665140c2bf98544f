"""Audio files as float32 samples: whole (`decode`) or in blocks (`decode_blocks`, `AudioStream`).

Conventions: samples are `[channels, n]`, full scale at ±1.0, at the file's own rate in Hz. What a
header claims is never trusted: lengths are counted, memory grows with what decodes. A file that
ends early or is damaged gives what there is, marked `truncated`; audio after a damaged part moves
forward by what was lost. A file that gives nothing, or samples that are not numbers, raises
`AudioError`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from audio_assets.audio.chunk import reblock
from audio_assets.audio.downmix import Samples
from audio_assets.audio.libsndfile import SoundfileReader
from audio_assets.audio.reader import AudioFormat, Reader, UnreadableError
from audio_assets.errors import UserError

MIN_RATE_HZ, MAX_RATE_HZ = 4_000, 768_000
"""Rates outside are taken for damaged headers."""

MAX_CHANNELS = 64
"""Seventh-order ambisonics. More are taken for a damaged header too."""

_SLAB = 2**22
"""Samples per channel in one allocation: large enough that its memory goes back to the system."""

_LIBSNDFILE_MAGIC = (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b"fLaC", b".snd", b"caff")


class AudioError(UserError):
    """A file that cannot be used as audio; the message names it and says why, in one sentence."""


@dataclass(frozen=True)
class Decoded:
    """A decoded file: read-only `samples` float32 `[channels, n]` and what they came from.

    `truncated`: the header promises more, or damaged parts were skipped.
    """

    samples: Samples
    format: AudioFormat
    truncated: bool

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return self.format.sample_rate

    @property
    def duration_s(self) -> float:
        """Length of what decoded."""
        return int(self.samples.shape[1]) / self.format.sample_rate


class AudioStream:
    """A file being decoded once, front to back, in memory independent of its length.

        with AudioStream(path) as stream:
            for block in stream.blocks(10.0):
                ...
            stream.samples, stream.truncated

    Raises:
        AudioError: on opening, if the file is missing, unreadable, empty or not audio, its rate is
            outside `MIN_RATE_HZ`..`MAX_RATE_HZ` or it has more than `MAX_CHANNELS`; while decoding,
            if a sample is NaN or infinite.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.samples = 0
        """Samples per channel decoded so far."""
        self.truncated = False
        """Final once everything is decoded."""
        self._path = Path(path)
        self._name = readable(path)
        self._unused = _readers(self._path, self._name)
        self._refusals: list[str] = []
        reader = self._open_next()
        if reader is None:
            raise AudioError(
                f"{self._name}: found nothing that decodes as audio ({'; '.join(self._refusals)}); "
                "wanted an audio file: convert it, or take it out of the folder"
            )
        self._reader = reader
        self.format = reader.format
        self._slack = round(reader.slack_s * reader.format.sample_rate)
        try:
            self._check_format()
            self._chunks = self._finite(self._decode())
            self._first = next(self._chunks, None)
            if self._first is None:
                raise AudioError(
                    f"{self._name}: found no samples in a {self.format.container} file; "
                    "wanted at least one: export it again from its source"
                )
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._reader.close()

    def blocks(self, block_s: float) -> Iterator[Samples]:
        """What is still to come, float32 `[channels, m]`, `block_s` at a time, the last shorter."""
        return reblock(self.chunks(), max(1, round(block_s * self.format.sample_rate)))

    def chunks(self) -> Iterator[Samples]:
        """As `blocks`, in whatever lengths the decoder gives."""
        if self._first is not None:
            first, self._first = self._first, None
            yield first
        yield from self._chunks

    def _open_next(self) -> Reader | None:
        while self._unused:
            try:
                return self._unused.pop(0)(self._path)
            except UnreadableError as refusal:
                self._refusals.append(str(refusal))
            except OSError as error:
                raise _unreadable(self._name, error) from error
        return None

    def _check_format(self) -> None:
        if self.format.channels > MAX_CHANNELS:
            raise AudioError(
                f"{self._name}: found {self.format.channels} channels; wanted at most {MAX_CHANNELS}: "
                "its header is damaged, export it again"
            )
        if not MIN_RATE_HZ <= self.format.sample_rate <= MAX_RATE_HZ:
            raise AudioError(
                f"{self._name}: found a sample rate of {self.format.sample_rate} Hz; wanted "
                f"{MIN_RATE_HZ} to {MAX_RATE_HZ} Hz: its header is damaged, export it again"
            )

    def _decode(self) -> Iterator[Samples]:
        while True:
            done = self.samples
            try:
                for chunk in self._reader.chunks():
                    fresh = chunk[:, done:]
                    done = max(0, done - chunk.shape[1])
                    self.samples += fresh.shape[1]
                    if fresh.size:
                        yield fresh
            except OSError as error:
                raise _unreadable(self._name, error) from error
            missing = (self.format.header_samples or 0) - self.samples
            complete = self.samples > 0 and missing <= 0 and not self._reader.damaged
            self.truncated = self._reader.damaged or missing > self._slack
            if complete or not self._continue_with_next():
                return

    def _continue_with_next(self) -> bool:
        """Whether another reader, which may get farther, has taken over."""
        reader = self._open_next()
        if reader is None:
            return False
        same = (reader.format.sample_rate, reader.format.channels) == (
            self.format.sample_rate,
            self.format.channels,
        )
        if not same:
            reader.close()
            return False
        self._reader.close()
        self._reader = reader
        return True

    def _finite(self, chunks: Iterator[Samples]) -> Iterator[Samples]:
        for chunk in chunks:
            finite = np.isfinite(chunk)
            if not finite.all():
                start = self.samples - chunk.shape[1]
                index, channel = np.argwhere(~finite.T)[0]
                bad = np.count_nonzero(~finite)
                bad += sum(np.count_nonzero(~np.isfinite(later)) for later in chunks)
                raise AudioError(
                    f"{self._name}: found {bad} samples that are NaN or infinite, the first at "
                    f"{(start + index) / self.format.sample_rate:.3f} s in channel {channel + 1}; "
                    "wanted finite ones only: export it again from its source"
                )
            yield chunk


def decode(path: str | os.PathLike[str]) -> Decoded:
    """The whole file; raises as `AudioStream` does."""
    with AudioStream(path) as stream:
        samples = _joined(list(reblock(stream.chunks(), _SLAB)))
        samples.setflags(write=False)
        return Decoded(samples, stream.format, stream.truncated)


def decode_blocks(path: str | os.PathLike[str], block_s: float) -> Iterator[Samples]:
    """The file as float32 `[channels, m]`, `block_s` at a time; raises as `AudioStream` does."""
    with AudioStream(path) as stream:
        yield from stream.blocks(block_s)


def readable(path: str | os.PathLike[str]) -> str:
    """A path for messages and tables: line breaks, stray bytes and the like are escaped.

    >>> readable("a\\nb.wav")
    'a\\\\nb.wav'
    """
    text = os.fsdecode(path)
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _joined(slabs: list[Samples]) -> Samples:
    """Consecutive slabs as one array; each is let go once copied, or all would be held twice."""
    if len(slabs) == 1:
        return slabs[0]
    whole = np.empty((len(slabs[0]), sum(slab.shape[1] for slab in slabs)), dtype=np.float32)
    slabs.reverse()
    start = 0
    while slabs:
        slab = slabs.pop()
        whole[:, start : start + slab.shape[1]] = slab
        start += slab.shape[1]
    return whole


def _readers(path: Path, name: str) -> list[Callable[[Path], Reader]]:
    """The readers to try in turn, after a look at the file itself."""
    try:
        # Opening a pipe or a device could wait for ever.
        if not stat.S_ISREG(path.stat().st_mode):
            kind = "a folder" if path.is_dir() else "no regular file"
            raise AudioError(f"{name}: found {kind}; wanted an audio file: give the path of one")
        with path.open("rb") as file:
            magic = file.read(4)
    except (OSError, ValueError) as error:
        raise _unreadable(name, error) from error
    if not magic:
        raise AudioError(f"{name}: found an empty file (0 bytes); wanted audio: copy or download it again")
    from audio_assets.audio.ffmpeg import FFmpegReader  # what only plans a run needs no FFmpeg

    return [SoundfileReader, FFmpegReader] if magic in _LIBSNDFILE_MAGIC else [FFmpegReader]


def _unreadable(name: str, error: OSError | ValueError) -> AudioError:
    reason = (getattr(error, "strerror", None) or str(error)).lower()
    return AudioError(
        f"{name}: found a file that cannot be read ({reason}); wanted an existing, readable "
        "file: check that it is still there and may be read"
    )
