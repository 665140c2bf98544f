"""Pitched instruments: a harmonic spectrum that changes in time, read by a phase.

One engine plays them all. For each note the amplitude of every harmonic is written down fifty
times a second (source spectrum x low-pass x formants x decay), each row becomes one period of a
waveform by an inverse FFT, and the phase of the note reads these periods, interpolating along the
period and between rows. No harmonic lies above 0.45 of the sample rate, so nothing aliases.
Levels are relative: the mixer sets them. Times in seconds, pitch in MIDI note numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft
from scipy.signal import butter, sosfilt

from audio_assets.demo.music.theory import hertz

Samples = NDArray[np.float32]

ROWS_HZ = 50
MAX_HARMONICS = 96
_INAUDIBLE = 1e-4  # harmonics that never rise above this share of the strongest are left out


@dataclass(frozen=True)
class Instrument:
    """What makes a timbre. The defaults are a plain sawtooth organ."""

    harmonics: tuple[float, ...] = ()  # amplitudes from the fundamental up; empty: k ** -slope
    slope: float = 1.0
    even: float = 1.0  # level of the even harmonics: 0 is hollow, like a closed pipe
    pluck_at: float = 0.0  # where the string is struck, as a share of its length; 0: not a string
    cutoff_hz: float = 9000.0  # of a two-pole low-pass, at full velocity
    sweep_hz: float = 0.0  # added to the cut-off at the attack ...
    sweep_s: float = 0.15  # ... and gone with this time constant
    formants: tuple[tuple[float, float, float], ...] = ()  # (hertz, decibels, width in octaves)
    attack_s: float = 0.005
    decay_s: float = float("inf")  # time constant of the fundamental at middle C
    damping: float = 0.0  # how much faster each further harmonic dies
    release_s: float = 0.08
    vibrato_cents: float = 0.0
    vibrato_hz: float = 5.3
    detune_cents: float = 0.0  # spread of a left and a right voice; 0: one voice in the middle
    noise: float = 0.0  # breath, bow or pick, relative to the tone
    noise_hz: tuple[float, float] = (1000.0, 6000.0)
    noise_s: float = 0.0  # decay of that noise; 0: it lasts as long as the tone


INSTRUMENTS: dict[str, Instrument] = {
    "grand piano": Instrument(
        slope=1.25, pluck_at=0.12, cutoff_hz=4200, sweep_hz=3000, sweep_s=0.12, attack_s=0.003,
        decay_s=1.5, damping=0.09, release_s=0.18, detune_cents=1.6, noise=0.04,
        noise_hz=(200, 1800), noise_s=0.012,
    ),
    "electric piano": Instrument(
        harmonics=(1, 0.22, 0.10, 0.30, 0.04, 0.02, 0.05, 0, 0, 0.03), cutoff_hz=5200,
        attack_s=0.004, decay_s=1.3, damping=0.35, release_s=0.15, detune_cents=5,
    ),
    "organ": Instrument(
        harmonics=(1, 0.9, 0.7, 0.45, 0, 0.30, 0, 0.35), cutoff_hz=7000, attack_s=0.012,
        release_s=0.05, vibrato_cents=9, vibrato_hz=6.4, detune_cents=5, noise=0.012, noise_s=0.02,
    ),
    "accordion": Instrument(
        slope=0.85, even=0.7, cutoff_hz=4800, formants=((1100, 5, 0.7), (2700, 4, 0.5)),
        attack_s=0.035, release_s=0.07, detune_cents=17, vibrato_cents=4, vibrato_hz=5.6,
    ),
    "harmonica": Instrument(
        slope=0.75, cutoff_hz=4200, formants=((850, 5, 0.6), (2100, 6, 0.6)), attack_s=0.03,
        release_s=0.06, vibrato_cents=22, vibrato_hz=5.8, detune_cents=5, noise=0.016,
    ),
    "nylon guitar": Instrument(
        slope=1.45, pluck_at=0.22, cutoff_hz=2600, sweep_hz=1800, sweep_s=0.05, attack_s=0.004,
        decay_s=0.75, damping=0.16, release_s=0.14, noise=0.04, noise_s=0.010,
    ),
    "steel guitar": Instrument(
        slope=1.05, pluck_at=0.14, cutoff_hz=5200, sweep_hz=3500, sweep_s=0.06, attack_s=0.002,
        decay_s=1.1, damping=0.08, release_s=0.16, detune_cents=2.5, noise=0.056,
        noise_hz=(2000, 8000), noise_s=0.008,
    ),
    "electric guitar": Instrument(
        slope=1.0, pluck_at=0.19, cutoff_hz=3600, sweep_hz=1500, sweep_s=0.08, attack_s=0.002,
        decay_s=1.9, damping=0.05, release_s=0.07, noise=0.024, noise_s=0.008,
    ),
    "upright bass": Instrument(
        slope=1.35, pluck_at=0.30, cutoff_hz=900, sweep_hz=900, sweep_s=0.06, attack_s=0.007,
        decay_s=0.42, damping=0.10, release_s=0.09, noise=0.04, noise_hz=(300, 2000), noise_s=0.015,
    ),
    "electric bass": Instrument(
        slope=1.10, pluck_at=0.20, cutoff_hz=1300, sweep_hz=1500, sweep_s=0.07, attack_s=0.004,
        decay_s=0.75, damping=0.06, release_s=0.06, noise=0.02, noise_s=0.008,
    ),
    "synth bass": Instrument(
        slope=0.95, cutoff_hz=420, sweep_hz=2200, sweep_s=0.09, attack_s=0.004, decay_s=1.2,
        release_s=0.05,
    ),
    "sub bass": Instrument(
        harmonics=(1, 0.35, 0.15, 0.05), cutoff_hz=500, attack_s=0.03, release_s=0.20,
    ),
    "saw stab": Instrument(
        slope=0.9, cutoff_hz=1100, sweep_hz=4200, sweep_s=0.12, attack_s=0.003, decay_s=0.55,
        release_s=0.12, detune_cents=14,
    ),
    "synth pluck": Instrument(
        slope=1.0, even=0.25, cutoff_hz=900, sweep_hz=5200, sweep_s=0.07, attack_s=0.002,
        decay_s=0.40, damping=0.04, release_s=0.20, detune_cents=7,
    ),
    "warm pad": Instrument(
        slope=1.15, cutoff_hz=1300, attack_s=0.45, release_s=0.60, vibrato_cents=3,
        vibrato_hz=0.7, detune_cents=12,
    ),
    "glass pad": Instrument(
        harmonics=(1, 0, 0.45, 0, 0.22, 0, 0.18, 0, 0, 0.12, 0, 0.05), cutoff_hz=6000,
        attack_s=0.30, release_s=0.90, vibrato_cents=5, vibrato_hz=3.1, detune_cents=9,
    ),
    "bells": Instrument(
        harmonics=(1, 0.1, 0.06, 0.5, 0, 0.12, 0, 0, 0.1, 0.22), cutoff_hz=9000, attack_s=0.002,
        decay_s=1.0, damping=0.25, release_s=0.50, detune_cents=3,
    ),
    "vibraphone": Instrument(
        harmonics=(1, 0, 0, 0.30, 0, 0, 0, 0, 0, 0.10), cutoff_hz=8000, attack_s=0.003,
        decay_s=1.4, damping=0.22, release_s=0.30, vibrato_cents=7, vibrato_hz=4.6, detune_cents=2,
    ),
    "marimba": Instrument(
        harmonics=(1, 0.04, 0, 0.35, 0, 0, 0, 0, 0, 0.12), cutoff_hz=6000, attack_s=0.002,
        decay_s=0.28, damping=0.45, release_s=0.12, noise=0.04, noise_hz=(300, 2500), noise_s=0.01,
    ),
    "strings": Instrument(
        slope=1.0, cutoff_hz=4200, formants=((520, 3, 0.6), (2600, 4, 0.8)), attack_s=0.12,
        release_s=0.22, vibrato_cents=9, detune_cents=13, noise=0.012,
    ),
    "violin": Instrument(
        slope=0.95, cutoff_hz=5200, formants=((500, 4, 0.5), (1300, 3, 0.5), (2900, 6, 0.6)),
        attack_s=0.06, release_s=0.10, vibrato_cents=18, vibrato_hz=5.9, noise=0.02,
    ),
    "flute": Instrument(
        harmonics=(1, 0.42, 0.22, 0.08, 0.04, 0.02), cutoff_hz=5000, attack_s=0.05, release_s=0.08,
        vibrato_cents=10, vibrato_hz=5.0, noise=0.048, noise_hz=(1500, 7000),
    ),
    "clarinet": Instrument(
        slope=0.9, even=0.12, cutoff_hz=3200, formants=((1500, 3, 0.6),), attack_s=0.03,
        release_s=0.06, vibrato_cents=4, noise=0.012,
    ),
    "tenor sax": Instrument(
        slope=0.85, cutoff_hz=3200, formants=((600, 4, 0.5), (1350, 5, 0.6), (2800, 3, 0.6)),
        attack_s=0.035, release_s=0.07, vibrato_cents=16, vibrato_hz=5.2, noise=0.036,
    ),
    "trumpet": Instrument(
        slope=0.55, cutoff_hz=3600, formants=((1200, 6, 0.7), (2400, 4, 0.6)), attack_s=0.025,
        release_s=0.06, vibrato_cents=8, vibrato_hz=5.5, noise=0.012,
    ),
    "brass section": Instrument(
        slope=0.65, cutoff_hz=2600, sweep_hz=2500, sweep_s=0.10, formants=((1100, 5, 0.8),),
        attack_s=0.022, release_s=0.07, vibrato_cents=4, detune_cents=11, noise=0.008,
    ),
}  # fmt: skip


@lru_cache(maxsize=8)
def _noise(low_hz: float, high_hz: float, sample_rate: int) -> Samples:
    """Eight seconds of band-passed noise of unit RMS, the same in every process."""
    white = np.random.default_rng(7).standard_normal(8 * sample_rate)
    band = (low_hz, min(high_hz, 0.45 * sample_rate))
    coloured = sosfilt(butter(2, band, "bandpass", fs=sample_rate, output="sos"), white)
    return np.asarray(coloured / coloured.std(), dtype=np.float32)


def _spectrum(
    instrument: Instrument, f0_hz: float, velocity: float, rows: int, sample_rate: int
) -> NDArray[np.float64]:
    """Amplitude of each harmonic at each row, [rows, harmonics]; unit RMS in the first row."""
    count = max(1, min(MAX_HARMONICS, int(0.45 * sample_rate / f0_hz)))
    k = np.arange(1, count + 1)
    if instrument.harmonics:
        source = np.zeros(count)
        given = instrument.harmonics[:count]
        source[: len(given)] = given
    else:
        source = np.asarray(k**-instrument.slope)
    source = np.where(k % 2 == 0, instrument.even, 1.0) * source
    if instrument.pluck_at:
        source = source * (0.06 + np.abs(np.sin(np.pi * k * instrument.pluck_at)))
    for centre_hz, gain_db, width in instrument.formants:
        octaves = np.log2(k * f0_hz / centre_hz) / width
        source = source * 10 ** (gain_db / 20 * np.exp(-0.5 * octaves**2))
    time_s = np.arange(rows)[:, None] / ROWS_HZ
    cutoff_hz = instrument.cutoff_hz + instrument.sweep_hz * np.exp(-time_s / instrument.sweep_s)
    cutoff_hz = np.maximum(cutoff_hz * (0.45 + 0.55 * velocity), 1.2 * f0_hz)
    amplitude = source / np.sqrt(1 + (k * f0_hz / cutoff_hz) ** 4)
    if np.isfinite(instrument.decay_s):
        rate = (1 + instrument.damping * (k - 1)) / instrument.decay_s * np.sqrt(f0_hz / 261.6)
        amplitude = amplitude * np.exp(-time_s * rate)
    heard = np.flatnonzero(amplitude.max(axis=0) > _INAUDIBLE * amplitude.max())
    amplitude = amplitude[:, : heard[-1] + 1]
    return np.asarray(amplitude / np.sqrt(0.5 * np.sum(amplitude[0] ** 2)))


def _tables(amplitude: NDArray[np.float64]) -> Samples:
    """One period for each row of ``amplitude``, [rows, size + 1]: the last sample is the first again.

    The size is a power of two, at least ten samples to the period of the highest harmonic.
    """
    rows, count = amplitude.shape
    size = 1 << max(6, int(10 * count - 1).bit_length())
    k = np.arange(1, count + 1)
    spectrum = np.zeros((rows, count + 1), dtype=np.complex64)
    # Phases that fall with the square of k spread the energy over the period: a low crest factor.
    spectrum[:, 1:] = amplitude * np.exp(-1j * np.pi * k**2 / count) * (size / 2)
    tables = np.empty((rows, size + 1), dtype=np.float32)
    tables[:, :-1] = irfft(spectrum, size)
    tables[:, -1] = tables[:, 0]
    return tables


def _read_tables(tables: Samples, phase: NDArray[np.float64], sample_rate: int) -> Samples:
    """Read the rows of ``tables`` at ``phase`` (cycles), linear along the period and between rows."""
    width = tables.shape[1]
    position = phase * (width - 1)
    whole = position.astype(np.int64)
    within = (position - whole).astype(np.float32)
    time = np.arange(len(phase), dtype=np.float32) * np.float32(ROWS_HZ / sample_rate)
    row = time.astype(np.int64)
    between = time - row
    flat = tables.ravel()
    index = row * width + (whole & (width - 2))
    here = flat.take(index)
    here += within * (flat.take(index + 1) - here)
    index += width
    there = flat.take(index)
    there += within * (flat.take(index + 1) - there)
    here += between.astype(np.float32) * (there - here)
    return np.asarray(here)


def _envelope(instrument: Instrument, count: int, duration_s: float, sample_rate: int) -> Samples:
    """The level over the note, [count]: a rise, a plateau, an exponential fall to zero."""
    envelope = np.ones(count, dtype=np.float32)
    attack = min(count, max(1, int(instrument.attack_s * sample_rate)))
    envelope[:attack] = np.linspace(0, 1, attack) ** 1.5
    held = int(duration_s * sample_rate)
    released = np.linspace(0, 1, count - held)
    envelope[held:] *= np.exp(-4 * released) * (1 - released)
    return envelope


def render_note(
    instrument: Instrument, midi: float, duration_s: float, velocity: float, sample_rate: int
) -> Samples:
    """One note, [1 or 2, n] with its release: two channels where the instrument is detuned.

    ``velocity`` 0..1 opens the low-pass and sets the level; a held note has an RMS of about it.
    """
    count = int((duration_s + instrument.release_s) * sample_rate)
    f0_hz = hertz(midi)
    rows = int(count / sample_rate * ROWS_HZ) + 3
    tables = _tables(_spectrum(instrument, f0_hz, velocity, rows, sample_rate))
    time_s = np.arange(count) / sample_rate
    cycles = f0_hz * time_s
    if instrument.vibrato_cents:
        # Vibrato grows in over the first third of a second, as a player's does.
        depth = instrument.vibrato_cents / 1200 * np.log(2) * np.minimum(time_s / 0.35, 1) ** 2
        swing = np.sin(2 * np.pi * instrument.vibrato_hz * time_s)
        cycles = cycles + np.cumsum(depth * swing) * (f0_hz / sample_rate)
    if instrument.detune_cents:
        offset = instrument.detune_cents / 2400 * np.log(2)
        voices = [cycles * (1 - offset), cycles * (1 + offset) + 0.37]
    else:
        voices = [cycles]
    note = np.stack([_read_tables(tables, phase, sample_rate) for phase in voices])

    if instrument.noise:
        hiss = _noise(*instrument.noise_hz, sample_rate)
        start = int(midi * 997) % sample_rate
        heard = min(count, int(6 * instrument.noise_s * sample_rate) or 7 * sample_rate)
        burst = instrument.noise * hiss[start : start + heard]
        if instrument.noise_s:
            burst = burst * np.exp(-time_s[:heard] / instrument.noise_s)
        note[:, :heard] += burst
    note *= velocity * _envelope(instrument, count, duration_s, sample_rate)
    return note
