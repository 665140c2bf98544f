"""Level of four frequency bands: RMS after a Butterworth band-pass.

Bass 20-120 Hz, body 120-600 Hz, mid 600-2500 Hz, air 2500-22000 Hz, each of order 5, as second-order
sections at 44100 Hz. Levels are 20·log10(rms) dB; 0 dB is the RMS of a full-scale square wave.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from audio_assets.features.filters import filter_sections
from audio_assets.features.spectrogram import ANALYSIS_RATE, Float32

BANDS_HZ = {
    "bass": (20.0, 120.0),
    "body": (120.0, 600.0),
    "mid": (600.0, 2500.0),
    "air": (2500.0, 22000.0),
}
ORDER = 5
CHUNK = 1 << 16

QUIETEST_DB = -144.0
"""The step of 24 bits. A band below it holds nothing that was recorded."""


@dataclass(frozen=True)
class BandLevels:
    """Level of each band in dB; None below `QUIETEST_DB`."""

    rms_energy_bass_db: float | None
    rms_energy_body_db: float | None
    rms_energy_mid_db: float | None
    rms_energy_air_db: float | None


def measure_bands(samples: Float32) -> BandLevels:
    """Band levels of a mono signal at 44100 Hz.

    Shape:
        - samples: ``[n]``
    """
    if not samples.any():
        return BandLevels(None, None, None, None)
    return BandLevels(**{f"rms_energy_{band}_db": _level_db(samples, band) for band in BANDS_HZ})


def _level_db(samples: Float32, band: str) -> float | None:
    sections = _sections(band)
    state = np.zeros((len(sections), 2))
    energy = 0.0
    for start in range(0, len(samples), CHUNK):
        filtered, state = filter_sections(sections, samples[start : start + CHUNK], state)
        energy += float(filtered @ filtered)
    level_db = 10 * np.log10(energy / len(samples))
    return float(level_db) if level_db >= QUIETEST_DB else None


@lru_cache(maxsize=len(BANDS_HZ))
def _sections(band: str) -> NDArray[np.float64]:
    from scipy.signal import butter

    sections: NDArray[np.float64] = butter(ORDER, BANDS_HZ[band], "bandpass", fs=ANALYSIS_RATE, output="sos")
    return sections
