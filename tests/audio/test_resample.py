"""Resampled sines against their closed form."""

import numpy as np
import pytest

from audio_assets.audio.resample import resample, resample_blocks
from tests.audio.synthesis import chirps, snr_db, tones


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (44_100, 16_000),
        (48_000, 44_100),
        (44_100, 48_000),
        (16_000, 24_000),
        (96_000, 22_050),
        (8_000, 48_000),
    ],
)
def test_a_sine_is_the_same_sine_at_another_rate(source, target):
    resampled = resample(tones(1.0, source), source, target)
    assert resampled.shape == (2, target)
    assert resampled.dtype == np.float32
    assert snr_db(tones(1.0, target), resampled, margin=target // 20) > 100


def test_what_the_lower_rate_cannot_hold_is_gone():
    t = np.arange(48_000) / 48_000
    resampled = resample(np.sin(2 * np.pi * 10_000 * t).astype(np.float32), 48_000, 16_000)
    assert np.abs(resampled[1_000:-1_000]).max() < 1e-5


@pytest.mark.parametrize("n", [1, 10, 441, 12_345])
@pytest.mark.parametrize(("source", "target"), [(44_100, 16_000), (44_100, 48_000), (16_000, 12_345)])
def test_the_length_is_scaled_and_rounded(n, source, target):
    resampled = resample(np.zeros((2, n), np.float32), source, target)
    assert abs(resampled.shape[1] - n * target / source) <= 0.5 + 1e-9


def test_the_same_rate_is_the_same_array():
    samples = tones(0.1)
    assert resample(samples, 44_100, 44_100) is samples


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("size", [100, 4_410, 100_000])
def test_a_stream_gives_what_the_whole_gives(channels, size):
    samples = chirps(2.0, channels=channels)
    blocks = [samples[:, start : start + size] for start in range(0, samples.shape[1], size)]
    streamed = np.concatenate(list(resample_blocks(blocks, 44_100, 16_000)), axis=1)
    np.testing.assert_allclose(streamed, resample(samples, 44_100, 16_000), atol=1e-6)


def test_nothing_resampled_is_nothing():
    assert list(resample_blocks([], 44_100, 16_000)) == []
