"""Hardness: fast, bright and wide attacks, percussive energy, loud mid frequencies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audio_assets.features.spectrogram import Float32
from audio_assets.features.timbral import bandwidth, onsets
from audio_assets.features.timbral.percussive import percussive_ratio
from audio_assets.features.timbral.sound import Sound
from audio_assets.features.timbral.spectra import bin_frequencies
from audio_assets.features.timbral.zwicker import bell

Float64 = NDArray[np.float64]

LEAD_IN = bandwidth.FRAME_LENGTH + 1
"""Samples of silence put before, so that what sounds from the first sample on has an attack too."""

LONGEST_ATTACK_S = 0.1
EFFORT_STEPS = np.arange(1, 10) / 10
BANDWIDTH_STEP = 0.2
CENTROID_S = 0.125
CENTROID_LEAST_SAMPLES = 512
CENTROID_ABOVE_HZ = 20.0
LEAST_CENTROID_HZ = 200.0
LEAST_BANDWIDTH_HZ = 512.0


@dataclass(frozen=True)
class Attack:
    """How one note begins; None where the note is too short or its bandwidth does not grow."""

    log_duration: float
    """log10 of seconds."""
    strength_db: float
    centroid_hz: float | None
    bandwidth_hz: float | None


def hardness(sound: Sound) -> float | None:
    """Hardness on the AudioCommons scale, not yet clipped to 0..100; None where no attack is heard.

    As loudness in the middle bands or percussive energy fade the model falls without bound: minus infinity
    where there is none.
    """
    percussive = percussive_ratio(sound.samples_32)
    attacks = find_attacks(sound)
    strength_db = np.mean([attack.strength_db for attack in attacks])
    if percussive is None or strength_db == 0:
        return None
    loudness = sound.specific_loudness
    mid_loudness = loudness.pattern @ bell(70, 140) @ loudness.rms / loudness.rms.sum()
    if mid_loudness == 0 or percussive == 0:
        return -np.inf
    return float(
        12.079781720638145 * np.log10(_mean_bandwidth_hz(attacks, sound.sample_rate))
        + 18.52100377170042 * np.log10(_mean_centroid_hz(attacks))
        + 14.139883645260355 * np.log10(mid_loudness)
        + 5.567690321917516 * np.log10(percussive)
        + 3.9346817690405635 * np.log10(strength_db)
        - 4.326890461087848 * np.mean([attack.log_duration for attack in attacks])
        - 85.60352209068202
    )


def find_attacks(sound: Sound) -> list[Attack]:
    """The attack after each onset, at least one."""
    rate = sound.sample_rate
    samples = np.pad(sound.samples_32, (LEAD_IN, 0))
    envelope = np.pad(sound.envelope, (LEAD_IN, 0))
    strength = onsets.onset_strength(samples, rate)
    widths = bandwidth.bandwidths(samples, rate)
    starts = onsets.find_onsets(envelope, strength, rate, earliest=bandwidth.FRAME_LENGTH)
    if starts.size == 1:
        starts = np.zeros(1, dtype=np.intp)

    # Notes by sample, hop of the strength, and frame of the bandwidth, which hears an onset where it ends.
    strength_starts = starts // onsets.HOP_LENGTH
    width_starts = np.maximum(starts - bandwidth.FRAME_LENGTH, 0) // bandwidth.HOP_LENGTH
    attacks = []
    for note, note_envelope, note_strength, note_widths in zip(
        np.split(samples, starts)[1:],
        np.split(envelope, starts)[1:],
        np.split(strength, strength_starts)[1:],
        np.split(widths, width_starts)[1:],
        strict=True,
    ):
        start, log_duration = _effortless_rise(note_envelope, rate)
        attacks.append(
            Attack(
                log_duration,
                float(note_strength.max()),
                _centroid_hz(note[start : start + int(CENTROID_S * rate)], rate),
                _attack_bandwidth_hz(note_widths, rate / bandwidth.HOP_LENGTH),
            )
        )
    return attacks


def _mean_bandwidth_hz(attacks: list[Attack], sample_rate: int) -> float:
    """Mean over the attacks, weighted by their strength; that of a single bin for a narrow sound."""
    pairs = [(a.bandwidth_hz, a.strength_db) for a in attacks if a.bandwidth_hz is not None]
    widths_hz, strengths = np.array(pairs).reshape(-1, 2).T
    mean_hz = widths_hz @ strengths / strengths.sum() if strengths.any() else 0.0
    return mean_hz if mean_hz > LEAST_BANDWIDTH_HZ else sample_rate / 512


def _mean_centroid_hz(attacks: list[Attack]) -> float:
    centroids_hz = [a.centroid_hz for a in attacks if a.centroid_hz is not None]
    return max(float(np.mean(centroids_hz or [0.0])), LEAST_CENTROID_HZ)


def _bottom_and_peak(envelope: Float64) -> tuple[int, int]:
    """The last minimum before the maximum, and the maximum, which is not the first value."""
    peak = int(np.argmax(envelope))
    return peak - 1 - int(np.argmin(envelope[:peak][::-1])), peak


def _effortless_rise(envelope: Float64, sample_rate: int) -> tuple[int, float]:
    """First sample of the attack and log10 of its duration in s, by the method of least effort.

    The rise is cut at 10, 20 .. 90 % of its height. The attack is the run of steps that take less than three
    times the mean step (Peeters, "A large set of audio features for sound description", 2004).
    """
    bottom, peak = _bottom_and_peak(envelope)
    rise = envelope[bottom : peak + 1]
    crossings = np.searchsorted(np.maximum.accumulate(rise), rise[0] + np.ptp(rise) * EFFORT_STEPS)
    effort = np.diff(crossings)
    limit = 3 * effort.mean()
    first = int(np.argmax(effort <= limit))
    last = first + (int(np.argmax(effort[first:] >= limit)) or effort.size - first - 1)
    start, stop = crossings[first], crossings[last]
    if start == stop:
        start, stop = crossings[0], crossings[-1]
    length = min(stop - start, int(LONGEST_ATTACK_S * sample_rate)) + 1
    return bottom + int(start), float(np.log10(length / sample_rate))


def _centroid_hz(samples: Float32, sample_rate: int) -> float | None:
    """Centroid above 20 Hz of the magnitude spectrum; None of less than 513 samples, or of silence."""
    if samples.size <= CENTROID_LEAST_SAMPLES:
        return None
    fft_length = 1 << (samples.size - 1).bit_length()
    frequency = bin_frequencies(fft_length, sample_rate)
    magnitude = np.abs(np.fft.rfft(samples, fft_length)) * (frequency >= CENTROID_ABOVE_HZ)
    total = magnitude.sum()
    return float(magnitude @ frequency / total) if total > 0 else None


def _attack_bandwidth_hz(widths: Float64, frame_rate: float) -> float | None:
    """Largest bandwidth during the attack of a note; None where the first is the largest."""
    if not widths.argmax() > 0:
        return None
    bottom, peak = _bottom_and_peak(widths)
    rise = widths[bottom : peak + 1]
    start = bottom + int(np.argmax(rise >= rise[0] + BANDWIDTH_STEP * np.ptp(rise)))
    longest = int(LONGEST_ATTACK_S * frame_rate)
    attack = widths[start:]
    # As published: the attack is bounded only where more of the note follows than lies before it.
    return float(attack[:longest].max() if attack.size > start + longest else attack.max())
