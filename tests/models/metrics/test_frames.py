"""Frame metrics against scikit-learn, closed forms, and data that cannot answer."""

import math
from dataclasses import asdict

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics
from sklearn.calibration import calibration_curve

from models.metrics.frames import (
    auroc,
    average_precision,
    best_threshold,
    confusion_matrix,
    expected_calibration_error,
    frame_metrics,
    precision_recall_curve,
    reliability_curve,
)

ALL_NEGATIVE = ([0.1, 0.2, 0.7], [0, 0, 0])
ALL_POSITIVE = ([0.1, 0.2, 0.7], [1, 1, 1])
EMPTY = ([], [])


def frames(seed, decimals=None):
    """Frames with one positive in ten; rounding makes ties."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(500) < 0.1).astype(float)
    probabilities = 1 / (1 + np.exp(-(rng.standard_normal(500) + 2 * labels - 1)))
    return (probabilities if decimals is None else probabilities.round(decimals)), labels


@pytest.mark.parametrize("decimals", [None, 1])
@pytest.mark.parametrize("seed", range(5))
def test_frame_metrics_agree_with_scikit_learn(seed, decimals):
    p, y = frames(seed, decimals)
    found, called = frame_metrics(p, y, threshold=0.4), p >= 0.4
    wanted = {
        "base_rate": y.mean(),
        "auprc": sklearn_metrics.average_precision_score(y, p),
        "auroc": sklearn_metrics.roc_auc_score(y, p),
        "precision": sklearn_metrics.precision_score(y, called),
        "recall": sklearn_metrics.recall_score(y, called),
        "f1": sklearn_metrics.f1_score(y, called),
        "mcc": sklearn_metrics.matthews_corrcoef(y, called),
        "brier": sklearn_metrics.brier_score_loss(y, p),
    }
    assert {name: getattr(found, name) for name in wanted} == pytest.approx(wanted, abs=1e-12)
    tn, fp, fn, tp = sklearn_metrics.confusion_matrix(y, called).ravel()
    assert (found.tn, found.fp, found.fn, found.tp) == (tn, fp, fn, tp)


@pytest.mark.parametrize("decimals", [None, 1])
def test_weighted_ranking_metrics_agree_with_scikit_learn(decimals):
    p, y = frames(0, decimals)
    w = np.random.default_rng(1).integers(0, 4, len(y))
    wanted = sklearn_metrics.average_precision_score(y, p, sample_weight=w)
    assert average_precision(p, y, w) == pytest.approx(wanted, abs=1e-12)
    wanted = sklearn_metrics.roc_auc_score(y, p, sample_weight=w)
    assert auroc(p, y, w) == pytest.approx(wanted, abs=1e-12)


def test_the_precision_recall_curve_agrees_with_scikit_learn():
    p, y = frames(3, 2)
    curve = precision_recall_curve(p, y)
    precision, recall, threshold = sklearn_metrics.precision_recall_curve(y, p)
    np.testing.assert_allclose(curve.precision[::-1], precision[:-1])
    np.testing.assert_allclose(curve.recall[::-1], recall[:-1])
    np.testing.assert_allclose(curve.threshold[::-1], threshold)


def test_the_reliability_curve_agrees_with_scikit_learn():
    p, y = frames(4)
    curve = reliability_curve(p, y, n_bins=10)
    positive_rate, probability = calibration_curve(y, p, n_bins=10)
    np.testing.assert_allclose(curve.positive_rate, positive_rate)
    np.testing.assert_allclose(curve.probability, probability)
    assert curve.count.sum() == len(y)


def test_a_constant_prediction_is_miscalibrated_by_its_distance_from_the_base_rate():
    assert expected_calibration_error([0.7] * 4, [1, 1, 0, 0]) == pytest.approx(0.2)
    assert expected_calibration_error([1.0, 0.0], [1, 0]) == 0


def test_chance_scores_the_base_rate_and_perfection_one():
    labels = np.arange(1000) % 50 == 0
    assert average_precision(np.full(1000, 0.3), labels) == pytest.approx(0.02)
    assert auroc(np.full(1000, 0.3), labels) == 0.5
    assert average_precision(labels * 0.9, labels) == auroc(labels * 0.9, labels) == 1


def test_the_threshold_is_the_grid_point_of_the_highest_f1():
    p, y = frames(5)
    grid = np.linspace(0, 1, 100)
    f1 = [sklearn_metrics.f1_score(y, p >= t, zero_division=0) for t in grid]
    assert best_threshold(p, y) == grid[int(np.argmax(f1))]


def test_without_positives_only_what_can_be_known_is_given():
    found = frame_metrics(*ALL_NEGATIVE)
    assert (found.auprc, found.auroc, found.recall, found.mcc) == (None,) * 4
    assert (found.base_rate, found.precision, found.f1) == (0, 0, 0)
    assert found.brier == pytest.approx((0.01 + 0.04 + 0.49) / 3)
    quiet = frame_metrics([0.1, 0.2], [0, 0])
    assert (quiet.precision, quiet.f1) == (None, None)
    assert best_threshold(*ALL_NEGATIVE) is precision_recall_curve(*ALL_NEGATIVE) is None


def test_without_negatives_ranking_is_perfect_and_auroc_undefined():
    found = frame_metrics(*ALL_POSITIVE)
    assert (found.auprc, found.auroc, found.mcc) == (1, None, None)
    assert (found.precision, found.recall) == (1, pytest.approx(1 / 3))


def test_nothing_has_no_metrics():
    found = asdict(frame_metrics(*EMPTY))
    assert {name for name, value in found.items() if value is not None} == {
        "n_frames", "threshold", "tp", "fp", "fn", "tn"
    }  # fmt: skip
    assert best_threshold(*EMPTY) is None


@pytest.mark.parametrize("data", [ALL_NEGATIVE, ALL_POSITIVE, EMPTY, ([0.5], [1]), ([0.5], [0])])
@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.0])
def test_no_metric_is_ever_nan(data, threshold):
    values = asdict(frame_metrics(*data, threshold)).values()
    assert not any(value is not None and math.isnan(value) for value in values)


def test_millions_of_frames_do_not_overflow_the_correlation():
    labels = np.repeat([1, 0], [2_000_000, 4_000_000])
    confusion = confusion_matrix(labels * 0.8, labels, 0.5)
    assert confusion.mcc == pytest.approx(1)


@pytest.mark.parametrize(
    ("p", "y", "named"),
    [
        ([0.1, np.nan], [0, 1], "score nan of frame 1"),
        ([0.1, 1.2], [0, 1], r"score 1\.2 of frame 1"),
        ([0.1, 0.2], [0, 2], "labels hold 2"),
        ([0.1], [0, 1], "wanted"),
    ],
)
def test_what_is_no_probability_or_no_label_is_refused(p, y, named):
    with pytest.raises(ValueError, match=named):
        frame_metrics(p, y)
