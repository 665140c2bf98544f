"""What an item is: the hash of its sound, which tags, pictures and names of files are no part of.

`sound_hash` is a SHA-256 over what a decoder is given, never over what one makes of it, since decoders
differ from build to build. Every field goes in behind its length in 8 bytes (big-endian), so that none can
run into the next:

1. ``audio-assets sound 1``, the version of this format
2. the codec's name in FFmpeg, such as ``mp3`` (not a decoder's, such as ``mp3float``)
3. the sample rate in Hz, as decimal digits
4. the names of the channels in order, with commas between them
5. the codec's own header (extradata) without comments. Vorbis packs its comment header, that is its tags,
   into it: of its three headers the first and the last go in. No other codec that is ingested has tags there.
6. what a player leaves out or goes over to, a line each, at bytes counted from the first packet: samples
   skipped at the start (encoder delay) and dropped at the end (padding), packets that an edit list plays
   silently, new headers and parameters midway (chained Ogg; again without comments)
7. for MP4 the start and end of what its edit list plays, in samples; for others nothing, since their length
   is that of their packets, and what FFmpeg says of it is at times a guess by the file's size
8. the SHA-256 of the bytes of all packets, one after another. Where one ends is left out: for PCM and its
   like the demuxer chooses it, for all other codecs the same bytes have the same packets

Of several audio streams it is the one that is decoded. What FFmpeg cannot demux to its end (a damaged
WavPack, or a format that libsndfile alone reads) is identified by its bytes, without tags before and behind
but with those inside: two fields, ``audio-assets bytes 1`` and the SHA-256 of the bytes.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from audio_assets.audio.decode import AudioError, readable
from audio_assets.audio.reader import UnreadableError
from audio_assets.audio.untagged import Untagged

if TYPE_CHECKING:
    import av

SOUND = b"audio-assets sound 1"
BYTES = b"audio-assets bytes 1"

_READ_BYTES = 2**20
_WAVES = (b"RIFF", b"RF64", b"BW64")
_VORBIS_HEADERS = 3
_VORBIS_IDENTIFICATION_BYTES = 30


def sound_hash(path: Path) -> str:
    """The identity of the sound in a file, as 64 hex digits; reads the file once.

    Raises:
        AudioError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            fields = _sound(file)
            if fields is None:
                fields = [BYTES, _digest_of_bytes(Untagged(file))]
    except OSError as error:
        raise AudioError(
            f"{readable(path)}: found a file that cannot be read "
            f"({(error.strerror or '').lower()}); wanted an existing, readable file: check that it "
            "is still there and may be read"
        ) from error
    return hashlib.sha256(_packed(fields)).hexdigest()


def _sound(file: BinaryIO) -> list[bytes] | None:
    """The fields of the best audio stream; None where FFmpeg finds none, or does not come to its end."""
    import av

    from audio_assets.audio.ffmpeg import (
        audio_stream,
        open_container,
    )  # what only plans a run needs no FFmpeg

    try:
        is_wave = file.read(4) in _WAVES
        file.seek(0)
        with open_container(file, only_head=is_wave) as container:
            stream = audio_stream(container)
            if stream.codec_context is None:
                return None
            context = stream.codec_context
            codec = context.codec.canonical_name
            packets = _Packets(codec)
            for packet in container.demux(stream):
                if packet.size:  # the last one, which tells a decoder to end, is empty
                    packets.add(packet)
            if not packets.length:
                return None
            return [
                SOUND,
                codec.encode(),
                str(context.sample_rate).encode(),
                ",".join(channel.name for channel in context.layout.channels).encode(),
                _without_comments(codec, context.extradata or b""),
                "\n".join(packets.turns).encode(),
                _edited(stream, container.format.name),
                packets.digest.digest(),
            ]
    except (UnreadableError, av.FFmpegError, IndexError):  # the last: PyAV knows no streams that begin midway
        return None


def _digest_of_bytes(file: Untagged) -> bytes:
    digest = hashlib.sha256()
    while part := file.read(_READ_BYTES):
        digest.update(part)
    return digest.digest()


class _Packets:
    """The bytes of a stream's packets, and what is said beside them."""

    def __init__(self, codec: str) -> None:
        self.digest = hashlib.sha256()
        self.length = 0
        self.turns: list[str] = []
        self._codec = codec

    def add(self, packet: av.Packet[av.AudioStream]) -> None:
        start, end = self.length, self.length + packet.size
        for beside in packet.iter_sidedata():
            data = bytes(beside)
            if beside.data_type == "skip_samples":
                at_start, at_end = struct.unpack_from("<II", data)
                self.turns += [f"{start} skip {at_start}"] if at_start else []
                self.turns += [f"{end} drop {at_end}"] if at_end else []
            elif beside.data_type == "new_extradata":
                self.turns.append(f"{start} header {_without_comments(self._codec, data).hex()}")
            elif beside.data_type == "param_change":
                self.turns.append(f"{start} parameters {data.hex()}")
        if packet.is_discard:
            self.turns.append(f"{start} silent {packet.size}")
        self.digest.update(packet)
        self.length = end


def _edited(stream: av.AudioStream, container: str) -> bytes:
    if not container.startswith("mov") or stream.time_base is None:
        return b""
    first = stream.start_time or 0
    samples = (
        time * stream.time_base * stream.sample_rate for time in (first, first + (stream.duration or 0))
    )
    return " ".join(str(round(sample)) for sample in samples).encode()


def _without_comments(codec: str, header: bytes) -> bytes:
    if codec != "vorbis":
        return header
    try:
        identification, _, setup = _xiph_headers(header)
    except ValueError:
        return header  # damaged: no tags that could be found
    return _packed([identification, setup])


def _xiph_headers(header: bytes) -> list[bytes]:
    """The three headers of Vorbis, in either of the two ways FFmpeg packs them.

    Raises:
        ValueError: they are packed in neither.
    """
    sizes: list[int] = []
    if header[:2] == _VORBIS_IDENTIFICATION_BYTES.to_bytes(2):  # each behind its length in two bytes
        found, place = [], 0
        for _ in range(_VORBIS_HEADERS):
            size = int.from_bytes(header[place : place + 2])
            found.append(header[place + 2 : place + 2 + size])
            place += 2 + size
        if place > len(header):
            raise ValueError("cut off")
        return found
    if header[:1] != bytes([_VORBIS_HEADERS - 1]):
        raise ValueError("unknown packing")
    place = 1
    while len(sizes) < _VORBIS_HEADERS - 1:  # sizes of all but the last, as sums of bytes up to one below 255
        size, byte = 0, 255
        while byte == 255:
            if place >= len(header):
                raise ValueError("cut off")
            byte = header[place]
            size, place = size + byte, place + 1
        sizes.append(size)
    first, second = place + sizes[0], place + sum(sizes)
    if second > len(header):
        raise ValueError("cut off")
    return [header[place:first], header[first:second], header[second:]]


def _packed(fields: Iterable[bytes]) -> bytes:
    return b"".join(struct.pack(">Q", len(field)) + field for field in fields)
