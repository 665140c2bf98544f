"""Pictures of a collection: how features are distributed, and which go together."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence

import numpy as np

from audio_assets.features.distributions import OUTLIER_Z, Dependence, Values, robust_z

BLUE, RED, GREY = "#3b6ea8", "#c0392b", "#8a8f98"
COLUMNS = 6


def plot_distributions(features: Mapping[str, Values]) -> bytes:
    """A histogram for each feature, outliers in red, as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = max(1, math.ceil(len(features) / COLUMNS))
    figure = Figure(figsize=(2.4 * COLUMNS, 1.7 * rows))
    FigureCanvasAgg(figure)
    height = 1.7 * rows
    figure.subplots_adjust(
        left=0.02, right=0.98, bottom=0.3 / height, top=1 - 0.7 / height, hspace=0.6, wspace=0.15
    )
    axes = figure.subplots(rows, COLUMNS, squeeze=False).reshape(-1)
    for axis, (name, values) in zip(axes, features.items(), strict=False):
        there = values[~np.isnan(values)]
        axis.set_title(name, fontsize=8)
        axis.tick_params(labelsize=6, length=2)
        axis.set_yticks([])
        axis.spines[["top", "right", "left"]].set_visible(False)
        if not len(there):
            axis.text(0.5, 0.5, "not measured", ha="center", va="center", fontsize=7, color=GREY)
            axis.set_xticks([])
            continue
        counts, edges = np.histogram(there, bins=min(30, max(5, len(there) // 2)))
        far, _ = np.histogram(there[np.abs(robust_z(there)) > OUTLIER_Z], edges)
        axis.stairs(counts, edges, fill=True, color=BLUE)
        axis.stairs(np.where(far > 0, counts, 0), edges, fill=True, color=RED)
        axis.set_ylim(0, None)
        axis.axvline(float(np.median(there)), color="black", linewidth=0.8)
    for axis in axes[len(features) :]:
        axis.set_visible(False)
    title = "Features of the collection (line: median; red: holds outliers)"
    figure.suptitle(title, fontsize=10, y=1 - 0.25 / height)
    return _png(figure)


def plot_correlations(names: Sequence[str], found: Sequence[Dependence]) -> bytes:
    """Rank correlation of every pair as a matrix, as PNG; white where there is none."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    index = {name: n for n, name in enumerate(names)}
    matrix = np.full((len(names), len(names)), np.nan)
    np.fill_diagonal(matrix, 1.0)
    for pair in found:
        if pair.spearman is not None:
            a, b = index[pair.first], index[pair.second]
            matrix[a, b] = matrix[b, a] = pair.spearman
    size = max(4.0, 0.17 * len(names) + 2)
    figure = Figure(figsize=(size + 0.6, size), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    picture = axis.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1)
    axis.set_xticks(range(len(names)), names, rotation=90, fontsize=6)
    axis.set_yticks(range(len(names)), names, fontsize=6)
    axis.set_title("Rank correlation of features", fontsize=10)
    figure.colorbar(picture, ax=axis, shrink=0.6)
    return _png(figure)


def _png(figure: object) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)  # type: ignore[attr-defined]
    return buffer.getvalue()
