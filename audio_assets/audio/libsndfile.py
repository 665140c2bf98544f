"""`SoundfileReader`: WAV, AIFF, FLAC and other lossless files through libsndfile."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import soundfile

from audio_assets.audio.downmix import Samples, default_layout
from audio_assets.audio.reader import CHUNK, AudioFormat, UnreadableError, pcm_depth

_UNKNOWN_LENGTH = 2**62
"""Above this libsndfile means "not stated"."""

_UNSTATED_SIZES = (0, 0xFFFF_FFFF)
"""Sizes that programs writing to a pipe leave in a RIFF header, since they cannot know better."""

# libsndfile's names, as FFmpeg has them.
_CODECS = {
    "pcm_16": "pcm_s16",
    "pcm_24": "pcm_s24",
    "pcm_32": "pcm_s32",
    "float": "pcm_f32",
    "double": "pcm_f64",
    "ulaw": "pcm_mulaw",
    "alaw": "pcm_alaw",
}


class SoundfileReader:
    """A file through libsndfile."""

    slack_s = 0.0

    def __init__(self, path: Path) -> None:
        try:
            # As bytes: soundfile cannot encode names that are not valid text.
            self._file = soundfile.SoundFile(os.fsencode(path))
        except soundfile.LibsndfileError as error:
            raise UnreadableError(f"libsndfile: {error.error_string}") from error
        codec = _CODECS.get(self._file.subtype.lower(), self._file.subtype.lower())
        container = self._file.format.lower()
        self.format = AudioFormat(
            container={"wavex": "wav", "rf64": "wav"}.get(container, container),
            codec="flac" if container == "flac" else codec,
            sample_rate=self._file.samplerate,
            layout=default_layout(self._file.channels),
            bit_depth=pcm_depth(codec),
            header_samples=self._header_samples(pcm_depth(codec)),
        )
        self.damaged = False

    def chunks(self) -> Iterator[Samples]:
        while True:
            try:
                frames = self._file.read(CHUNK, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError:
                self.damaged = True
                return
            if not len(frames):
                return
            yield frames.T

    def close(self) -> None:
        self._file.close()

    def _header_samples(self, bit_depth: int | None) -> int | None:
        frames = int(self._file.frames)
        # libsndfile corrects the length of a WAV or AIFF to what is there; its log keeps the claim.
        corrected = re.search(r"(data|SSND) : (\d+) \(should be (\d+)\)", self._file.extra_info)
        if corrected is None:
            return frames if 0 < frames < _UNKNOWN_LENGTH else None
        claimed, present = int(corrected[2]), int(corrected[3])
        if not frames or claimed in _UNSTATED_SIZES:
            return None
        frame_bytes = self._file.channels * bit_depth / 8 if bit_depth else present / frames
        preamble = 8 if corrected[1] == "SSND" else 0
        return max(frames, int((claimed - preamble) / frame_bytes))
