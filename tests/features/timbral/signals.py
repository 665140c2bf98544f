"""The synthesised signals behind `golden.json`, rebuilt from their names wherever they are needed.

They cover what the attributes react to: steady tones and noise, plucked and struck notes, rhythm, decays in a
room, dense mixes, short sounds, sounds after silence, sparse clicks, and rates from 22.05 to 96 kHz.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, lfilter, sosfilt

Samples = NDArray[np.float32]
Build = Callable[[np.random.Generator, int], NDArray[np.float64]]


def seconds(duration_s: float, rate: int) -> NDArray[np.float64]:
    return np.arange(round(duration_s * rate)) / rate


def sine(frequency_hz: float, duration_s: float, rate: int) -> NDArray[np.float64]:
    return 0.5 * np.sin(2 * np.pi * frequency_hz * seconds(duration_s, rate))


def am_tone(carrier_hz: float, modulator_hz: float, duration_s: float, rate: int) -> NDArray[np.float64]:
    t = seconds(duration_s, rate)
    return 0.4 * (1 + np.cos(2 * np.pi * modulator_hz * t)) * np.sin(2 * np.pi * carrier_hz * t)


def pink_noise(rng: np.random.Generator, size: int) -> NDArray[np.float64]:
    spectrum = np.fft.rfft(rng.standard_normal(size))
    return np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(spectrum.size), 1)), size)


def place(
    parts: list[tuple[float, NDArray[np.float64]]], duration_s: float, rate: int
) -> NDArray[np.float64]:
    """Sum `(start_s, samples)` parts into one signal, cutting what runs past its end."""
    out = np.zeros(round(duration_s * rate))
    for start_s, samples in parts:
        start = round(start_s * rate)
        kept = samples[: out.size - start]
        out[start : start + kept.size] += kept
    return out


def pluck(rng: np.random.Generator, f0_hz: float, duration_s: float, rate: int) -> NDArray[np.float64]:
    """A Karplus-Strong string as one recursive filter excited by a noise burst of one period."""
    period = round(rate / f0_hz)
    excitation = np.zeros(round(duration_s * rate))
    excitation[:period] = rng.uniform(-1, 1, period)
    feedback = np.zeros(period + 2)
    feedback[0], feedback[period], feedback[period + 1] = 1, -0.498, -0.498
    return lfilter([1.0], feedback, excitation)


def kick(rate: int) -> NDArray[np.float64]:
    t = seconds(0.35, rate)
    return np.sin(2 * np.pi * (50 * t + 6 * (1 - np.exp(-t / 0.03)))) * np.exp(-t / 0.09)


def snare(rng: np.random.Generator, rate: int) -> NDArray[np.float64]:
    t = seconds(0.25, rate)
    return 0.5 * np.exp(-t / 0.05) * rng.standard_normal(t.size) + 0.4 * np.exp(-t / 0.08) * np.sin(
        2 * np.pi * 190 * t
    )


def hat(rng: np.random.Generator, rate: int) -> NDArray[np.float64]:
    t = seconds(0.08, rate)
    high_pass = butter(4, 7000, "high", fs=rate, output="sos")
    return 0.4 * sosfilt(high_pass, rng.standard_normal(t.size)) * np.exp(-t / 0.015)


def drums(rng: np.random.Generator, duration_s: float, rate: int) -> NDArray[np.float64]:
    """Kick and snare in alternation at 120 bpm, hats on the quavers."""
    beats = np.arange(0.1, duration_s - 0.05, 0.5)
    parts = [(b, kick(rate) if i % 2 == 0 else snare(rng, rate)) for i, b in enumerate(beats)]
    parts += [(b, hat(rng, rate)) for b in np.arange(0.1, duration_s - 0.05, 0.25)]
    return place(parts, duration_s, rate)


def melody(rng: np.random.Generator, duration_s: float, rate: int) -> NDArray[np.float64]:
    notes_hz = [220.0, 261.63, 329.63, 392.0, 293.66, 440.0, 246.94, 349.23]
    starts = np.arange(0, duration_s - 0.05, 0.4)
    return place(
        [(s, pluck(rng, notes_hz[i % 8], 1.5, rate)) for i, s in enumerate(starts)],
        duration_s,
        rate,
    )


def saw_chord(fundamentals_hz: list[float], duration_s: float, rate: int) -> NDArray[np.float64]:
    """Band-limited saws: all partials below 15 kHz at amplitude 1/k."""
    t = seconds(duration_s, rate)
    return sum(
        np.sin(2 * np.pi * k * f0 * t + k) / k
        for f0 in fundamentals_hz
        for k in range(1, int(15000 / f0) + 1)
    )


def mix(rng: np.random.Generator, duration_s: float, rate: int) -> NDArray[np.float64]:
    """Bass, a sustained chord, plucked melody, drums and a noise floor."""
    t = seconds(duration_s, rate)
    bass = np.sin(2 * np.pi * 55 * t) * (0.6 + 0.4 * np.sin(2 * np.pi * 2 * t) ** 2)
    return (
        0.3 * bass
        + 0.05 * saw_chord([130.81, 164.81, 196.0], duration_s, rate)
        + 0.25 * melody(rng, duration_s, rate)
        + 0.5 * drums(rng, duration_s, rate)
        + 0.002 * rng.standard_normal(t.size)
    )


def reverberant(
    rng: np.random.Generator, dry: NDArray[np.float64], rt60_s: float, rate: int, wet: float = 1.0
) -> NDArray[np.float64]:
    """Convolve with exponentially decaying noise that falls by 60 dB in `rt60_s`."""
    t = seconds(1.2 * rt60_s, rate)
    response = rng.standard_normal(t.size) * 10 ** (-3 * t / rt60_s)
    size = 1 << (dry.size + t.size).bit_length()
    tail = np.fft.irfft(np.fft.rfft(dry, size) * np.fft.rfft(response, size), size)[: dry.size]
    return dry / np.max(np.abs(dry)) + wet * tail / np.max(np.abs(tail))


def bursts(rng: np.random.Generator, duration_s: float, rate: int) -> NDArray[np.float64]:
    """A 40 ms burst of noise every 0.7 s, silence between."""
    burst = rng.standard_normal(round(0.04 * rate))
    return place([(s, burst) for s in np.arange(0.2, duration_s - 0.1, 0.7)], duration_s, rate)


def sweep(duration_s: float, rate: int) -> NDArray[np.float64]:
    """An exponential sweep from 50 Hz to 12 kHz."""
    t = seconds(duration_s, rate)
    octaves = np.log(12000 / 50) / duration_s
    return np.sin(2 * np.pi * 50 * (np.exp(octaves * t) - 1) / octaves)


SIGNALS: dict[str, tuple[int, Build]] = {
    "sine_60": (44100, lambda rng, r: sine(60, 2, r)),
    "sine_440": (44100, lambda rng, r: sine(440, 2, r)),
    "sine_4000": (44100, lambda rng, r: sine(4000, 2, r)),
    "am_70": (44100, lambda rng, r: am_tone(1000, 70, 2, r)),
    "two_tones": (44100, lambda rng, r: sine(400, 2, r) + sine(430, 2, r)),
    "sweep": (44100, lambda rng, r: sweep(4, r)),
    "white_noise": (44100, lambda rng, r: rng.standard_normal(2 * r)),
    "pink_noise": (44100, lambda rng, r: pink_noise(rng, 2 * r)),
    "noise_bursts": (44100, lambda rng, r: bursts(rng, 4, r)),
    "reverb_03": (44100, lambda rng, r: reverberant(rng, bursts(rng, 4, r), 0.3, r)),
    "reverb_08": (44100, lambda rng, r: reverberant(rng, bursts(rng, 4, r), 0.8, r)),
    "reverb_drums": (44100, lambda rng, r: reverberant(rng, drums(rng, 4, r), 1.0, r, wet=0.5)),
    "pluck_low": (44100, lambda rng, r: pluck(rng, 82.41, 2, r)),
    "pluck_high": (44100, lambda rng, r: pluck(rng, 659.26, 2, r)),
    "melody": (44100, lambda rng, r: melody(rng, 4, r)),
    "kick": (44100, lambda rng, r: kick(r)),
    "drums": (44100, lambda rng, r: drums(rng, 4, r)),
    "saw_chord": (44100, lambda rng, r: saw_chord([110.0, 138.59, 164.81], 2, r)),
    "mix": (44100, lambda rng, r: mix(rng, 6, r)),
    "mix_quiet_start": (44100, lambda rng, r: place([(1.0, mix(rng, 3, r))], 4, r)),
    "clicks": (44100, lambda rng, r: place([(s, np.ones(1)) for s in (0.1, 0.6, 1.1)], 1.5, r)),
    "blip": (44100, lambda rng, r: sine(500, 0.3, r) * np.exp(-seconds(0.3, r) / 0.05)),
    "mix_22050": (22050, lambda rng, r: mix(rng, 4, r)),
    "mix_48000": (48000, lambda rng, r: mix(rng, 4, r)),
    "mix_96000": (96000, lambda rng, r: mix(rng, 3, r)),
}


@lru_cache
def build(name: str) -> tuple[Samples, int]:
    """One of `SIGNALS` at 0.9 of full scale, with its sample rate in hertz."""
    rate, recipe = SIGNALS[name]
    rng = np.random.default_rng(list(name.encode()))
    samples = recipe(rng, rate)
    scaled = (0.9 * samples / np.max(np.abs(samples))).astype(np.float32)
    scaled.setflags(write=False)
    return scaled, rate
