"""`FFmpegReader`: MP3, AAC, Opus, Vorbis, WMA, the sound of videos … through PyAV."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
from av.container import InputContainer
from numpy.typing import NDArray

from audio_assets.audio.downmix import Samples, default_layout
from audio_assets.audio.reader import CHUNK, AudioFormat, UnreadableError, pcm_depth
from audio_assets.audio.untagged import Untagged

_MAX_PADDING = 4_096
"""Two AAC frames at double rate: as much as an encoder pads the end of an MP4 with."""

# FFmpeg demuxers that take a stream's length from a header. The others guess it from the bit rate.
_STATES_LENGTH = {"mov", "matroska", "asf", "wav", "w64", "aiff", "caf", "flac", "wv", "ape", "tta"}


class FFmpegReader:
    """The best audio stream of a file through FFmpeg.

    Encoder delay at the start is removed by FFmpeg, padding at the end too, except in MP4, where it
    is cut here by the header's length. A stream that changes its rate or layout midway is converted
    to how it began.
    """

    slack_s = 0.1  # ASF and Matroska count the encoder's delay, in milliseconds

    def __init__(self, path: Path) -> None:
        self.damaged = False
        with ExitStack() as stack:
            source = stack.enter_context(path.open("rb"))
            self._container = stack.enter_context(open_container(source))
            stream = audio_stream(self._container)
            frames = self._frames(stream)
            first = next(frames, None)
            if first is None:
                raise UnreadableError("an audio stream without a single sample")
            self._first = first
            self._all_frames = itertools.chain([first], frames)
            self.format = self._describe(path, stream)
            self._files = stack.pop_all()

    def chunks(self) -> Iterator[Samples]:
        wanted = self.format.header_samples
        if wanted is not None and self._container.format.name.startswith("mov"):
            return _without_padding(self._joined(), wanted)
        return self._joined()

    def close(self) -> None:
        self._files.close()

    def _frames(self, stream: av.AudioStream) -> Iterator[av.AudioFrame]:
        packets = self._container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
                frames = packet.decode() if packet is not None else None
            except av.FFmpegError:
                self.damaged = True
                continue
            except IndexError:  # PyAV knows no stream that begins midway, as one of a chained Ogg may
                self.damaged = True
                return
            if frames is None:
                return
            for frame in frames:
                self.damaged |= frame.is_corrupt
                yield frame

    def _joined(self) -> Iterator[Samples]:
        """The frames in chunks: converted one by one they would take a third longer."""
        fifo = av.AudioFifo()
        for frame in _alike(self._all_frames, self._first):
            frame.pts, frame.time_base = None, self._first.time_base
            fifo.write(frame)
            if fifo.samples >= CHUNK:
                yield from map(_float32, fifo.read_many(CHUNK))
        yield from map(_float32, fifo.read_many(CHUNK, partial=True))

    def _describe(self, path: Path, stream: av.AudioStream) -> AudioFormat:
        rate = self._first.sample_rate
        codec = stream.codec_context.codec
        name = codec.canonical_name
        if name.startswith("pcm_"):
            name = name.removesuffix("le").removesuffix("be")
        containers = self._container.format.name.split(",")
        suffix = path.suffix.lower().removeprefix(".")
        # Only a LAME tag gives an MP3 a start time, and it comes with the number of frames.
        stated = containers[0] in _STATES_LENGTH or (containers[0] == "mp3" and stream.start_time)
        length = None
        if stated and stream.duration and stream.time_base:
            length = round(stream.duration * stream.time_base * rate)
        channels = [channel.name for channel in self._first.layout.channels]
        depth = pcm_depth(name)
        # Samples of 24 bits also arrive in 32, so above 16 the sample format does not tell.
        if codec.lossless and self._first.format.bits <= 16:
            depth = self._first.format.bits
        return AudioFormat(
            container=suffix if suffix in containers else containers[0],
            codec=name,
            sample_rate=rate,
            layout=default_layout(len(channels)) if "NONE" in channels else tuple(channels),
            bit_depth=depth,
            header_samples=length,
        )


HEAD = {"probesize": "32768", "analyzeduration": "1"}
"""Options for files whose head says all that is wanted: FFmpeg reads megabytes else, to see what PCM may hide."""


def open_container(file: BinaryIO, *, only_head: bool = False) -> InputContainer:
    """An open file's container, without the tags around it.

    With `only_head` FFmpeg believes what the head says of the streams.

    Raises:
        UnreadableError: FFmpeg knows no such format.
    """
    try:
        return av.open(
            Untagged(file),
            mode="r",
            # A playlist named song.mp3 must not open other files or addresses.
            options={"protocol_whitelist": "none", **(HEAD if only_head else {})},
            metadata_errors="ignore",
        )
    except (av.FFmpegError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise UnreadableError(f"FFmpeg: {reason}") from error


def audio_stream(container: InputContainer) -> av.AudioStream:
    """The audio stream that is decoded where there are several.

    Raises:
        UnreadableError: there is none.
    """
    stream = container.streams.best("audio")
    if not isinstance(stream, av.AudioStream):
        raise UnreadableError("no audio stream")
    return stream


def _float32(frame: av.AudioFrame) -> Samples:
    """A frame's samples, full scale at 1.0, as `[channels, n]`."""
    samples: NDArray[Any] = frame.to_ndarray()
    if frame.format.is_packed:
        samples = samples.reshape(-1, len(frame.layout.channels)).T
    if samples.dtype.kind == "f":
        return samples.astype(np.float32, copy=False)
    full_scale = np.float32(2.0 ** (8 * samples.itemsize - 1))
    centred = samples.astype(np.float32) - (full_scale if samples.dtype.kind == "u" else 0)
    return centred / full_scale


def _alike(frames: Iterable[av.AudioFrame], first: av.AudioFrame) -> Iterator[av.AudioFrame]:
    """`frames`, converted to the format of `first` where it changes."""

    def form(frame: av.AudioFrame) -> tuple[str, str, int]:
        return frame.format.name, frame.layout.name, frame.sample_rate

    wanted = current = form(first)
    resampler: av.AudioResampler | None = None
    for frame in frames:
        if form(frame) != current:
            if resampler is not None:
                yield from resampler.resample(None)
            current = form(frame)
            resampler = av.AudioResampler(*wanted) if current != wanted else None
        if resampler is None:
            yield frame
        else:
            yield from resampler.resample(frame)
    if resampler is not None:
        yield from resampler.resample(None)


def _without_padding(chunks: Iterable[Samples], wanted: int) -> Iterator[Samples]:
    """`chunks` cut to `wanted` samples, unless far more come: then the header is wrong."""
    end = 0
    padding: list[Samples] = []
    for chunk in chunks:
        start, end = end, end + chunk.shape[1]
        if end > wanted + _MAX_PADDING:
            yield from padding
            padding.clear()
            yield chunk
            continue
        kept = max(wanted - start, 0)
        yield chunk[:, :kept]
        padding.append(chunk[:, kept:])
