"""The measurements: all eight attributes at once, or one alone.

Every function takes mono samples ``[n]``, full scale at ±1.0, and their rate in Hz. It gives 0..100, or None
where there is no value: for silence (nowhere above -70 LUFS), for less than 50 ms, and where the model of the
attribute says so. The level of the recording does not matter. Each raises ValueError where the samples are
not one-dimensional or not finite, or the rate is not positive.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from numpy.typing import ArrayLike

from audio_assets.features.timbral.booming import booming
from audio_assets.features.timbral.brightness import brightness
from audio_assets.features.timbral.depth import depth
from audio_assets.features.timbral.hardness import hardness
from audio_assets.features.timbral.reverberation import reverberation
from audio_assets.features.timbral.roughness import roughness
from audio_assets.features.timbral.sharpness import sharpness
from audio_assets.features.timbral.sound import Sound, prepare
from audio_assets.features.timbral.warmth import warmth

Model = Callable[[Sound], float | None]


@dataclass(frozen=True)
class Timbre:
    """Timbral attributes of one sound, 0 to 100 each; None where there is no value."""

    brightness: float | None
    roughness: float | None
    hardness: float | None
    depth: float | None
    booming: float | None
    reverberation: float | None
    sharpness: float | None
    warmth: float | None


def measure_timbre(mono: ArrayLike, sample_rate: int) -> Timbre:
    """All eight attributes, with the analyses they have in common done once."""
    sound = prepare(mono, sample_rate)
    return Timbre(
        brightness=_rated(brightness, sound),
        roughness=_rated(roughness, sound),
        hardness=_rated(hardness, sound),
        depth=_rated(depth, sound),
        booming=_rated(booming, sound),
        reverberation=_rated(reverberation, sound),
        sharpness=_rated(sharpness, sound),
        warmth=_rated(warmth, sound),
    )


def measure_brightness(mono: ArrayLike, sample_rate: int) -> float | None:
    """How bright: energy above 2 kHz and the spectral centroid."""
    return _rated(brightness, prepare(mono, sample_rate))


def measure_roughness(mono: ArrayLike, sample_rate: int) -> float | None:
    """How rough: beating of neighbouring partials. Zero without any."""
    return _rated(roughness, prepare(mono, sample_rate))


def measure_hardness(mono: ArrayLike, sample_rate: int) -> float | None:
    """How hard: fast, bright, wide-band attacks and percussive energy."""
    return _rated(hardness, prepare(mono, sample_rate))


def measure_depth(mono: ArrayLike, sample_rate: int) -> float | None:
    """How deep: low spectrum, low pitch, long notes."""
    return _rated(depth, prepare(mono, sample_rate))


def measure_booming(mono: ArrayLike, sample_rate: int) -> float | None:
    """How booming: share of the loudness below 280 Hz."""
    return _rated(booming, prepare(mono, sample_rate))


def measure_reverberation(mono: ArrayLike, sample_rate: int) -> float | None:
    """How reverberant: probability in percent, 29..87; None where no free decay allows an estimate."""
    return _rated(reverberation, prepare(mono, sample_rate))


def measure_sharpness(mono: ArrayLike, sample_rate: int) -> float | None:
    """How sharp: specific loudness at high Bark."""
    return _rated(sharpness, prepare(mono, sample_rate))


def measure_warmth(mono: ArrayLike, sample_rate: int) -> float | None:
    """How warm: energy around the fundamentals, falling off steadily above."""
    return _rated(warmth, prepare(mono, sample_rate))


def _rated(model: Model, sound: Sound | None) -> float | None:
    value = None if sound is None else model(sound)
    return None if value is None else min(max(value, 0.0), 100.0)
