"""Samples as FLAC, in memory or block by block, for object storage.

Input is float32 `[channels, n]` or `[n]`, full scale at ±1.0. Integers are `round(x · 2^(bits-1))`,
the inverse of `audio_assets.audio.decode`, so what was decoded from as many bits comes back bit for
bit; what exceeds full scale is clipped. No dither is added: the same samples always give the same
bytes.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
import soundfile
from numpy.typing import NDArray

from audio_assets.audio.downmix import Samples

_FLAC_MAX_CHANNELS = 8


def encode_flac(samples: Samples, sample_rate: int, bit_depth: Literal[16, 24] = 24) -> bytes:
    """`samples` as a FLAC file of 16 or 24 bits.

    Raises:
        ValueError: no samples, more than 8 channels, or samples that are NaN or infinite.
    """
    frames = _frames(samples)
    if frames.shape[1] > _FLAC_MAX_CHANNELS:
        raise ValueError(
            f"found {frames.shape[1]} channels; wanted at most {_FLAC_MAX_CHANNELS} for FLAC: "
            "mix them down or write WAV"
        )
    buffer = io.BytesIO()
    _write(buffer, _quantised(frames, bit_depth), sample_rate, "FLAC", f"PCM_{bit_depth}")
    return buffer.getvalue()


class FlacWriter:
    """A FLAC file that is written block by block, the same as `encode_flac` makes of the whole.

        with FlacWriter(path, 44_100, channels=2) as file:
            for block in blocks:
                file.write(block)

    Raises:
        OSError: the file cannot be made.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        sample_rate: int,
        channels: int,
        bit_depth: Literal[16, 24] = 24,
    ) -> None:
        self._bits = bit_depth
        try:
            self._file = soundfile.SoundFile(
                Path(path), "w", sample_rate, channels, f"PCM_{bit_depth}", format="FLAC"
            )
        except soundfile.LibsndfileError as error:
            raise OSError(f"{path}: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def write(self, samples: Samples) -> None:
        """Append float32 `[channels, m]`.

        Raises:
            ValueError: another number of channels, or samples that are NaN or infinite.
            OSError: the disk is full.
        """
        try:
            self._file.write(_quantised(_frames(samples), self._bits))
        except soundfile.LibsndfileError as error:
            raise OSError(f"{self._file.name}: {error}") from error


def _frames(samples: Samples) -> Samples:
    frames = np.atleast_2d(samples).T
    if frames.ndim != 2 or not frames.size or not np.isfinite(frames).all():
        raise ValueError(
            f"found samples of shape {samples.shape}, {np.count_nonzero(~np.isfinite(samples))} of "
            "them NaN or infinite; wanted finite [channels, n] or [n], n > 0"
        )
    return frames


def _quantised(frames: Samples, bits: int) -> NDArray[np.int32]:
    """Integers of that many bits at the top of 32, where libsndfile takes them from."""
    full_scale = 2 ** (bits - 1)
    levels = np.rint(frames * np.float64(full_scale)).clip(-full_scale, full_scale - 1)
    return levels.astype(np.int32) << (32 - bits)


def _write(file: Any, frames: NDArray[Any], sample_rate: int, form: str, subtype: str) -> None:
    soundfile.write(file, frames, sample_rate, format=form, subtype=subtype)
