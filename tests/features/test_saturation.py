"""Clipped and unclipped sinusoids."""

import numpy as np
import pytest

from audio_assets.features.saturation import FULL_SCALE, measure_saturation
from tests.features.music import RATE, noise, sine


def test_a_sine_at_full_scale_is_not_saturated():
    assert measure_saturation(sine(440)[None]).saturation_count == 0


@pytest.mark.parametrize("drive", [1.5, 2, 4])
def test_a_clipped_sine_is_saturated_twice_a_period_for_the_share_that_was_cut(drive):
    samples = np.clip(sine(50, 2, amplitude=drive), -1, 1)[None]
    saturation = measure_saturation(samples)
    assert saturation.saturation_count == 200
    assert saturation.saturation_ratio == pytest.approx(1 - 2 * np.arcsin(1 / drive) / np.pi, abs=0.003)


def test_two_samples_at_full_scale_are_no_run_and_three_are():
    samples = np.zeros((1, 100), np.float32)
    samples[0, 10:12] = 1
    assert measure_saturation(samples).saturation_count == 0
    samples[0, 12] = FULL_SCALE
    assert measure_saturation(samples).saturation_count == 1


def test_a_jump_from_one_rail_to_the_other_ends_a_run():
    samples = np.array([[0, 1, 1, 1, -1, -1, -1, 0]], np.float32)
    assert measure_saturation(samples).saturation_count == 2


def test_the_positive_peak_of_16_bits_is_full_scale():
    assert np.float32(32767 / 32768) >= FULL_SCALE


def test_channels_are_counted_together():
    channels = np.stack([np.ones(RATE), noise()]).astype(np.float32)
    saturation = measure_saturation(channels)
    assert (saturation.saturation_count, saturation.saturation_ratio) == (1, 0.5)
