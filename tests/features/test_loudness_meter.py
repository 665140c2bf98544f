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


@pytest.mark.parametrize(("quieter_lu", "is_heard"), [(11.0, True), (12.0, True), (13.5, False)])
def test_what_is_more_than_ten_units_below_the_rest_is_not_heard(quieter_lu, is_heard):
    """BS.1770's relative gate, 10 LU below the mean: equal halves, so that the mean is known in closed form.

    Halves of 1 and 10^(-d/10) have their mean 10 log10(2 / (1 + 10^(-d/10))) below the louder one: 2.68 LU with
    11 LU between them, so that the quieter is 8.3 LU below the mean, and 10.7 LU with 13.5.
    """
    rate = 48_000
    tone = np.sin(2 * np.pi * 997 * np.arange(20 * rate) / rate).astype(np.float32)
    loud, quiet = 0.1 * tone, 0.1 * 10 ** (-quieter_lu / 20) * tone
    alone = measure_loudness(np.stack([loud, loud]), rate).lufs
    together = measure_loudness(np.stack([np.concatenate([loud, quiet])] * 2), rate).lufs
    assert alone is not None and together is not None
    expected = 10 * np.log10((1 + 10 ** (-quieter_lu / 10)) / 2) if is_heard else 0.0
    assert together - alone == pytest.approx(expected, abs=0.1)
