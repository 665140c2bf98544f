"""What a decoder behind `audio_assets.audio.decode` is: a `Reader` of one file.

A reader opens a file, says what it holds (`AudioFormat`) and yields it once, from the start, as
float32 chunks `[channels, m]` of about `CHUNK` samples. Damaged parts are skipped and noted, not
fatal.

Which reader takes what was measured. Seconds for 3 min of stereo on one core:

| | WAV | FLAC | MP3 | Vorbis | Opus | AAC |
|---|---|---|---|---|---|---|
| libsndfile | 0.04 | 0.22 | 0.23 | 0.34 | 1.40 | - |
| FFmpeg | 0.10 | 0.26 | 0.33 | 0.19 | 0.50 | 0.20 |

So libsndfile reads PCM and FLAC, FFmpeg the rest. MP3 too, for a tenth of a second per song: it
goes on after a damaged frame, where libmpg123 ends without a word. FFmpeg also takes over where
libsndfile stops early.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from audio_assets.audio.downmix import Samples

CHUNK = 65_536
"""Samples per channel that a reader yields at a time."""


class UnreadableError(Exception):
    """A reader cannot open a file; the message is the reason, without the file's name."""


@dataclass(frozen=True)
class AudioFormat:
    """What a file holds, as far as its decoder knows before the last sample.

    `layout` names the channels in order (`FL`, `FR`, `FC`, `LFE`, …). `bit_depth` is None where a
    codec has none (lossy ones) or it is not known. `header_samples` is the length per channel that
    the header states, None where it states none.
    """

    container: str
    codec: str
    sample_rate: int
    layout: tuple[str, ...]
    bit_depth: int | None
    header_samples: int | None

    @property
    def channels(self) -> int:
        """How many channels."""
        return len(self.layout)


class Reader(Protocol):
    """A file that is being decoded."""

    slack_s: float
    """How much longer than the audio a header of this reader's formats may state."""
    format: AudioFormat
    damaged: bool
    """Whether parts could not be decoded; final after the last chunk."""

    def chunks(self) -> Iterator[Samples]:
        """The decoded samples, once, as float32 `[channels, m]`."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


def pcm_depth(codec: str) -> int | None:
    """Bits per sample of a PCM codec (`pcm_s16`, `pcm_f32`), None for any other."""
    pcm = re.fullmatch(r"pcm_[suf](\d+)", codec)
    return int(pcm[1]) if pcm else None
