"""Laughter, breath and room: the sounds of people that are not words.

A laugh is a bout of calls, four to six a second, each a breathy "h" and a short vowel; pitch jumps
up at first and falls over the bout, loudness rises over two calls and dies away, and calls come
slower towards the end (Bachorowski, Smoski & Owren, JASA 110, 2001, for the ranges). The vowel is a
harmonic source through the speaker's own formants. float32 [n] at a rate the caller gives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq
from scipy.signal import butter, sosfilt

from audio_assets.demo.voice import Voice

Samples = NDArray[np.float32]
Curve = NDArray[np.float64]

_VOWELS_HZ = {  # formants of a man's ha, heh, ho
    "ha": (730.0, 1250.0, 2550.0, 3500.0),
    "heh": (560.0, 1700.0, 2500.0, 3500.0),
    "ho": (480.0, 900.0, 2450.0, 3400.0),
}
_BANDWIDTHS_HZ = (110.0, 130.0, 190.0, 260.0)
_KINDS = ("voiced", "breathy", "burst")  # burst: begins with one loud breath out


@dataclass(frozen=True)
class Laugh:
    """A laugh of RMS about 1 while a call sounds, and how long it lasts."""

    samples: Samples
    duration_s: float


def laugh(voice: Voice, strength: float, sample_rate: int, rng: np.random.Generator) -> Laugh:
    """A laugh in ``voice``; ``strength`` 0..1 makes it longer, higher and louder in relation.

    Every speaker has a habitual vowel and pace, drawn from the name, so that laughs differ by
    speaker more than within one.
    """
    habit = np.random.default_rng(sum(map(ord, voice.name)))
    vowel = list(_VOWELS_HZ)[int(habit.integers(len(_VOWELS_HZ)))]
    pace_hz = habit.uniform(4.4, 5.6) * rng.uniform(0.94, 1.06)
    leap = habit.uniform(1.35, 1.75) * rng.uniform(0.95, 1.1) * (0.9 + 0.25 * strength)
    kind = str(rng.choice(_KINDS, p=(0.66, 0.18, 0.16)))

    calls = int(np.clip(rng.poisson(3.0 + 4.0 * strength), 3, 10))
    periods_s = 1 / pace_hz * 1.03 ** np.arange(calls) * rng.uniform(0.93, 1.07, calls)
    starts_s = np.concatenate([[0.0], np.cumsum(periods_s)])
    count = int((starts_s[-1] + 0.05) * sample_rate)
    time_s = np.arange(count) / sample_rate

    pitch_hz = np.full(count, float(voice.pitch_hz[0]))
    voiced = np.zeros(count)
    breath = np.zeros(count)
    for call, (start_s, period_s) in enumerate(zip(starts_s, periods_s, strict=False)):
        top_hz = voice.pitch_hz[0] * leap * 0.955**call * rng.uniform(0.96, 1.04)
        level = min(1.0, 0.75 + 0.25 * call) * 0.90 ** max(0, call - 1) * rng.uniform(0.85, 1.1)
        h_s = 0.34 * period_s
        vowel_s = rng.uniform(0.46, 0.56) * period_s
        into_s = time_s - start_s - h_s
        during = (into_s >= -h_s) & (into_s < period_s - h_s)
        pitch_hz[during] = top_hz * (1 - 0.16 * np.clip(into_s[during] / vowel_s, 0, 1))
        voiced += level * _bump(into_s, 0.018, vowel_s)
        breath += level * (0.42 * _bump(into_s + h_s, 0.03, h_s) + 0.06 * _bump(into_s, 0.02, vowel_s))
    if kind == "breathy":
        voiced, breath = 0.12 * voiced, 1.5 * breath + 0.3 * voiced
    elif kind == "burst":
        breath += 0.8 * _bump(time_s, 0.01, 0.9 * float(periods_s[0]))
        voiced[: int(periods_s[0] * sample_rate)] *= 0.2

    formants_hz = [
        hertz * scale / 100 for hertz, scale in zip(_VOWELS_HZ[vowel], voice.formants[1:], strict=False)
    ]
    jitter = 1 + 0.02 * sosfilt(
        butter(1, 25, "lowpass", fs=sample_rate, output="sos"), rng.standard_normal(count)
    ) * np.sqrt(sample_rate / 50)
    tone = _voiced_source(pitch_hz * jitter, formants_hz, sample_rate)
    hiss = _whisper(count, formants_hz, sample_rate, rng)
    sound = tone * voiced + hiss * breath
    loud = np.abs(voiced) + np.abs(breath) > 0.3
    sound *= 1 / np.sqrt(np.mean(np.square(sound[loud])))
    return Laugh(sound.astype(np.float32), float(starts_s[-1]))


def _bump(into_s: Curve, edge_s: float, length_s: float) -> Curve:
    """1 for ``length_s`` from 0 on, with raised-cosine edges inside it."""
    rise = np.clip(into_s / edge_s, 0, 1)
    fall = np.clip((length_s - into_s) / (2 * edge_s), 0, 1)
    return np.asarray(np.sin(np.pi / 2 * rise) ** 2 * np.sin(np.pi / 2 * fall) ** 2)


def _resonance(hertz: Curve, formants_hz: list[float]) -> Curve:
    """The gain of parallel formants at frequencies ``hertz``."""
    gain = np.zeros_like(hertz)
    for index, (centre, width) in enumerate(zip(formants_hz, _BANDWIDTHS_HZ, strict=True)):
        gain += 0.72**index / np.sqrt(1 + ((hertz - centre) / (width / 2)) ** 2)
    return gain


def _voiced_source(pitch_hz: Curve, formants_hz: list[float], sample_rate: int) -> Curve:
    """Harmonics of ``pitch_hz`` with the slope of a lax voice, shaped by the formants; unit RMS."""
    phase = 2 * np.pi * np.cumsum(pitch_hz) / sample_rate
    sample = np.arange(len(pitch_hz))
    coarse = sample[::48]  # the gain of a harmonic follows the pitch: 2 ms are fine enough
    sound = np.zeros(len(pitch_hz))
    for k in range(1, int(7000 / pitch_hz.max()) + 1):
        gain = _resonance(k * pitch_hz[coarse], formants_hz) / k**0.75
        sound += np.sin(k * phase) * np.interp(sample, coarse, gain)
    return np.asarray(sound / np.sqrt(np.mean(sound**2)))


def _whisper(count: int, formants_hz: list[float], sample_rate: int, rng: np.random.Generator) -> Curve:
    """Noise through the formants, unit RMS."""
    spectrum, hertz = _noise_spectrum(count, sample_rate, rng)
    sound = irfft(spectrum * _resonance(hertz, formants_hz) * (hertz > 250))[:count]
    return np.asarray(sound / sound.std())


def _noise_spectrum(
    count: int, sample_rate: int, rng: np.random.Generator
) -> tuple[NDArray[np.complex64], Curve]:
    """The spectrum of at least ``count`` samples of white noise, and its frequencies in hertz."""
    length = 2 * next_fast_len(-(-count // 2))  # even, so that the inverse has it too
    white = rng.standard_normal(length, dtype=np.float32)
    return rfft(white), rfftfreq(length, 1 / sample_rate).astype(np.float32)


def inhale(voice: Voice, length_s: float, sample_rate: int, rng: np.random.Generator) -> Samples:
    """An audible breath in, unit RMS: noise through an open mouth, swelling, cut off by the throat."""
    count = int(length_s * sample_rate)
    formants_hz = [1.15 * hertz * voice.formants[1] / 100 for hertz in _VOWELS_HZ["heh"]]
    swell = np.linspace(0, 1, count) ** 0.7 * np.clip(np.linspace(12, 0, count), 0, 1)
    sound = _whisper(count, formants_hz, sample_rate, rng) * swell
    return np.asarray(sound / sound.std(), dtype=np.float32)


def room_tone(count: int, sample_rate: int, rng: np.random.Generator) -> Samples:
    """The noise of an empty room, unit RMS: falling by 3 dB an octave, a fan in the bass."""
    spectrum, hertz = _noise_spectrum(count, sample_rate, rng)
    sound = irfft(spectrum / np.sqrt(np.maximum(hertz, 40)))[:count]
    sound /= sound.std()
    sound += 0.4 * np.sin(2 * np.pi * 100 * np.arange(count) / sample_rate)
    return np.asarray(sound / sound.std(), dtype=np.float32)


def bump(sample_rate: int, rng: np.random.Generator) -> Samples:
    """Something is put down on the table: a dull knock of 0.25 s, peak about 1."""
    time_s = np.arange(int(0.25 * sample_rate)) / sample_rate
    knock = np.sin(2 * np.pi * rng.uniform(70, 140) * time_s) * np.exp(-time_s / 0.035)
    rattle = sosfilt(
        butter(2, (400, 3500), "bandpass", fs=sample_rate, output="sos"),
        rng.standard_normal(len(time_s)),
    ) * np.exp(-time_s / rng.uniform(0.01, 0.05))
    return np.asarray(0.8 * knock + 0.5 * rattle / np.abs(rattle).max(), dtype=np.float32)
