"""How good predicted times are.

Conventions: times are [n] seconds. What nothing can be said of is None.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class TimeMetrics:
    """How good predicted times are, in seconds.

    `baseline_mae_s` is the error of always answering the median of the truth: what to beat.
    """

    n_frames: int
    mae_s: float | None
    rmse_s: float | None
    baseline_mae_s: float | None


def time_metrics(predicted_s: npt.ArrayLike, true_s: npt.ArrayLike) -> TimeMetrics:
    """Errors of predicted times, [n] seconds each, both capped alike."""
    predicted = np.asarray(predicted_s, dtype=np.float64)
    true = np.asarray(true_s, dtype=np.float64)
    if predicted.shape != true.shape:
        raise ValueError(f"{predicted.shape} predicted and {true.shape} true times; wanted as many")
    if not len(true):
        return TimeMetrics(0, None, None, None)
    error = predicted - true
    return TimeMetrics(
        n_frames=len(true),
        mae_s=float(np.mean(np.abs(error))),
        rmse_s=float(np.sqrt(np.mean(error**2))),
        baseline_mae_s=float(np.mean(np.abs(true - np.median(true)))),
    )
