"""How sure a metric is, given that there are only so many recordings."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Interval:
    """A bootstrap interval and in how many of the resamples the metric was defined."""

    low: float
    high: float
    n_defined: int


def bootstrap_interval(
    metric: Callable[[npt.NDArray[np.int64]], float | None],
    n_units: int,
    *,
    n_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval | None:
    """Percentile interval of a metric when recordings, not frames, are drawn with replacement.

    Frames of a recording are alike, so an interval over frames would be far too narrow.

    Args:
        metric: of [n_units] counts, how often each recording was drawn. For frame metrics pass
            `weights=counts[unit_of_frame]`, on frames sorted by probability for speed; for event
            metrics add up the counts of the recordings.
        n_units: to draw, and to draw from.
        n_resamples: how often.
        level: of confidence.
        seed: of the draws.

    Returns:
        The interval over the resamples in which the metric is defined; None if it never is.
    """
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(n_resamples if n_units else 0):
        drawn = rng.integers(n_units, size=n_units)
        value = metric(np.bincount(drawn, minlength=n_units))
        if value is not None:
            values.append(value)
    if not values:
        return None
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), len(values))
