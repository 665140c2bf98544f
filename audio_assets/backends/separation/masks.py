"""Masks of drums, bass and vocals from how they look in a spectrogram; what is left is `other`.

Spectra have frames of `FRAME_LENGTH` samples every `HOP_LENGTH`; masks lie in 0..1 and sum to at most one.
What they know:

- drums are upright in a spectrogram and the rest lies flat (Fitzgerald, "Harmonic/percussive separation
  using median filtering", DAFx 2010). A kick is too narrow to stand upright; in the bass it is told by
  being louder than what lasts;
- the bass is what lasts at the bottom;
- a voice is in the middle of the stereo image, and on the harmonics of the strongest melody (`melody`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from audio_assets.audio.downmix import Samples
from audio_assets.backends.separation import SAMPLE_RATE
from audio_assets.backends.separation.melody import TOP_HZ, harmonics_of, track_melody

FRAME_LENGTH = 4096
HOP_LENGTH = 1024
BINS_HZ = np.arange(FRAME_LENGTH // 2 + 1) * SAMPLE_RATE / FRAME_LENGTH

LASTING_FRAMES = 2
"""Nine frames this far apart (0.37 s in all) whose median lasts."""

UPRIGHT_BINS = 4
"""Nine bins this far apart (345 Hz in all) whose median stands upright."""

HARMONIC_WEIGHT = 1.8
"""How much louder than what lasts something upright has to be for half of it to be drums."""

KICK_HZ = 220.0
"""Below, a drum is what rises above what lasts; above, what stands upright."""

BASS_HZ = 165.0
"""Half of what lasts there is bass; by 36 dB less an octave above."""

VOICE_HZ = (150.0, 7000.0)

BETWEEN_HARMONICS = 0.3
"""Share of the middle of the image that is voice where no harmonic of the melody is."""

_TINY = np.float32(1e-12)

_EXCHANGES = (
    (1, 2), (4, 5), (7, 8), (0, 1), (3, 4), (6, 7), (1, 2), (4, 5), (7, 8), (0, 3),
    (5, 8), (4, 7), (3, 6), (1, 4), (2, 5), (4, 7), (4, 2), (6, 4), (4, 2),
)  # fmt: skip


def median_of_nine(values: Sequence[Samples]) -> Samples:
    """The element-wise median of nine arrays of one shape.

    A sorting network of 19 exchanges (Paeth, "Median finding on a 3x3 grid", Graphics Gems, 1990):
    fifty times as fast as sorting, for arrays that fit the processor's vectors.
    """
    sorted_ = list(values)
    for one, other in _EXCHANGES:
        a, b = sorted_[one], sorted_[other]
        sorted_[one], sorted_[other] = np.minimum(a, b), np.maximum(a, b)
    return sorted_[4]


def running_median(values: Samples, axis: int, step: int) -> Samples:
    """The median of nine values `step` apart around each, along an axis; mirrored at the ends.

    Shape:
        - values: ``[frames, bins]``
        - Output: the same
    """
    reach = 4 * step
    padding = [(reach, reach) if i == axis else (0, 0) for i in range(values.ndim)]
    padded = np.pad(values, padding, mode="symmetric")
    n = values.shape[axis]
    slices = [slice(None)] * values.ndim
    shifted = []
    for start in range(0, 2 * reach + 1, step):
        slices[axis] = slice(start, start + n)
        shifted.append(padded[tuple(slices)])
    return median_of_nine(shifted)


def stem_masks(spectra: NDArray[np.complex64]) -> tuple[Samples, Samples, Samples]:
    """The masks of drums, bass and vocals for a stereo spectrogram.

    Shape:
        - spectra: ``[2, frames, bins]`` of left and right
        - Output: three times ``[frames, bins]``
    """
    middle = np.abs(spectra[0] + spectra[1])
    side_power = _power(spectra[0] - spectra[1])
    middle_power = middle * middle
    power = middle_power + side_power
    magnitude = np.sqrt(power)

    weights = _weights()
    lasting = running_median(magnitude, axis=0, step=LASTING_FRAMES)
    upright = running_median(magnitude, axis=1, step=UPRIGHT_BINS)
    lasting_power = lasting * lasting
    upright_power = upright * upright
    drums = upright_power / (upright_power + np.float32(HARMONIC_WEIGHT**2) * lasting_power + _TINY)
    rising = np.maximum(power - lasting_power, 0) / (power + _TINY)
    drums += weights.kick * (rising - drums)

    rest = 1 - drums
    bass = rest * weights.bass
    vocals = (rest - bass) * weights.voice
    vocals *= np.maximum(middle_power - side_power, 0) / (power + _TINY)
    top = int(np.searchsorted(BINS_HZ, TOP_HZ))
    candidates = middle[:, :top] * np.sqrt(vocals[:, :top])
    melody = harmonics_of(track_melody(candidates))
    vocals[:, :top] *= BETWEEN_HARMONICS + (1 - BETWEEN_HARMONICS) * melody
    vocals[:, top:] *= BETWEEN_HARMONICS
    masks: tuple[Samples, Samples, Samples] = (drums, bass, vocals)  # type: ignore[assignment]
    return masks


class _Weights:
    """What depends on frequency only, ``[bins]``."""

    def __init__(self) -> None:
        def low_pass(corner_hz: float, order: int) -> Samples:
            return (1 / (1 + (BINS_HZ / corner_hz) ** order)).astype(np.float32)

        low_hz, high_hz = VOICE_HZ
        self.kick = low_pass(KICK_HZ, 4)
        self.bass = low_pass(BASS_HZ, 6)
        self.voice = (1 - low_pass(low_hz, 4)) * low_pass(high_hz, 4)


@lru_cache(maxsize=1)
def _weights() -> _Weights:
    return _Weights()


def _power(spectra: NDArray[np.complex64]) -> Samples:
    power: Samples = spectra.real**2 + spectra.imag**2
    return power
