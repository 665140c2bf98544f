"""Booming: how much of the loudness lies below 280 Hz.

The booming index of Hatano and Hashimoto (Inter-Noise 2000; Shin et al., Applied Acoustics 70, 2009), set
against the loudness of the lowest 7 Bark.
"""

from __future__ import annotations

import numpy as np

from audio_assets.features.timbral.sound import Sound
from audio_assets.features.timbral.zwicker import BARK, bell

FREQUENCY_HZ = 600 * np.sinh(BARK / 6)
LOW_POINTS = int(np.argmax(FREQUENCY_HZ >= 280))
THIRD_OCTAVE = 1 + np.log10(FREQUENCY_HZ / 25) / np.log10(31.5 / 25)
"""Place on the scale of third octaves that has 25 Hz at 1."""

WEIGHT = np.concatenate([[0.8, 1.05, 1.10, 1.18], 2.13 * np.exp(-0.151 * THIRD_OCTAVE[4:])])


def booming(sound: Sound) -> float | None:
    """Booming on the AudioCommons scale, not yet clipped to 0..100; None where no frame is audible.

    As the lowest 7 Bark fade the model falls without bound: minus infinity where they are not heard.
    """
    loudness = sound.specific_loudness
    audible = loudness.audible
    if not audible.any():
        return None
    pattern = loudness.pattern[audible]
    weighted_db = 10 * np.log10(np.sum(10 ** (pattern * WEIGHT / 10), axis=1))
    index = weighted_db * pattern[:, :LOW_POINTS].sum(axis=1) / pattern.sum(axis=1)
    mean_index = index @ loudness.rms[audible] ** 2 / np.sum(loudness.rms**2)
    low_loudness = np.mean(loudness.pattern @ bell(0, 70))
    if mean_index == 0 or low_loudness == 0:
        return -np.inf
    return float(
        43.67402696195865 * np.log10(mean_index)
        - 10.90054738389845 * np.log10(low_loudness)
        + 26.836530575185435
    )
