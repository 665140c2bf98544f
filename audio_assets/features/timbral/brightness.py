"""Brightness: how much of the energy lies above 2 kHz, and where the spectral centroid above 100 Hz is."""

from __future__ import annotations

import numpy as np

from audio_assets.features.timbral.sound import Sound
from audio_assets.features.timbral.spectra import (
    bin_frequencies,
    cascade,
    fitted_window,
    frame_powers,
    power_spectra,
)

FFT_LENGTH = 2048
HOP_LENGTH = 512
TREBLE_HZ = 2000.0
CENTROID_HZ = 100.0


def brightness(sound: Sound) -> float | None:
    """Brightness on the AudioCommons scale, not yet clipped to 0..100.

    None where the whole frames, beyond which samples are not seen, hold no energy.
    """
    full = sound.without_rumble
    treble = cascade(full, "high", TREBLE_HZ, sound.sample_rate)
    upper = cascade(full, "high", CENTROID_HZ, sound.sample_rate)

    window = fitted_window("hamming", FFT_LENGTH, full)
    treble_power, full_power = (
        frame_powers(samples, window, HOP_LENGTH, FFT_LENGTH).sum() for samples in (treble, full)
    )
    if full_power == 0:
        return None
    spectrum = np.zeros(FFT_LENGTH // 2 + 1)
    for block in power_spectra(upper, window, HOP_LENGTH, FFT_LENGTH):
        spectrum += block.sum(axis=0)
    centroid_hz = spectrum @ bin_frequencies(FFT_LENGTH, sound.sample_rate) / spectrum.sum()
    return float(
        4.613128018020465 * np.log10(treble_power / full_power)
        + 17.378889309312974 * np.log10(centroid_hz)
        + 17.434733750553022
    )
