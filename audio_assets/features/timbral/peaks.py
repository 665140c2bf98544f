"""Peaks that stand out: local maxima with a valley deep enough on both sides.

The rule is that of `mirpeaks` in MIRtoolbox (Lartillot & Toiviainen, 2007), run on all rows at once. Scanning
upwards, a maximum is kept once the curve has risen to it by `contrast` from the last valley, and has fallen
by as much again; a maximum before the fall takes over if it is higher.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Curves = NDArray[np.floating]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Peaks:
    """Peaks in order of row, then bin.

    Shape: every array is ``[peaks]``.
    """

    row: Indices
    bin: Indices
    position: Float64
    """Vertex, in bins, of the parabola through the peak and its neighbours."""
    height: Float64
    """The parabola there."""


def find_peaks(curves: Curves, contrast: float, lowest: float = 0.0) -> Peaks:
    """Peaks that reach `lowest + contrast` and stand out by `contrast`. The ends of a row count as valleys.

    Shape:
        - curves: ``[rows, bins]``
    """
    rising = np.ones(curves.shape, dtype=bool)
    np.greater(curves[:, 1:], curves[:, :-1], out=rising[:, 1:])
    maximum = curves >= lowest + contrast
    maximum &= rising
    maximum[:, :-1] &= ~rising[:, 1:]
    row, column = np.nonzero(maximum)
    if row.size:
        chosen = _contrasting(curves, row, column, contrast)
        row, column = row[chosen], column[chosen]
    position, height = _parabola(curves, row, column)
    return Peaks(row, column, position, height)


def _contrasting(curves: Curves, row: Indices, column: Indices, contrast: float) -> NDArray[np.bool_]:
    """Which of the local maxima (ordered by row, then column) to keep, a maximum of every row at a time."""
    heights = curves[row, column]
    valleys = _valleys(curves, row, column)
    first = np.flatnonzero(np.diff(row, prepend=-1))
    count = np.diff(first, append=row.size)
    order = np.argsort(-count, kind="stable")
    first, count = first[order], count[order]

    candidate = first.copy()
    top = heights[first]
    valley_before = np.full_like(top, -np.inf)
    valley_after = np.full_like(top, np.inf)
    chosen = np.zeros(row.size, dtype=bool)
    for step in range(1, int(count[0])):
        n = int(np.searchsorted(-count, -step))  # rows with a maximum left
        here = first[:n] + step
        height = heights[here]
        after = np.minimum(valley_after[:n], valleys[here])
        notched = top[:n] - after >= contrast
        stands_out = notched & (top[:n] - valley_before[:n] >= contrast)
        chosen[candidate[:n][stands_out]] = True
        moved = notched | (height > top[:n])
        valley_before[:n] = np.where(stands_out, after, np.minimum(valley_before[:n], after))
        valley_after[:n] = np.where(moved, np.inf, after)
        candidate[:n] = np.where(moved, here, candidate[:n])
        top[:n] = np.where(moved, height, top[:n])
    chosen[candidate[top - valley_before >= contrast]] = True
    return chosen


def _valleys(curves: Curves, row: Indices, column: Indices) -> Curves:
    """Lowest value between each maximum and the one before it; of no meaning for the first of a row."""
    flat = row * curves.shape[1] + column
    if flat.size == 1:
        return np.zeros_like(curves[0, :1])
    bounds = np.stack([flat[:-1], flat[1:] - 1], axis=1).ravel()
    return np.insert(np.minimum.reduceat(curves.ravel(), bounds)[::2], 0, 0)


def _parabola(curves: Curves, row: Indices, column: Indices) -> tuple[Float64, Float64]:
    position = column.astype(np.float64)
    height = curves[row, column].astype(np.float64)
    inner = (column > 0) & (column < curves.shape[1] - 1)
    row, column = row[inner], column[inner]
    before, peak, after = (curves[row, column + k].astype(np.float64) for k in (-1, 0, 1))
    offset = (after - before) / (2 * (2 * peak - after - before))
    position[inner] += offset
    height[inner] = peak + 0.25 * (after - before) * offset
    return position, height
