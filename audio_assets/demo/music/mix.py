"""Mixing: levels, stereo places, reverberation, and a master that keeps stems adding up.

A stem is float32 [2, n]. All that happens to the sum of the stems, the master gain and the limiter,
is a gain over time applied to every stem alike, so the mix is their sum to the last bit.
Levels in dBFS, loudness in LUFS after ITU-R BS.1770-5.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter1d, uniform_filter1d
from scipy.signal import butter, oaconvolve, sosfilt

Samples = NDArray[np.float32]

CEILING = 10 ** (-1.2 / 20)
_LOOK_AHEAD_S = 0.012


def rms_db(samples: Samples, sample_rate: int) -> float:
    """RMS over the 50 ms frames in which something sounds (within 40 dB of the loudest), in dBFS."""
    frame = int(0.05 * sample_rate)
    usable = samples.shape[-1] // frame * frame
    power = np.mean(np.square(samples[..., :usable]).reshape(-1, usable // frame, frame), (0, 2))
    heard = power[power > 1e-4 * power.max()]
    return float(10 * np.log10(heard.mean())) if len(heard) else -np.inf


def place(samples: Samples, pan: float) -> Samples:
    """[1 or 2, n] to [2, n], panned at constant power; -1 is left. Two channels keep their width."""
    angle = (pan + 1) * np.pi / 4
    gains = np.array([[np.cos(angle)], [np.sin(angle)]]) * np.sqrt(2)
    return np.asarray(np.broadcast_to(samples, (2, samples.shape[-1])) * gains.astype(np.float32))


def drive(samples: Samples, amount: float, sample_rate: int) -> Samples:
    """An overdriven amplifier and its loudspeaker: soft clipping, then 120 Hz to 4.5 kHz."""
    level = np.sqrt(np.mean(np.square(samples))) + 1e-9
    clipped = np.tanh(samples * (amount / (3 * level)))
    speaker = butter(2, (120, 4500), "bandpass", fs=sample_rate, output="sos")
    return np.asarray(sosfilt(speaker, clipped, axis=-1), dtype=np.float32)


def echo(samples: Samples, delay_s: float, sample_rate: int) -> Samples:
    """Add three repeats, each 9 dB down, that cross from side to side. [2, n] to [2, n]."""
    out = samples.copy()
    lag = int(delay_s * sample_rate)
    for repeat in range(1, 4):
        delayed = samples[:: -1 if repeat % 2 else 1, : -lag * repeat]
        out[:, lag * repeat :] += delayed * np.float32(0.35**repeat)
    return out


def reverb_response(length_s: float, sample_rate: int) -> Samples:
    """A stereo room impulse response, [2, n], of unit energy: noise that dies by 60 dB.

    The highs die twice as fast as the lows, as air and curtains have it.
    """
    rng = np.random.default_rng(11)
    time_s = np.arange(int(length_s * sample_rate)) / sample_rate
    noise = rng.standard_normal((2, len(time_s)))
    split = butter(1, 2500, "lowpass", fs=sample_rate, output="sos")
    low = sosfilt(split, noise, axis=-1)
    decay = np.exp(-6.9 * time_s / length_s)
    response = low * decay + (noise - low) * decay**2
    response = sosfilt(butter(1, 180, "highpass", fs=sample_rate, output="sos"), response, axis=-1)
    before = np.zeros((2, int(0.018 * sample_rate)))
    response = np.concatenate([before, response / np.sqrt(np.sum(response**2) / 2)], axis=1)
    return np.asarray(response, dtype=np.float32)


def reverberate(samples: Samples, response: Samples) -> Samples:
    """The room's answer [2, n] to the middle of ``samples`` [1 or 2, n], cut to the same length."""
    middle = samples.mean(axis=0, keepdims=True)
    return np.asarray(oaconvolve(middle, response, axes=-1)[:, : samples.shape[1]], np.float32)


def duck(length: int, kicks_s: list[float], sample_rate: int) -> Samples:
    """The gain [n] of a compressor keyed by the kick drum: down by 5 dB, back in a quarter second."""
    gain = np.ones(length, dtype=np.float32)
    shape = 1 - 0.45 * np.exp(-np.arange(int(0.3 * sample_rate)) / (0.09 * sample_rate))
    attack = int(0.004 * sample_rate)
    shape[:attack] = np.linspace(1, shape[attack], attack)
    for kick_s in kicks_s:
        start = int(kick_s * sample_rate)
        end = min(length, start + len(shape))
        gain[start:end] = np.minimum(gain[start:end], shape[: end - start])
    return gain


def _k_weighting(sample_rate: int) -> NDArray[np.float64]:
    """The two filters of BS.1770 for any rate, [2, 6], from their analogue parameters."""
    tan = np.tan(np.pi * 1681.974450955533 / sample_rate)
    q, high, mid = 0.7071752369554196, 1.584864701130855, 1.258720930232562
    norm = 1 + tan / q + tan**2
    shelf = [
        (high + mid * tan / q + tan**2) / norm, 2 * (tan**2 - high) / norm,
        (high - mid * tan / q + tan**2) / norm, 1.0,
        2 * (tan**2 - 1) / norm, (1 - tan / q + tan**2) / norm,
    ]  # fmt: skip
    tan, q = np.tan(np.pi * 38.13547087602444 / sample_rate), 0.5003270373238773
    norm = 1 + tan / q + tan**2
    high_pass = [1.0, -2.0, 1.0, 1.0, 2 * (tan**2 - 1) / norm, (1 - tan / q + tan**2) / norm]
    return np.array([shelf, high_pass])


def loudness_lufs(samples: Samples, sample_rate: int) -> float:
    """Integrated loudness of [2, n] with both gates of BS.1770; -inf for silence."""
    weighted = sosfilt(_k_weighting(sample_rate), samples, axis=-1)
    step = sample_rate // 10
    count = weighted.shape[1] // step
    power = np.square(weighted[:, : count * step]).reshape(2, count, step).mean(2).sum(0)
    blocks = np.convolve(power, np.full(4, 0.25), "valid")  # 400 ms, overlapping by 75 %
    level = -0.691 + 10 * np.log10(blocks + 1e-12)
    kept = blocks[level > -70]
    if not len(kept):
        return -np.inf
    gate = -0.691 + 10 * np.log10(kept.mean()) - 10
    return float(-0.691 + 10 * np.log10(blocks[level > max(gate, -70.0)].mean()))


def _limiter_gain(mix: Samples, sample_rate: int) -> Samples:
    """A gain [n] that keeps every peak of ``mix`` under ``CEILING`` and moves gently."""
    needed = np.minimum(1, CEILING / np.maximum(np.abs(mix).max(axis=0), 1e-9))
    width = int(_LOOK_AHEAD_S * sample_rate) | 1
    held = minimum_filter1d(needed, 2 * width + 1)
    smooth = uniform_filter1d(uniform_filter1d(held, width), width)
    return np.asarray(smooth, dtype=np.float32)


def master(
    stems: Mapping[str, Samples], target_lufs: float, sample_rate: int
) -> dict[str, NDArray[np.int16]]:
    """Bring the sum of ``stems`` to ``target_lufs``, less what the limiter takes; 16-bit stems [2, n].

    The mix is the sum of what comes back, exactly: it cannot overflow.
    """
    mix = np.sum(list(stems.values()), axis=0)
    gain = np.float32(10 ** ((target_lufs - loudness_lufs(mix, sample_rate)) / 20))
    curve = gain * _limiter_gain(mix * gain, sample_rate)
    return {name: np.round(stem * (curve * 32767)).astype(np.int16) for name, stem in stems.items()}
