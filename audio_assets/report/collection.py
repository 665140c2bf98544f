"""Where a value stands in its collection: distributions, places, and outliers.

The collection is every item of a kind in the catalog, whichever pages are written. Outliers are those of
`audio_assets.features.distributions`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio_assets.engine.declare.tables import FLOAT, INTEGER, Column, ItemKind, Table
from audio_assets.engine.platform import Platform
from audio_assets.engine.state.reading import rows_by_item
from audio_assets.features.distributions import NO_QUANTITIES, OUTLIER_Z, robust_z

HISTOGRAM_BINS = 24

NOT_SHOWN = {"caption_facts", "tag_embeddings", "audio_fingerprints"}
"""Tables that other assets are made from: what they hold is shown there, or is nothing to look at."""

Feature = tuple[str, str]
"""Table and column."""


@dataclass(frozen=True)
class Distribution:
    """The values of one feature over a collection, sorted."""

    values: NDArray[np.float64]

    @cached_property
    def quantiles(self) -> tuple[float, float, float, float, float]:
        """5, 25, 50, 75 and 95 %."""
        five, lower, middle, upper, most = np.quantile(self.values, [0.05, 0.25, 0.5, 0.75, 0.95])
        return float(five), float(lower), float(middle), float(upper), float(most)

    @cached_property
    def axis(self) -> tuple[float, float]:
        """What a strip shows: all values, but no further than three interquartile ranges from the box."""
        _, lower, _, upper, _ = self.quantiles
        reach = 3 * (upper - lower)
        low, high = float(self.values[0]), float(self.values[-1])
        return (max(low, lower - reach), min(high, upper + reach)) if reach else (low, high)

    def place(self, value: float) -> float:
        """Where a value stands on the axis, 0..1."""
        low, high = self.axis
        return min(max((value - low) / (high - low), 0.0), 1.0) if high > low else 0.5

    def rank(self, value: float) -> float | None:
        """The share of the other values that are lower, ties half; None where there is no other."""
        others = len(self.values) - 1
        if others < 1:
            return None
        below = int(np.searchsorted(self.values, value, "left"))
        equal = int(np.searchsorted(self.values, value, "right")) - below - 1
        return (below + max(equal, 0) / 2) / others

    @cached_property
    def _scores(self) -> NDArray[np.float64]:
        return robust_z(self.values)

    def robust_z(self, value: float) -> float:
        """The robust z-score of one of the values; 0 where it cannot be told."""
        return float(self._scores[np.searchsorted(self.values, value)])

    def histogram(self) -> list[float]:
        """Heights of `HISTOGRAM_BINS` bars over the axis, the highest 1."""
        low, high = self.axis
        counts, _ = np.histogram(self.values.clip(low, high), HISTOGRAM_BINS, (low, high))
        heights = np.asarray(counts, np.float64)
        bars: list[float] = (heights / max(heights.max(), 1)).tolist()
        return bars


@dataclass(frozen=True)
class Outlier:
    """A value far from those of the others."""

    table: str
    column: Column
    value: float
    z: float


@dataclass(frozen=True)
class Collection:
    """The one-row tables of all items of a kind."""

    kind: ItemKind
    size: int
    tables: Sequence[Table]
    rows: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(repr=False)
    """Row by table and item."""

    @cached_property
    def distributions(self) -> dict[Feature, Distribution]:
        """Every number that some item has."""
        found = {}
        for table in self.tables:
            for column in filter(is_number, table.columns):
                known = [row[column.name] for row in self.rows[table.name].values()]
                values = np.array([value for value in known if value is not None], float)
                if len(values):
                    found[table.name, column.name] = Distribution(np.sort(values))
        return found

    def outliers(self, item: str) -> list[Outlier]:
        """The outliers among an item's values, farthest first."""
        found = []
        for table in self.tables:
            row = self.rows[table.name].get(item, {})
            for column in filter(is_number, table.columns):
                value = row.get(column.name)
                if value is not None:
                    z = self.distributions[table.name, column.name].robust_z(value)
                    if abs(z) > OUTLIER_Z:
                        found.append(Outlier(table.name, column, value, z))
        return sorted(found, key=lambda outlier: -abs(outlier.z))


def is_number(column: Column) -> bool:
    """Whether a column holds one number, whose distribution is worth a look."""
    return column.length is None and column.type in (FLOAT, INTEGER) and column.name not in NO_QUANTITIES


def read_collection(platform: Platform, kind: ItemKind, items: Sequence[str]) -> Collection:
    """The collection of a kind, whose items are `items`."""
    one_row = [a for a in platform.graph.assets if a.item is kind and a.table.rows == "one"]
    assets = [asset for asset in one_row if asset.name not in NOT_SHOWN]
    rows = {
        asset.name: {key: found[0] for key, found in rows_by_item(platform, asset.name, items).items()}
        for asset in assets
    }
    return Collection(kind, len(items), [asset.table for asset in assets], rows)
