"""Specific loudness against the standard and against what defines the sone."""

from __future__ import annotations

import numpy as np
import pytest

from audio_assets.features.timbral.zwicker import (
    BARK,
    bell,
    core_loudness,
    specific_loudness,
    spread,
    third_octave_levels,
)

RATE = 48000
MACHINERY_DB = [
    *(-60, -60, 78, 79, 89, 72, 80, 89, 75, 87, 85, 79, 86, 80),
    *(71, 70, 72, 71, 72, 74, 69, 65, 67, 77, 68, 58, 45, 30),
]
"""Third-octave levels of test signal 1 of ISO 532-1, annex B.2."""


def loudness(levels_db):
    return spread(core_loudness(np.atleast_2d(np.array(levels_db, float))))


def tone(frequency_hz, level_db, frames=4):
    t = np.arange(4096 * frames) / RATE
    return np.sqrt(2) * 10 ** ((level_db - 100) / 20) * np.sin(2 * np.pi * frequency_hz * t)


def test_the_machinery_noise_of_the_standard_has_its_loudness():
    """83.296 sone, within the 5 % that the standard allows."""
    sone, _ = loudness(MACHINERY_DB)
    assert sone[0] == pytest.approx(83.296, rel=0.05)


def test_total_loudness_is_the_area_below_the_pattern():
    sone, pattern = loudness(MACHINERY_DB)
    assert np.trapezoid(pattern[0], BARK) == pytest.approx(sone[0], rel=0.02)


def test_a_band_at_1_khz_doubles_in_loudness_with_10_db():
    levels_db = np.full((4, 28), -60.0)
    levels_db[:, 16] = [50, 60, 70, 80]
    sone, _ = loudness(levels_db)
    assert sone[1:] / sone[:-1] == pytest.approx(2, rel=0.05)


def test_a_tone_of_1_khz_at_40_db_has_one_sone_near_8_and_a_half_bark():
    result = specific_loudness(tone(1000, 40), RATE)
    assert result.sone[1:4] == pytest.approx(1, rel=0.1)
    assert 8.5 <= BARK[result.pattern[1].argmax()] <= 9.3


@pytest.mark.parametrize("band", [10, 13, 16, 19, 22, 25])
def test_a_tone_has_its_level_in_its_third_octave_and_20_db_less_beside(band):
    centre_hz = 1000 * 2 ** ((band - 16) / 3)
    levels_db = third_octave_levels(tone(centre_hz, 70, frames=1).reshape(1, -1), RATE)[0]
    assert levels_db[band] == pytest.approx(70, abs=1.5)
    assert max(levels_db[band - 2], levels_db[band + 2]) < 50


def test_masking_spreads_upwards_not_downwards():
    _, pattern = loudness([-60.0] * 16 + [80.0] + [-60.0] * 11)
    sounding = np.flatnonzero(pattern[0])
    assert BARK[sounding[0]] >= 7.9
    assert BARK[sounding[-1]] >= 15


def test_silence_is_zero_sone_and_inaudible():
    result = specific_loudness(np.zeros(5000), RATE)
    assert len(result.sone) == 2
    assert not result.audible.any()
    assert not result.pattern.any()


def test_a_bell_is_one_in_its_middle_and_zero_outside():
    weights = bell(80, 240)
    assert (weights[160], weights[79], weights[80], weights.max()) == (1, 0, 0, 1)
