"""Peaks against EBU Tech 3341 (true peak), crest factors and stereo images in closed form."""

import numpy as np
import pytest

from audio_assets.features.levels import dynamic_complexity, measure_levels, measure_stereo, true_peak
from tests.features.music import RATE, noise, sine


@pytest.mark.parametrize(
    ("periods_per_sample", "degrees", "amplitude", "dbtp"),
    [
        (1 / 4, 0, 0.5, -6),
        (1 / 4, 45, 0.5, -6),
        (1 / 6, 60, 0.5, -6),
        (1 / 8, 67.5, 0.5, -6),
        (1 / 4, 45, 1.41, 3),
    ],
    ids=["case 15", "case 16", "case 17", "case 18", "case 19"],
)
def test_true_peaks_of_tech_3341_are_within_its_tolerance(periods_per_sample, degrees, amplitude, dbtp):
    phase = 2 * np.pi * periods_per_sample * np.arange(48000) + np.deg2rad(degrees)
    fade = np.minimum(1, np.minimum(np.arange(48000), np.arange(48000)[::-1]) / 4800)
    tone = (amplitude * fade * np.sin(phase)).astype(np.float32)
    measured = measure_levels(np.stack([tone, tone]), 48000).true_peak_dbtp
    assert dbtp - 0.4 <= measured <= dbtp + 0.2


@pytest.mark.parametrize("offset", range(4))
def test_a_peak_between_samples_is_found_wherever_it_falls(offset):
    t = (np.arange(-2000, 2000) + offset / 4) / 48000
    pulse = np.sinc(2 * 10000 * t) * np.exp(-((t / 0.005) ** 2))
    assert 20 * np.log10(true_peak(pulse[None].astype(np.float32), 48000)) == pytest.approx(0, abs=0.2)


def test_a_signal_at_192_khz_needs_no_oversampling():
    samples = noise(0.1)[None]
    assert true_peak(samples, 192000) == np.abs(samples).max()


@pytest.mark.parametrize(("shape", "crest_db"), [("sine", 3.0103), ("square", 0), ("impulse", 46.44)])
def test_crest_factors_of_known_shapes(shape, crest_db):
    shapes = {"sine": sine(1000), "square": np.sign(sine(1000) + 1e-6), "impulse": np.eye(1, RATE)[0]}
    samples = shapes[shape].astype(np.float32)[None]
    assert measure_levels(samples, RATE).crest_factor_db == pytest.approx(crest_db, abs=0.01)


def test_the_crest_factor_does_not_depend_on_gain_and_the_peak_does():
    samples = noise(1)[None]
    loud, quiet = measure_levels(samples, RATE), measure_levels(samples / 10, RATE)
    assert loud.crest_factor_db == pytest.approx(quiet.crest_factor_db, abs=1e-4)
    assert loud.sample_peak_dbfs - quiet.sample_peak_dbfs == pytest.approx(20, abs=1e-4)


@pytest.mark.parametrize(
    ("right", "width", "correlation"),
    [("same", 0, 1), ("inverted", 1, -1), ("unrelated", 0.5, 0), ("half", 0.1, 1), ("silent", 0.5, None)],
)
def test_stereo_images_in_closed_form(right, width, correlation):
    left = noise(5, seed=1)
    rights = {
        "same": left,
        "inverted": -left,
        "unrelated": noise(5, seed=2),
        "half": left / 2,
        "silent": 0 * left,
    }
    image = measure_stereo(np.stack([left, rights[right]]))
    assert image.stereo_width == pytest.approx(width, abs=0.01)
    assert image.stereo_correlation == pytest.approx(correlation, abs=0.01)


def test_a_steady_tone_is_dynamically_simpler_than_a_beating_one():
    steady = sine(440, 10, 0.5)
    beating = steady * np.repeat(np.tile([1, 0.01], 10), RATE // 2).astype(np.float32)
    assert dynamic_complexity(steady) < 0.5
    assert dynamic_complexity(beating) > 5


def test_silence_has_no_level_no_image_and_no_dynamics():
    silence = np.zeros((2, 2 * RATE), np.float32)
    assert measure_levels(silence, RATE).true_peak_dbtp is None
    assert measure_stereo(silence).stereo_width is None
    assert dynamic_complexity(silence[0]) is None
