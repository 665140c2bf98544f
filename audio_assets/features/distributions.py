"""How values are distributed over a collection, and how they depend on one another.

Values are float64 arrays in which NaN stands for "not measured"; such values are left out, pair by pair
where two features are compared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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


def dependences(features: Mapping[str, Values]) -> list[Dependence]:
    """Every pair of features with at least five items that have both."""
    names = list(features)
    columns = [features[name] for name in names]
    if not columns:
        return []
    there = np.stack([~np.isnan(values) for values in columns], axis=1).astype(float)
    counts = (there.T @ there).astype(int)
    pearson = _correlations(columns)
    spearman = _correlations([_ranks(values) for values in columns])
    information = mutual_information(columns)
    found = []
    for j, second in enumerate(names):
        for i, first in enumerate(names[:j]):
            if counts[i, j] >= _MIN_PAIRS:
                varies = not np.isnan(pearson[i, j] + spearman[i, j])
                found.append(
                    Dependence(
                        first,
                        second,
                        int(counts[i, j]),
                        pearson=float(pearson[i, j]) if varies else None,
                        spearman=float(spearman[i, j]) if varies else None,
                        mutual_information_nats=float(information[i, j]) if varies else None,
                    )
                )
    return found


def _correlations(columns: Sequence[Values]) -> Values:
    """Correlation of every pair over the items that have both; NaN where one does not vary there."""
    values = np.stack(columns, axis=1)
    there = ~np.isnan(values)
    count = np.maximum(there.sum(axis=0), 1)
    known = np.where(there, values, 0.0)
    centred = np.where(there, known - known.sum(axis=0) / count, 0.0)
    scale = np.sqrt((centred**2).sum(axis=0) / count)
    scaled = centred / np.where(scale > 1e-12 * np.abs(known).max(axis=0), scale, np.inf)
    both = there.T.astype(float) @ there
    sums = scaled.T @ there  # of the first feature, over the items that have both
    covariance = scaled.T @ scaled - sums * sums.T / np.maximum(both, 1)
    variance = (scaled**2).T @ there - sums**2 / np.maximum(both, 1)
    product = np.sqrt(np.maximum(variance * variance.T, 0.0))
    varies = np.minimum(variance, variance.T) > 1e-9 * np.maximum(both, 1)  # less is rounding
    correlations: Values = np.clip(covariance / np.where(varies, product, 1.0), -1, 1)
    correlations[~varies] = np.nan
    return correlations


def mutual_information(columns: Sequence[Values]) -> Values:
    """Mutual information of every pair of features, nats, of the items that have both.

    From counts in bins that hold equally many values (at most 16, fewer for few items), with Miller and
    Madow's correction of the bias of entropies.

    Shape:
        - columns: each ``[items]``
        - result: ``[columns, columns]``
    """
    size = len(columns[0]) if columns else 0
    bins = int(np.clip(math.sqrt(size / 5), 2, 16))
    member = np.zeros((size, len(columns), bins), np.float32)
    for index, values in enumerate(columns):
        there = np.flatnonzero(~np.isnan(values))
        bin_of = ((_ranks(values)[there] - 0.5) / max(len(there), 1) * bins).astype(int)
        member[there, index, bin_of] = 1
    flat = member.reshape(size, -1)
    shape = (len(columns), bins, len(columns), bins)
    joint = (flat.T @ flat).astype(np.float64).reshape(shape).transpose(0, 2, 1, 3)
    count = np.maximum(joint.sum(axis=(2, 3)), 1)

    def entropy(counts: Values) -> Values:
        share = counts.reshape(*count.shape, -1) / count[..., None]
        logarithm = np.log(share, out=np.zeros_like(share), where=share > 0)
        nats: Values = ((share > 0).sum(axis=-1) - 1) / (2 * count) - (share * logarithm).sum(axis=-1)
        return nats

    mutual: Values = entropy(joint.sum(axis=3)) + entropy(joint.sum(axis=2)) - entropy(joint)
    return mutual.clip(min=0.0)


def _ranks(values: Values) -> Values:
    from scipy.stats import rankdata

    ranks: Values = rankdata(values, nan_policy="omit")
    return ranks
