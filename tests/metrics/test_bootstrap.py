"""Bootstrap intervals over episodes."""

import math

import numpy as np
import pytest

from audio_assets.metrics.bootstrap import bootstrap_interval
from models.metrics.frames import average_precision


def test_the_bootstrap_of_a_mean_agrees_with_the_normal_interval():
    values = np.random.default_rng(0).normal(5, 2, size=200)
    found = bootstrap_interval(
        lambda counts: float(np.average(values, weights=counts)), len(values), n_resamples=4000
    )
    margin = 1.96 * values.std() / math.sqrt(len(values))
    assert found.low == pytest.approx(values.mean() - margin, abs=0.03)
    assert found.high == pytest.approx(values.mean() + margin, abs=0.03)
    assert found.n_defined == 4000


def test_the_bootstrap_draws_whole_episodes():
    # Frames of an episode are equal, so 3 episodes of 1000 frames tell no more than 3 frames.
    p, y = np.repeat([0.9, 0.4, 0.6], 1000), np.repeat([1, 0, 0], 1000)
    episode = np.repeat([0, 1, 2], 1000)
    found = bootstrap_interval(lambda counts: average_precision(p, y, counts[episode]), 3)
    # Episode 0 is missing from (2/3)^3 of the draws, in which there is no positive.
    assert found.n_defined == pytest.approx(1000 * (1 - 8 / 27), abs=50)
    assert (found.low, found.high) == (1, 1)


def test_the_bootstrap_is_reproducible_and_undefined_for_nothing():
    values = np.random.default_rng(0).random(20)

    def mean(counts):
        return float(np.average(values, weights=counts))

    assert bootstrap_interval(mean, 20, seed=1) == bootstrap_interval(mean, 20, seed=1)
    assert bootstrap_interval(mean, 20, seed=1) != bootstrap_interval(mean, 20, seed=2)
    assert bootstrap_interval(mean, 0) is None
    assert bootstrap_interval(lambda counts: None, 20) is None
