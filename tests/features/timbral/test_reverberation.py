"""The blind estimate of the reverberation time on decays of known length."""

from __future__ import annotations

import numpy as np
import pytest

from audio_assets.features.timbral import measure_reverberation
from audio_assets.features.timbral.reverberation import rt60_s
from tests.features.timbral.signals import seconds

RATE = 44100


def decays(rt60, count=12):
    """Bursts of noise that fall by 60 dB in `rt60` seconds, one after the other."""
    t = seconds(0.9, RATE)
    noise = np.random.default_rng(0).laplace(size=(count, t.size))
    return (0.1 * noise * 10 ** (-3 * t / rt60)).ravel().astype(np.float32)


@pytest.mark.parametrize("rt60", [0.2, 0.3, 0.5, 0.8])
def test_the_decay_of_noise_bursts_is_read_to_60_ms(rt60):
    assert rt60_s(decays(rt60), RATE) == pytest.approx(rt60, abs=0.06)


def test_the_probability_is_the_logistic_function_of_the_estimate():
    samples = decays(0.8)
    estimate_s = rt60_s(samples, RATE)
    expected = 100 / (1 + np.exp(-(2.97126 * estimate_s - 1.45083)))
    assert measure_reverberation(samples, RATE) == pytest.approx(expected, abs=0.01)


def test_a_steady_tone_has_no_decay_to_estimate():
    assert measure_reverberation(np.sin(2 * np.pi * 440 * seconds(2, RATE)), RATE) is None


def test_a_fifth_of_a_second_is_too_short():
    assert rt60_s(decays(0.5)[: RATE // 5], RATE) is None
