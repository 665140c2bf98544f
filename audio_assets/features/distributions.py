"""How values are distributed over a collection, and how they depend on one another.

Values are float64 arrays in which NaN stands for "not measured"; such values are left out, pair by pair
where two features are compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

OUTLIER_Z = 3.5
"""Robust z-score beyond which a value is an outlier (Iglewicz and Hoaglin, 1993)."""

FEWEST = 8
"""Among fewer values nothing is an outlier."""

LEAST_SPREAD = 1e-6
"""A median deviation that is a smaller share of the mean one says nothing of the spread."""

NO_QUANTITIES = frozenset({"tonic"})
"""Features that are names in numbers: pitch classes have no median."""

_MIN_PAIRS = 5
_MAX_PAIRS = 1000  # mutual information of more takes long and says little more


@dataclass(frozen=True)
class Distribution:
    """One feature over a collection; all but the counts are None if it was measured nowhere."""

    count: int
    missing_share: float
    mean: float | None
    std: float | None
    min: float | None
    p5: float | None
    p25: float | None
    median: float | None
    p75: float | None
    p95: float | None
    max: float | None
    outliers: int


@dataclass(frozen=True)
class Dependence:
    """How two features depend on each other; None where one of them does not vary."""

    first: str
    second: str
    count: int
    pearson: float | None
    spearman: float | None
    mutual_information_nats: float | None


def describe(values: Values) -> Distribution:
    """The distribution of one feature."""
    there = values[~np.isnan(values)]
    missing = 1 - len(there) / len(values) if len(values) else 0.0
    if not len(there):
        return Distribution(0, missing, None, None, None, None, None, None, None, None, None, 0)
    p5, p25, median, p75, p95 = np.percentile(there, [5, 25, 50, 75, 95]).tolist()
    return Distribution(
        count=len(there),
        missing_share=missing,
        mean=float(there.mean()),
        std=float(there.std()),
        min=float(there.min()),
        p5=p5,
        p25=p25,
        median=median,
        p75=p75,
        p95=p95,
        max=float(there.max()),
        outliers=int((np.abs(robust_z(there)) > OUTLIER_Z).sum()),
    )


def robust_z(values: Values) -> Values:
    """How far each value is from the median, in robust standard deviations; NaN stays NaN.

    The deviation is 1.4826 times the median absolute one, or 1.2533 times the mean absolute one where the
    median one is next to nothing, as when most values are equal. Quantities above 0 may be alike in ratios
    rather than differences (flatness, frequencies), so of the scores of the values and of their logarithms
    the nearer to 0 counts. All are 0 among fewer than `FEWEST` values, and among equal ones.
    """
    there = ~np.isnan(values)
    found = np.where(there, 0.0, np.nan)
    known = values[there]
    if len(known) < FEWEST:
        return found
    z = _robust_z(known)
    if known.min() > 0:
        of_logarithms = _robust_z(np.log(known))
        z = np.where(np.abs(of_logarithms) < np.abs(z), of_logarithms, z)
    found[there] = z
    return found


def _robust_z(values: Values) -> Values:
    deviations = values - np.median(values)
    typical = 1.4826 * float(np.median(np.abs(deviations)))
    mean = 1.2533 * float(np.abs(deviations).mean())
    scale = typical if typical > LEAST_SPREAD * mean else mean
    return deviations / scale if scale > 1e-12 * np.abs(values).max() else np.zeros(len(values))


def dependences(features: Mapping[str, Values], seed: int = 0) -> list[Dependence]:
    """Every pair of features with at least five items that have both.

    Mutual information is the nearest-neighbour estimate (Kraskov, Stögbauer and Grassberger, 2004), of at
    most 1000 items drawn by `seed`.
    """
    names = list(features)
    found = []
    for column, second in enumerate(names):
        there = ~np.isnan(features[second])
        alike: dict[bytes, list[str]] = {}  # estimated together: they are measured on the same items
        for first in names[:column]:
            both = there & ~np.isnan(features[first])
            if both.sum() >= _MIN_PAIRS:
                alike.setdefault(both.tobytes(), []).append(first)
        for mask, firsts in alike.items():
            both = np.frombuffer(mask, bool)
            found += _dependences(
                {n: features[n][both] for n in firsts}, second, features[second][both], seed
            )
    return found


def _dependences(firsts: Mapping[str, Values], second: str, y: Values, seed: int) -> list[Dependence]:
    varying = {name: x for name, x in firsts.items() if np.ptp(x) > 0 and np.ptp(y) > 0}
    information = _mutual_information(varying, y, seed) if varying else {}
    return [
        Dependence(
            name,
            second,
            len(y),
            pearson=_correlation(x, y) if name in varying else None,
            spearman=_correlation(_ranks(x), _ranks(y)) if name in varying else None,
            mutual_information_nats=information.get(name),
        )
        for name, x in firsts.items()
    ]


def _correlation(x: Values, y: Values) -> float:
    return float(np.clip(np.corrcoef(x, y)[0, 1], -1, 1))


def _ranks(values: Values) -> Values:
    from scipy.stats import rankdata

    ranks: Values = rankdata(values)
    return ranks


def _mutual_information(features: Mapping[str, Values], y: Values, seed: int) -> dict[str, float]:
    from sklearn.feature_selection import mutual_info_regression

    x = np.stack(list(features.values()), axis=1)
    if len(y) > _MAX_PAIRS:
        drawn = np.random.default_rng(seed).choice(len(y), _MAX_PAIRS, replace=False)
        x, y = x[drawn], y[drawn]
    nats = mutual_info_regression(x, y, n_neighbors=min(3, len(y) - 1), random_state=seed)
    return dict(zip(features, nats.tolist(), strict=True))
