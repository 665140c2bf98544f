"""A sound made ready for the timbral models, with the analyses that several attributes share.

The models compare sounds at equal loudness: the samples are brought to -24 LUFS (mono, ITU-R BS.1770-4), or
to a full-scale peak where that would clip, and to no less than 44.1 kHz, where their highest bands fit. Each
shared analysis is computed when first asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audio_assets.audio.resample import resample
from audio_assets.features.loudness import measure_loudness
from audio_assets.features.spectrogram import Float32
from audio_assets.features.timbral.onsets import peak_envelope
from audio_assets.features.timbral.spectra import cascade
from audio_assets.features.timbral.zwicker import SpecificLoudness, specific_loudness

Float64 = NDArray[np.float64]

TARGET_LUFS = -24.0
LOWEST_RATE = 44_100
SHORTEST_S = 0.05
RUMBLE_HZ = 20.0
GATING_STEP_S = 0.1
GATING_STEPS = 4


@dataclass(frozen=True)
class Sound:
    """Mono samples at the loudness the models expect.

    Shape: samples are ``[n]``, at -24 LUFS or a peak of 1; the rate is 44100 Hz or more.
    """

    samples: Float64
    """In 64 bits: how the spectrum of a pure tone falls off is judged down to where 32 bits make noise."""
    sample_rate: int

    @cached_property
    def samples_32(self) -> Float32:
        """The samples in 32 bits, for all else."""
        return self.samples.astype(np.float32)

    @cached_property
    def specific_loudness(self) -> SpecificLoudness:
        """Loudness of frames of 4096 samples."""
        return specific_loudness(self.samples_32, self.sample_rate)

    @cached_property
    def envelope(self) -> Float64:
        """Peak envelope that falls from full scale in 0.1 s, ``[n]``."""
        return peak_envelope(self.samples_32, self.sample_rate, decay_s=0.1)

    @cached_property
    def without_rumble(self) -> Float32:
        """The samples above 20 Hz, ``[n]``."""
        return cascade(self.samples_32, "high", RUMBLE_HZ, self.sample_rate)


def prepare(mono: ArrayLike, sample_rate: int) -> Sound | None:
    """The sound of mono samples, ``[n]``.

    None where there is nothing to measure: shorter than 50 ms, silent, or below -70 LUFS throughout.

    Raises:
        ValueError: the samples are not one-dimensional or not finite, or the rate is not positive.
    """
    samples = np.asarray(mono, np.float32)
    if samples.ndim != 1:
        raise ValueError(f"mono samples have shape {samples.shape}; wanted [n]: mix the channels down first")
    if sample_rate <= 0:
        raise ValueError(f"sample_rate is {sample_rate}; wanted a positive number of hertz")
    if not np.isfinite(samples).all():
        raise ValueError("mono samples hold NaN or infinity; wanted finite values: repair or drop the file")
    if samples.size < SHORTEST_S * sample_rate:
        return None

    lufs = measure_loudness(_completed(samples, sample_rate)[None], sample_rate).lufs
    if lufs is None:
        return None
    normalised = samples * np.float64(10 ** ((TARGET_LUFS - lufs) / 20))
    normalised /= max(1, np.max(np.abs(normalised)))
    if sample_rate >= LOWEST_RATE:
        return Sound(normalised, sample_rate)
    raised = resample(normalised.astype(np.float32), sample_rate, LOWEST_RATE)
    return Sound(raised.astype(np.float64), LOWEST_RATE)


def _completed(samples: Float32, sample_rate: int) -> Float32:
    """The samples with silence after, so that whole gating steps, and a block of them, hold all there is."""
    steps = max(np.ceil(samples.size / sample_rate / GATING_STEP_S - 1e-9), GATING_STEPS)
    size = int(np.ceil(steps * GATING_STEP_S * sample_rate))
    return np.pad(samples, (0, max(size - samples.size, 0)))
