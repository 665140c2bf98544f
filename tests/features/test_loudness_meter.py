"""Loudness block by block is that of the whole."""

import numpy as np
import pytest

from audio_assets.features.loudness import LoudnessMeter, measure_loudness


@pytest.mark.parametrize("rate", [8000, 44100, 48000, 22255])
@pytest.mark.parametrize("size", [1000, 4410, 100_003])
def test_blocks_of_any_size_have_the_loudness_of_the_whole(rate, size):
    rng = np.random.default_rng(0)
    swell = np.repeat(rng.uniform(0.001, 0.2, 25), rate // 2)
    samples = (rng.normal(0, 1, (2, len(swell))) * swell).astype(np.float32)
    meter = LoudnessMeter(rate)
    for start in range(0, samples.shape[1], size):
        meter.add(samples[:, start : start + size])
    whole = measure_loudness(samples, rate)
    assert meter.loudness().lufs == pytest.approx(whole.lufs, abs=1e-9)
    assert meter.loudness().lra == pytest.approx(whole.lra, abs=1e-9)


def test_nothing_and_less_than_a_block_have_no_loudness():
    meter = LoudnessMeter(44100)
    assert meter.loudness().lufs is None
    meter.add(np.full((2, 1000), 0.5, np.float32))
    assert meter.loudness().lufs is None
    assert meter.loudness().lra is None
