"""The index: items of a kind as a list, those that need a look first, and figures of their collection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from audio_assets.report.collection import Collection, Distribution, Outlier
from audio_assets.report.page import Page, number
from audio_assets.report.timeline import clock

COLUMNS = (
    ("tempo", "bpm", "bpm"),
    ("tonal", "key", "key"),
    ("loudness", "lufs", "LUFS"),
    ("loudness", "lra", "range, LU"),
    ("timbre", "brightness", "brightness"),
    ("high_level", "danceability", "danceability"),
)
"""Table, column and heading of what the list shows of each item, where its kind has them."""

FIGURES = (
    ("tempo", "bpm"),
    ("loudness", "lufs"),
    ("onsets", "onset_density_hz"),
    ("rhythm", "syncopation"),
    ("timbre", "brightness"),
    ("timbre", "warmth"),
    ("high_level", "danceability"),
    ("spectral", "spectral_centroid_hz"),
)


@dataclass(frozen=True)
class Cell:
    """A value in the list: how it is printed, and what it is sorted by."""

    text: str
    order: str


@dataclass(frozen=True)
class Entry:
    """An item in the list."""

    page: Page
    outliers: Sequence[Outlier]
    cells: Sequence[Cell]

    @property
    def status(self) -> str:
        """``failed``, ``outlier`` or ``ok``."""
        return "failed" if self.page.failures else "outlier" if self.outliers else "ok"


@dataclass(frozen=True)
class Figure:
    """The distribution of a feature, as bars."""

    name: str
    doc: str
    bars: Sequence[float]
    low: str
    high: str
    median: str
    missing: int


@dataclass(frozen=True)
class Shelf:
    """All of a kind."""

    kind: str
    title: str
    facts: Sequence[tuple[str, str]]
    headings: Sequence[str]
    entries: Sequence[Entry]
    figures: Sequence[Figure]


def shelf_of(pages: Sequence[Page], collection: Collection) -> Shelf:
    """The list of `pages`: failed ones first, then outliers by how far they lie, then by title."""
    columns = [c for c in COLUMNS if c[0] in collection.rows]
    entries = [_entry(page, columns, collection) for page in pages]
    return Shelf(
        kind=collection.kind.name,
        title=collection.kind.plural.capitalize(),
        facts=_facts(pages, collection),
        headings=[heading for *_, heading in columns],
        entries=sorted(entries, key=_urgency),
        figures=[
            _figure(table, name, collection.distributions[table, name], collection)
            for table, name in FIGURES
            if len(getattr(collection.distributions.get((table, name)), "values", ())) > 1
        ],
    )


def _urgency(entry: Entry) -> tuple[Any, ...]:
    farthest = abs(entry.outliers[0].z) if entry.outliers else 0.0
    return (not entry.page.failures, -farthest, entry.page.title.casefold(), entry.page.item.key)


def _entry(page: Page, columns: Sequence[tuple[str, str, str]], collection: Collection) -> Entry:
    cells = []
    for table, name, _ in columns:
        row = collection.rows[table].get(page.item.key, {})
        value = row.get(name)
        if name == "key" and value is not None:
            value = f"{value} {row.get('scale') or ''}".strip()
        if isinstance(value, int | float):
            cells.append(Cell(number(value), repr(float(value))))
        else:
            cells.append(Cell(value or "–", value or ""))
    return Entry(page, collection.outliers(page.item.key), cells)


def _facts(pages: Sequence[Page], collection: Collection) -> list[tuple[str, str]]:
    outcomes = Counter(entry["outcome"] for page in pages for entry in page.lineage)
    facts = [(collection.kind.plural, str(len(pages)))]
    if collection.size != len(pages):
        facts.append(("in the collection", str(collection.size)))
    facts.append(("length", clock(sum(page.item.size for page in pages))))
    facts += [(f"values {name.replace('_', ' ')}", number(count)) for name, count in sorted(outcomes.items())]
    return facts


def _figure(table: str, name: str, distribution: Distribution, collection: Collection) -> Figure:
    declared = next(t for t in collection.tables if t.name == table)
    column = next(c for c in declared.columns if c.name == name)
    low, high = distribution.axis
    unit = f" {column.unit}" if column.unit else ""
    return Figure(
        name=name,
        doc=column.doc,
        bars=distribution.histogram(),
        low=number(low) + unit,
        high=number(high) + unit,
        median=number(distribution.quantiles[2]) + unit,
        missing=collection.size - len(distribution.values),
    )
