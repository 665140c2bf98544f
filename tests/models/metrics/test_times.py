"""Errors of predicted times."""

import math

import pytest

from models.metrics.times import time_metrics


def test_time_errors_have_their_closed_forms_beside_the_best_constant():
    found = time_metrics([1.0, 4.0, 9.0], [2.0, 2.0, 10.0])
    assert found.mae_s == pytest.approx(4 / 3)
    assert found.rmse_s == pytest.approx(math.sqrt(6 / 3))
    assert found.baseline_mae_s == pytest.approx(8 / 3)
    assert time_metrics([], []).mae_s is None
