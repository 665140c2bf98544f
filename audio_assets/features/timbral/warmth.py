"""Warmth: energy at and just above the fundamentals, falling off steadily towards the treble."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audio_assets.features.timbral.onsets import find_onsets, onset_strength
from audio_assets.features.timbral.peaks import find_peaks
from audio_assets.features.timbral.sound import Sound
from audio_assets.features.timbral.spectra import bin_frequencies, fitted_window, power_spectra
from audio_assets.features.timbral.zwicker import bell

Float64 = NDArray[np.float64]

FFT_LENGTH = 8192
OVERLAP = 1 / 8
EARLIEST_ONSET = 4096
PEAK_CONTRAST = 0.2
WARM_PARTIALS = 3.5
HIGHEST_WARM_HZ = 12_000.0
WARM_FUNDAMENTAL_HZ = 260.0


def warmth(sound: Sound) -> float | None:
    """Warmth on the AudioCommons scale, not yet clipped to 0..100; None where no note has a spectrum."""
    notes = _notes(sound)
    spectra = [_spectrum(note) for note in notes]
    heard = [i for i, spectrum in enumerate(spectra) if spectrum.any()]
    if not heard:
        return None
    frequency = bin_frequencies(FFT_LENGTH, sound.sample_rate)
    centroids_hz = [spectra[i] @ frequency / spectra[i].sum() for i in heard]
    straightness, warm_share = np.array([_shape(spectra[i], frequency) for i in heard]).T
    rms = np.array([np.sqrt(np.mean(notes[i] ** 2)) for i in heard])

    loudness = sound.specific_loudness
    warm_loudness = np.mean(loudness.pattern @ bell(10, 40))
    treble_loudness = loudness.pattern @ bell(80, 240) @ loudness.rms / loudness.rms.sum()
    return float(
        -4.464258317026696 * np.log10(np.mean(centroids_hz))
        - 0.08819320850778556 * treble_loudness
        + 0.29156539973575546 * warm_loudness
        + 17.274733561081554 * straightness.mean()
        + 8.403340066029507 * (warm_share @ rms / rms.sum())
        + 45.21212125085579
    )


def _notes(sound: Sound) -> list[Float64]:
    """The samples from each onset to the next; all of them where there is but one."""
    strength = onset_strength(sound.samples_32, sound.sample_rate)
    onsets = find_onsets(sound.envelope, strength, sound.sample_rate, earliest=EARLIEST_ONSET)
    return np.split(sound.samples, onsets)[1:] if onsets.size > 1 else [sound.samples]


def _spectrum(note: Float64) -> Float64:
    """Summed power spectrum ``[4097]`` of the frames of 8192 that fit into a note, or of a shorter note."""
    window = fitted_window(("tukey", 0.25), FFT_LENGTH, note)
    hop = window.size - int(OVERLAP * window.size)
    spectrum = np.zeros(FFT_LENGTH // 2 + 1)
    for block in power_spectra(note, window, hop, FFT_LENGTH):
        spectrum += block.sum(axis=0)
    return spectrum


def _shape(spectrum: Float64, frequency: Float64) -> tuple[float, float]:
    """How straight a spectrum falls above the warm region, and its share of warm energy, both 0..1.

    The warm region reaches up to 3.5 times the fundamental; straightness is the R² of a line in log-log.
    Warm energy lies between the fundamental and 260 Hz.
    """
    peaks = find_peaks(spectrum[None], PEAK_CONTRAST * float(spectrum.max()))
    fundamental_hz = float(peaks.position[0] * frequency[1])
    above = (frequency > min(WARM_PARTIALS * fundamental_hz, HIGHEST_WARM_HZ)) & (spectrum > 0)
    straightness = np.corrcoef(np.log10(frequency[above]), np.log10(spectrum[above]))[0, 1] ** 2
    if fundamental_hz >= WARM_FUNDAMENTAL_HZ:
        return float(straightness), 0.0
    top = int(np.argmax(frequency > WARM_FUNDAMENTAL_HZ))
    return float(straightness), float(spectrum[peaks.bin[0] : top].sum() / spectrum.sum())
