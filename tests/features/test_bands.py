"""Band levels of sinusoids, and of noise against its share of the spectrum."""

import numpy as np
import pytest

from audio_assets.features.bands import measure_bands
from tests.features.music import RATE, noise, sine

BANDS = {"bass": (20, 120), "body": (120, 600), "mid": (600, 2500), "air": (2500, 22000)}


@pytest.mark.parametrize("band", BANDS)
def test_a_sine_in_the_middle_of_a_band_has_its_own_rms_there_and_little_elsewhere(band):
    low, high = BANDS[band]
    levels = measure_bands(sine(np.sqrt(low * high), 5, 0.5))
    for other in BANDS:
        level = getattr(levels, f"rms_energy_{other}_db")
        if other == band:
            assert level == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.1)
        else:
            assert level < -35


@pytest.mark.parametrize("edge_hz", [120, 600, 2500])
def test_band_edges_are_three_decibels_down_on_either_side(edge_hz):
    levels = vars(measure_bands(sine(edge_hz, 5, np.sqrt(2))))
    assert sorted(levels.values())[-2:] == pytest.approx([-3, -3], abs=0.1)


def test_white_noise_is_shared_by_bandwidth():
    levels = measure_bands(noise(20, 1.0))
    for band, (low, high) in BANDS.items():
        share_db = 10 * np.log10((high - low) / (RATE / 2))
        assert getattr(levels, f"rms_energy_{band}_db") == pytest.approx(share_db, abs=0.3)


def test_an_empty_band_has_no_level():
    assert measure_bands(np.zeros(RATE, np.float32)).rms_energy_mid_db is None
    assert measure_bands(sine(10000, 1, 1e-6)).rms_energy_bass_db is None


def test_ten_times_the_amplitude_is_twenty_decibels():
    samples = noise(2)
    quiet, loud = vars(measure_bands(samples)).values(), vars(measure_bands(10 * samples)).values()
    np.testing.assert_allclose(np.subtract(list(loud), list(quiet)), 20, atol=1e-4)
