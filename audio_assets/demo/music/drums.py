"""Drum and percussion one-shots, synthesised from decaying tones and shaped noise.

A *piece* is what a player hits (``kick``, ``rim``, ``open_hat``); ``DRUM_CLASSES`` says which class a
transcription system reports for it. The five classes and their General MIDI numbers are those of
ADTOF (Zehren et al., ISMIR 2021): 35 bass drum, 38 snare, 47 toms, 42 hi-hat, 49 cymbals;
percussion outside a drum kit has class ``PC`` and is not part of that vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

Samples = NDArray[np.float32]

DRUM_CLASSES = {
    "kick": "BD", "snare": "SD", "clap": "SD", "rim": "SD", "brush": "SD",
    "tom_high": "TT", "tom_low": "TT",
    "hat": "HH", "open_hat": "HH", "pedal_hat": "HH",
    "ride": "CY", "crash": "CY",
    "shaker": "PC", "guiro": "PC", "clave": "PC", "cowbell": "PC", "tambourine": "PC",
    "conga_high": "PC", "conga_low": "PC", "conga_slap": "PC",
}  # fmt: skip
GENERAL_MIDI = {"BD": 35, "SD": 38, "TT": 47, "HH": 42, "CY": 49}

LEVEL = {  # where a piece is not to be as loud as its synthesis makes it
    "kick": 1.5, "clap": 0.9, "hat": 0.55, "open_hat": 0.55, "pedal_hat": 0.6, "ride": 0.75,
    "shaker": 0.55, "tambourine": 0.6, "guiro": 0.6, "cowbell": 0.5, "clave": 0.6, "brush": 0.8,
}  # fmt: skip
PAN = {  # -1 left .. 1 right, as the audience sees the players
    "hat": 0.35, "open_hat": 0.35, "pedal_hat": 0.35, "ride": -0.40, "crash": -0.30,
    "tom_high": 0.25, "tom_low": -0.25, "shaker": -0.45, "tambourine": 0.45, "guiro": 0.40,
    "clave": -0.20, "cowbell": 0.20, "conga_high": 0.30, "conga_low": -0.30, "conga_slap": 0.30,
}  # fmt: skip


@dataclass(frozen=True)
class _Noise:
    """White noise in a band, decaying."""

    low_hz: float
    high_hz: float
    decay_s: float
    level: float
    attack_s: float = 0.0005
    bursts_s: tuple[float, ...] = (0.0,)  # a clap is several hands


@dataclass(frozen=True)
class _Tone:
    """A sine whose pitch falls from ``start_hz`` to ``end_hz``."""

    start_hz: float
    end_hz: float
    fall_s: float
    decay_s: float
    level: float


@dataclass(frozen=True)
class _Metal:
    """Inharmonic square waves through a high-pass: cymbals and bells."""

    base_hz: float
    high_pass_hz: float
    decay_s: float
    level: float


_Layer = _Noise | _Tone | _Metal
_CYMBAL_RATIOS = (1.0, 1.342, 1.483, 1.787, 1.932, 2.546)

_ACOUSTIC: dict[str, tuple[_Layer, ...]] = {
    "kick": (
        _Tone(150, 55, 0.025, 0.14, 1.0),
        _Noise(1500, 6000, 0.006, 0.30),
        _Noise(80, 400, 0.03, 0.2),
    ),
    "snare": (
        _Tone(240, 185, 0.02, 0.07, 0.55),
        _Tone(360, 330, 0.01, 0.045, 0.3),
        _Noise(1200, 9000, 0.11, 0.75),
    ),
    "clap": (_Noise(800, 5000, 0.09, 0.9, bursts_s=(0.0, 0.009, 0.020)),),
    "rim": (_Tone(1750, 1700, 0.01, 0.012, 0.8), _Noise(1800, 7000, 0.012, 0.5)),
    "brush": (_Noise(1500, 9000, 0.07, 0.6, attack_s=0.012),),
    "tom_high": (_Tone(230, 165, 0.05, 0.20, 0.9), _Noise(400, 3000, 0.02, 0.2)),
    "tom_low": (_Tone(150, 98, 0.06, 0.26, 0.9), _Noise(300, 2500, 0.02, 0.2)),
    "hat": (_Metal(410, 7000, 0.028, 0.7), _Noise(7500, 16000, 0.025, 0.5)),
    "open_hat": (_Metal(410, 6500, 0.20, 0.7), _Noise(7000, 16000, 0.18, 0.5)),
    "pedal_hat": (_Metal(410, 5500, 0.035, 0.5), _Noise(5000, 12000, 0.03, 0.5)),
    "ride": (
        _Metal(530, 5200, 0.38, 0.40),
        _Tone(3150, 3150, 1, 0.25, 0.10),
        _Noise(6000, 14000, 0.04, 0.3),
    ),
    "crash": (_Metal(370, 3200, 0.70, 0.55), _Noise(3500, 15000, 0.55, 0.7, attack_s=0.003)),
    "shaker": (_Noise(5000, 13000, 0.035, 0.8, attack_s=0.018),),
    "tambourine": (_Metal(1150, 6500, 0.07, 0.6), _Noise(6500, 15000, 0.06, 0.5)),
    "guiro": (_Noise(2200, 6500, 0.012, 0.8, bursts_s=tuple(0.012 * i for i in range(9))),),
    "clave": (_Tone(2480, 2480, 1, 0.035, 1.0), _Tone(4960, 4960, 1, 0.012, 0.2)),
    "cowbell": (_Tone(562, 560, 1, 0.07, 0.6), _Tone(845, 843, 1, 0.09, 0.6)),
    "conga_high": (_Tone(345, 320, 0.02, 0.13, 0.9), _Noise(500, 3000, 0.008, 0.3)),
    "conga_low": (_Tone(225, 205, 0.03, 0.19, 0.9), _Noise(400, 2500, 0.008, 0.25)),
    "conga_slap": (_Tone(390, 370, 0.01, 0.045, 0.5), _Noise(1200, 6000, 0.03, 0.7)),
}
_ELECTRONIC: dict[str, tuple[_Layer, ...]] = _ACOUSTIC | {
    "kick": (_Tone(210, 49, 0.035, 0.20, 1.0), _Noise(1500, 9000, 0.007, 0.45)),
    "snare": (_Tone(210, 175, 0.02, 0.09, 0.6), _Noise(900, 11000, 0.13, 0.7)),
    "clap": (_Noise(900, 7000, 0.13, 0.9, bursts_s=(0.0, 0.011, 0.023)),),
    "hat": (_Metal(540, 8000, 0.022, 0.9), _Noise(9000, 17000, 0.020, 0.4)),
    "open_hat": (_Metal(540, 7500, 0.16, 0.9), _Noise(8000, 17000, 0.14, 0.4)),
}
_LIGHT: dict[str, tuple[_Layer, ...]] = _ACOUSTIC | {
    "kick": (_Tone(105, 62, 0.03, 0.10, 0.8), _Noise(600, 2500, 0.008, 0.15)),
    "snare": (_Tone(230, 205, 0.02, 0.04, 0.25), _Noise(1500, 9000, 0.08, 0.6, attack_s=0.003)),
}
KITS = {"acoustic": _ACOUSTIC, "electronic": _ELECTRONIC, "light": _LIGHT}

RINGS_S = {"crash": 2.2, "ride": 1.4, "open_hat": 0.8, "kick": 0.7, "tom_high": 0.8, "tom_low": 0.9}


def _noise(layer: _Noise, time_s: NDArray[np.float64], rng: np.random.Generator) -> Samples:
    sample_rate = 1 / (time_s[1] - time_s[0])
    band = (layer.low_hz, min(layer.high_hz, 0.45 * sample_rate))
    white = sosfilt(
        butter(2, band, "bandpass", fs=sample_rate, output="sos"), rng.standard_normal(len(time_s))
    )
    envelope = np.zeros(len(time_s))
    for burst_s in layer.bursts_s:
        since = time_s - burst_s
        rise = np.clip(since / layer.attack_s, 0, 1)
        # All hands but the last are short: what rings is the room after the last one.
        decay_s = layer.decay_s if burst_s == layer.bursts_s[-1] else 0.006
        envelope = np.maximum(envelope, rise * np.exp(-np.maximum(since, 0) / decay_s))
    return np.asarray(white * envelope * (layer.level / white.std() / 3), dtype=np.float32)


def _tone(layer: _Tone, time_s: NDArray[np.float64], rng: np.random.Generator) -> Samples:
    swept = (layer.start_hz - layer.end_hz) * layer.fall_s * (1 - np.exp(-time_s / layer.fall_s))
    envelope = np.minimum(time_s / 0.0008, 1) * np.exp(-time_s / layer.decay_s)
    phase = 2 * np.pi * (layer.end_hz * time_s + swept)
    return np.asarray(layer.level * np.sin(phase) * envelope, dtype=np.float32)


def _metal(layer: _Metal, time_s: NDArray[np.float64], rng: np.random.Generator) -> Samples:
    sample_rate = 1 / (time_s[1] - time_s[0])
    squares = np.zeros(len(time_s))
    for ratio, phase in zip(_CYMBAL_RATIOS, rng.random(len(_CYMBAL_RATIOS)), strict=True):
        squares += np.sign(np.sin(2 * np.pi * (layer.base_hz * ratio * time_s + phase)))
    bright = sosfilt(butter(3, layer.high_pass_hz, "highpass", fs=sample_rate, output="sos"), squares)
    envelope = np.minimum(time_s / 0.0008, 1) * np.exp(-time_s / layer.decay_s)
    return np.asarray(bright * envelope * (layer.level / bright.std() / 3), dtype=np.float32)


_LAYERS: dict[type, Callable[..., Samples]] = {_Noise: _noise, _Tone: _tone, _Metal: _metal}


def render_piece(kit: str, piece: str, sample_rate: int, rng: np.random.Generator) -> Samples:
    """One hit at full velocity, [n] (0.35 to 2.2 s), its attack within a millisecond of sample 0.

    The generator decides the noise, so two hits drawn after each other differ as two strokes do.
    Raises KeyError for a kit or piece that is not in ``KITS``.
    """
    length_s = RINGS_S.get(piece, 0.35)
    time_s = np.arange(int(length_s * sample_rate)) / sample_rate
    hit = np.zeros(len(time_s), dtype=np.float32)
    for layer in KITS[kit][piece]:
        hit += _LAYERS[type(layer)](layer, time_s, rng)
    fade = int(0.02 * sample_rate)
    hit[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    return hit * np.float32(LEVEL.get(piece, 1.0))
