"""Statistics of a collection against closed forms and SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from audio_assets.features.distribution_figures import plot_correlations, plot_distributions
from audio_assets.features.distributions import dependences, describe, robust_z

RNG = np.random.default_rng(0)


def test_a_distribution_leaves_out_what_is_not_measured():
    values = np.array([1, 2, 3, 4, np.nan, np.nan], float)
    found = describe(values)
    assert (found.count, found.missing_share) == (4, pytest.approx(1 / 3))
    assert (found.min, found.median, found.max, found.mean) == (1, 2.5, 4, 2.5)
    assert found.std == pytest.approx(np.std([1, 2, 3, 4]))


def test_a_feature_that_nobody_has_is_described_without_numbers():
    found = describe(np.full(3, np.nan))
    assert (found.count, found.missing_share, found.mean, found.outliers) == (0, 1.0, None, 0)
    assert describe(np.empty(0)).count == 0


def test_robust_z_is_the_z_score_of_a_normal_distribution_whatever_the_outliers():
    values = RNG.normal(5, 2, 20_000)
    values[:100] = 1e6
    z = robust_z(values)
    assert z[200:] == pytest.approx((values[200:] - 5) / 2, abs=0.15)
    assert (np.abs(z) > 3.5).sum() == pytest.approx(100 + 19_900 * 2 * stats.norm.sf(3.5), abs=12)


def test_equal_values_and_few_values_have_no_outliers():
    assert robust_z(np.array([1, 1, 1, 1, 9.0])).tolist() == [0] * 5
    assert describe(np.zeros(50)).outliers == 0


def test_where_most_values_are_equal_the_other_is_the_outlier():
    z = robust_z(np.array([0.0] * 49 + [5.0]))
    assert z[-1] == pytest.approx(1 / (1.2533 / 50)) and not z[:-1].any()


def test_quantities_that_are_alike_in_ratios_are_no_outliers():
    octaves = 100.0 * 2.0 ** np.arange(-5, 6)
    assert describe(octaves).outliers == 0
    assert describe(np.append(octaves, -1e5)).outliers > 0  # below 0 there are no ratios


@pytest.mark.parametrize("rho", [0.0, 0.6, -0.9])
def test_mutual_information_of_a_normal_pair_is_the_closed_form(rho):
    x, e = RNG.normal(size=(2, 1000))
    y = rho * x + math.sqrt(1 - rho**2) * e
    (found,) = dependences({"x": x, "y": y})
    assert found.mutual_information_nats == pytest.approx(-0.5 * math.log(1 - rho**2), abs=0.08)
    assert found.pearson == pytest.approx(stats.pearsonr(x, y).statistic)
    assert found.spearman == pytest.approx(stats.spearmanr(x, y).statistic)


def test_dependence_without_correlation_shows_in_mutual_information():
    x = RNG.normal(size=800)
    (found,) = dependences({"x": x, "y": x**2})
    assert abs(found.pearson) < 0.3
    assert found.mutual_information_nats > 1


def test_pairs_are_compared_on_the_items_that_have_both():
    x, y, z = RNG.normal(size=(3, 60))
    x[:20], y[10:30] = np.nan, np.nan
    found = {(d.first, d.second): d for d in dependences({"x": x, "y": y, "z": z})}
    assert {pair: d.count for pair, d in found.items()} == {("x", "y"): 30, ("x", "z"): 40, ("y", "z"): 40}
    alone = dependences({"x": x[30:], "y": y[30:]})
    assert found["x", "y"].pearson == pytest.approx(alone[0].pearson)


def test_constants_and_too_few_items_have_no_dependence():
    (found,) = dependences({"x": np.ones(10), "y": RNG.normal(size=10)})
    assert (found.pearson, found.spearman, found.mutual_information_nats) == (None, None, None)
    assert dependences({"x": np.arange(4.0), "y": np.arange(4.0)}) == []


def test_what_does_not_vary_where_both_are_measured_has_no_dependence():
    x, y = np.zeros(60), RNG.normal(size=60)
    x[:20] = RNG.normal(0.3, 0.1, 20)
    y[:20] = np.nan
    (found,) = dependences({"x": x, "y": y})
    assert (found.count, found.pearson, found.spearman) == (40, None, None)


def test_figures_are_drawn_of_anything():
    features = {"a": RNG.normal(size=50), "b": np.full(50, np.nan), "c": np.ones(50)}
    for png in (plot_distributions(features), plot_correlations(list(features), dependences(features))):
        assert png.startswith(b"\x89PNG")
    assert plot_distributions({}).startswith(b"\x89PNG")
