"""Depth: a low spectrum, a low pitch and long notes."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from audio_assets.features.spectrogram import Float32
from audio_assets.features.timbral.onsets import find_onsets, onset_strength, peak_envelope
from audio_assets.features.timbral.peaks import find_peaks
from audio_assets.features.timbral.sound import Sound
from audio_assets.features.timbral.spectra import (
    bin_frequencies,
    cascade,
    fitted_window,
    frame_powers,
    power_spectra,
)

Float64 = NDArray[np.float64]

FFT_LENGTH = 4096
HOP_LENGTH = 1024
CENTROID_HZ = 2000.0
BASS_HZ = 500.0
LEAST_POWER = 1e-3
"""Of a frame that counts; a full-scale sinusoid has 0.68."""

PITCH_CONTRAST = 0.01
ENVELOPE_DECAY_S = 0.2
RMS_LENGTH = 256
ENDED = 0.01
"""Of the loudest RMS: a note below -40 dB has ended."""


def depth(sound: Sound) -> float | None:
    """Depth on the AudioCommons scale, not yet clipped to 0..100.

    None where no note lasts, or the whole frames, beyond which samples are not seen, hold no energy.
    """
    rate = sound.sample_rate
    samples = sound.without_rumble / np.max(np.abs(sound.without_rumble))
    duration_s = mean_duration(samples, rate)
    if duration_s == 0:
        return None
    window = fitted_window("hamming", FFT_LENGTH, samples)
    frequency = bin_frequencies(FFT_LENGTH, rate)
    powers = partial(frame_powers, window=window, hop=HOP_LENGTH, fft_length=FFT_LENGTH)
    spectra = partial(power_spectra, window=window, hop=HOP_LENGTH, fft_length=FFT_LENGTH)

    power = powers(samples)
    if not power.any():
        return None
    counted = power > LEAST_POWER * window.sum() ** 2

    below_centroid = cascade(samples, "low", CENTROID_HZ, rate)
    moments = np.stack([frequency, np.ones_like(frequency)], axis=1).astype(np.float32)
    weighted, plain = np.concatenate([block @ moments for block in spectra(below_centroid)])[counted].T
    centroid_hz = min(float(weighted / plain @ power[counted] / power.sum()), CENTROID_HZ)

    bass = cascade(samples, "low", BASS_HZ, rate)
    bass_ratio = powers(bass)[counted].sum() / power.sum()
    saturated_ratio = bass_ratio**10 / (bass_ratio**10 + 0.2)

    spectrum = np.zeros(frequency.size)
    for block in spectra(samples):
        spectrum += block.sum(axis=0)
    log_duration = np.log10(duration_s)
    return float(
        -0.0043703565847874465 * centroid_hz
        + 32.83743202462131 * bass_ratio
        + 4.750862716905235 * log_duration
        - 14.217438690256062 * np.log10(_lowest_peak_hz(spectrum, frequency[1]))
        + 3.8782339862813924 * bass_ratio * log_duration
        - 0.8544826091735516 * saturated_ratio * log_duration
        + 66.69534393444391
    )


def mean_duration(samples: Float32, sample_rate: int) -> float:
    """Mean time in s from a note's loudest moment until it has ended, or the next note begins.

    Shape:
        - samples: ``[n]``
    """
    envelope = peak_envelope(samples, sample_rate, ENVELOPE_DECAY_S)
    strength = onset_strength(samples, sample_rate)
    onsets = find_onsets(envelope, strength, sample_rate) // RMS_LENGTH
    steps = np.arange(0, samples.size, RMS_LENGTH)
    rms = np.sqrt(np.add.reduceat(samples**2, steps) / np.diff(steps, append=samples.size))
    ended = rms < ENDED * rms.max()
    durations = []
    for start, stop in zip(onsets, [*onsets[1:], rms.size], strict=True):
        loudest = start + int(rms[start:stop].argmax())
        ends = np.flatnonzero(ended[loudest:stop])
        durations.append(int(ends[0]) if ends.size else stop - loudest)
    return float(np.mean(durations)) * RMS_LENGTH / sample_rate


def _lowest_peak_hz(spectrum: Float64, hz_per_bin: float) -> float:
    """Frequency of the lowest peak of a power spectrum ``[bins]``."""
    lowest, highest = float(spectrum.min()), float(spectrum.max())
    peaks = find_peaks(spectrum[None], PITCH_CONTRAST * (highest - lowest), lowest)
    return float(peaks.position[0]) * hz_per_bin
