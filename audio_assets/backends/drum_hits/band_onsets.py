"""Bass drum, snare and hi-hat from the rises of level in bands of a drum stem; no weights, no download.

The stem's level is read in four bands, 100 times a second. A class has a hit where its band rises by some
decibels within 30 ms and is then not much below the loud parts of the stem in that band. A snare is told
from a hi-hat by being no brighter, from a bass drum by having noise. Toms and cymbals are not told.

The constants were set on the synthetic demo corpus; see `docs/benchmarks.md` for what they reach there.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import NDArray

from audio_assets.audio.downmix import Samples
from audio_assets.backends.drum_hits import SAMPLE_RATE, DrumHit
from audio_assets.features.spectrogram import power_blocks

Float64 = NDArray[np.float64]
Frames = NDArray[np.intp]

FRAME_LENGTH = 2048
HOP_LENGTH = 441
FRAME_RATE = SAMPLE_RATE / HOP_LENGTH

LATENCY_S = 0.007
"""How much later than a stroke its rise is steepest; on the demo corpus."""

KICK, SHELL, NOISE, TREBLE = range(4)
BANDS_HZ = ((30.0, 110.0), (150.0, 400.0), (1000.0, 5000.0), (8000.0, 16000.0))

RANGE_DB = 40.0
"""Levels are read down to this far below the loudest half per cent of the frames."""

SILENCE = 1e-9
"""Power (-90 dBFS) below which the loudest of a band holds no hits."""

RISE_FRAMES = 3
NEAR_FRAMES = 3
"""A hit rises the most of three frames (30 ms) on either side, and its level is the highest among them."""

LATER_FRAMES = 5
"""What a drum sounds like is heard this much later, when the click of a beater is over."""

KICK_RISE_DB, KICK_LEVEL_DB = 8.0, -9.0
SNARE_RISE_DB, SNARE_LEVEL_DB = 7.0, -8.0
HAT_RISE_DB, HAT_LEVEL_DB = 8.0, -14.0

SHELL_SHARE = 0.3
"""Weight of the shell's rise beside the noise's in that of a snare."""

SNARE_BRIGHTEST_DB = 3.0
"""By so much the treble of a snare may be above its noise."""

SNARE_NOISE_DB = -20.0
"""The noise of a snare is no further below the bass."""


class BandOnsets:
    """Onsets of bass drum (35), snare drum (38) and hi-hat (42) in bands."""

    name = "band-onsets"
    revision = "1"
    licence = "Apache-2.0"

    def hits(self, drums: Samples) -> list[DrumHit]:
        """As `DrumTranscriber.hits`."""
        level = band_levels_db(drums)
        relative = np.stack([_relative_db(level[:, band]) for band in range(len(BANDS_HZ))], axis=1)
        before = np.pad(relative, ((RISE_FRAMES, 0), (0, 0)), constant_values=-RANGE_DB)[:-RISE_FRAMES]
        rise = np.maximum(relative - before, 0)
        loud = scipy.ndimage.maximum_filter1d(relative, 2 * NEAR_FRAMES + 1, axis=0)
        snare_rise = SHELL_SHARE * rise[:, SHELL] + (1 - SHELL_SHARE) * rise[:, NOISE]
        found = {
            35: _picked(rise[:, KICK], KICK_RISE_DB, loud[:, KICK] > KICK_LEVEL_DB),
            38: _picked(snare_rise, SNARE_RISE_DB, (loud[:, NOISE] > SNARE_LEVEL_DB) & _like_a_snare(level)),
            42: _picked(rise[:, TREBLE], HAT_RISE_DB, loud[:, TREBLE] > HAT_LEVEL_DB),
        }
        bands = {35: KICK, 38: NOISE, 42: TREBLE}
        hits = [
            DrumHit(
                max(0.0, frame / FRAME_RATE - LATENCY_S),
                midi,
                min(1.0, 1 + float(loud[frame, bands[midi]]) / RANGE_DB),
            )
            for midi, frames in found.items()
            for frame in frames.tolist()
        ]
        return sorted(hits, key=lambda hit: (hit.time_s, hit.midi))


def band_levels_db(samples: Samples) -> Float64:
    """Level of each of `BANDS_HZ` in dB.

    Shape:
        - samples: ``[n]`` at `SAMPLE_RATE`
        - Output: ``[frames, 4]`` at `FRAME_RATE`
    """
    hz = np.arange(FRAME_LENGTH // 2 + 1) * SAMPLE_RATE / FRAME_LENGTH
    bands = [slice(*np.searchsorted(hz, edges)) for edges in BANDS_HZ]
    blocks = power_blocks(samples, FRAME_LENGTH, HOP_LENGTH)
    parts = [np.stack([power[:, band].sum(axis=1) for band in bands], axis=1) for power in blocks]
    return 10 * np.log10(np.concatenate(parts).astype(np.float64) + 1e-12)


def _relative_db(level_db: Float64) -> Float64:
    """A band's level relative to its loud frames, at least ``-RANGE_DB``; that everywhere if it is silent."""
    loudest = float(np.percentile(level_db, 99.5))
    if loudest < 10 * np.log10(SILENCE):
        return np.full(len(level_db), -RANGE_DB)
    return np.maximum(level_db - loudest, -RANGE_DB)


def _picked(rise: Float64, threshold_db: float, eligible: NDArray[np.bool_]) -> Frames:
    """The frames whose rise is the highest around and above a threshold."""
    highest = scipy.ndimage.maximum_filter1d(rise, 2 * NEAR_FRAMES + 1, mode="constant")
    return np.flatnonzero((rise == highest) & (rise > threshold_db) & eligible)


def _like_a_snare(level_db: Float64) -> NDArray[np.bool_]:
    later = scipy.ndimage.uniform_filter1d(level_db, 4, axis=0, mode="nearest")
    later = np.concatenate([later[LATER_FRAMES:], np.repeat(later[-1:], LATER_FRAMES, axis=0)])[: len(later)]
    peak = scipy.ndimage.maximum_filter1d(level_db, 2 * NEAR_FRAMES + 1, axis=0)
    dull = later[:, TREBLE] - later[:, NOISE] < SNARE_BRIGHTEST_DB
    like: NDArray[np.bool_] = dull & (peak[:, NOISE] - peak[:, KICK] > SNARE_NOISE_DB)
    return like
