"""Sharpness: the centre of gravity of specific loudness on the Bark scale, its top weighted up.

Zwicker and Fastl, "Psychoacoustics: facts and models", 1990, section 9.1, with a polynomial fit of their
weighting above 14 Bark.
"""

from __future__ import annotations

import numpy as np

from audio_assets.features.timbral.sound import Sound
from audio_assets.features.timbral.zwicker import BARK

WEIGHT = np.where(BARK > 14, 0.00012 * BARK**4 - 0.0056 * BARK**3 + 0.1 * BARK**2 - 0.81 * BARK + 3.5, 1.0)


def sharpness(sound: Sound) -> float | None:
    """Sharpness on the AudioCommons scale, not yet clipped to 0..100; None where no frame is audible."""
    loudness = sound.specific_loudness
    audible = loudness.audible
    if not audible.any():
        return None
    pattern = loudness.pattern[audible]
    acum = 0.11 * (pattern @ (WEIGHT * BARK)) / pattern.sum(axis=1)
    mean_acum = acum @ loudness.rms[audible] ** 2 / np.sum(loudness.rms**2)
    return float(102.50508921364404 * np.log10(mean_acum) + 34.432655185001735)
