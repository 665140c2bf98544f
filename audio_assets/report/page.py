"""What an item's page shows, gathered from its rows: headline, features, texts, tags, lineage.

Columns decide how they are shown: a number gets its unit and its place in the collection, a list of up to
`MOST_BARS` numbers bars, a long text a paragraph. Tables with times are on the time line (`timeline`),
tables of many rows without are lists; keys of objects are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from audio_assets.audio.decode import readable
from audio_assets.engine.declare.tables import BOOLEAN, OBJECT, TEXT, Column, Item, Table
from audio_assets.ingest.uris import from_uri
from audio_assets.report.collection import Collection, Distribution, is_number
from audio_assets.report.timeline import Lane, clock

Row = Mapping[str, Any]

MOST_BARS = 12
LONG_TEXT = 60
MOST_LIST_ROWS = 60
NOTES = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")
BAR_NAMES = {
    "chroma": NOTES,
    "hpcp": NOTES,
    "tiv": tuple(f"{part}{k}" for k in range(1, 7) for part in ("R", "I")),
}
"""What stands below the bars of these columns; numbers below others."""

HEADLINE = (("tempo", "bpm"), ("tonal", "key"), ("loudness", "lufs"))


@dataclass(frozen=True)
class Strip:
    """A value's place in its collection, in percent of a strip's width."""

    at: float
    whisker: tuple[float, float]
    box: tuple[float, float]
    median: float
    rank: int | None
    """Percent of the other items that are lower."""
    text: str
    z: float | None


@dataclass(frozen=True)
class Value:
    """One column of one row, ready to print."""

    column: Column
    text: str
    is_missing: bool = False
    strip: Strip | None = None
    bars: Sequence[tuple[str, float, str]] = ()
    """Label, height -1..1, and value of each bar."""
    is_long: bool = False


@dataclass(frozen=True)
class Family:
    """A table's values."""

    table: Table
    values: Sequence[Value]
    reason: str = ""
    """Why there are none."""


@dataclass(frozen=True)
class Listing:
    """A table of many rows without times."""

    table: Table
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    count: int


@dataclass(frozen=True)
class Tag:
    """A label and how probable it is."""

    label: str
    probability: float


@dataclass
class Page:
    """All of an item's page besides its sound."""

    item: Item
    kind: str
    title: str
    subtitle: str
    facts: Sequence[tuple[str, str]]
    failures: Sequence[Row]
    lineage: Sequence[Row]
    families: list[Family] = field(default_factory=list)
    without_value: list[tuple[str, str]] = field(default_factory=list)
    """Tables, each with why it has no row for the item; those that failed are in `failures`."""
    texts: list[tuple[str, str]] = field(default_factory=list)
    tags: dict[str, list[Tag]] = field(default_factory=dict)
    listings: list[Listing] = field(default_factory=list)
    lanes: list[Lane] = field(default_factory=list)

    @property
    def failures_by_reason(self) -> list[tuple[str, list[Row]]]:
        """Ledger entries of failed values by reason: one broken file fails everything."""
        found: dict[str, list[Row]] = {}
        for entry in self.failures:
            found.setdefault(entry["reason"] or entry["outcome"], []).append(entry)
        return list(found.items())

    @property
    def file_name(self) -> str:
        """Of the page, beside the index."""
        return f"items/{self.item.key}.html"


def title_of(item: Item) -> str:
    """What an item is called: its title, else its file's name without ending."""
    return str(item.record.get("title") or (readable(from_uri(item.path).stem) if item.path else item.key))


def subtitle_of(record: Row) -> str:
    """Artist, album and year, as far as there are tags."""
    return " · ".join(str(record[name]) for name in ("artist", "album", "year") if record.get(name))


def facts_of(item: Item, collection: Collection) -> list[tuple[str, str]]:
    """What one wants to know first: length, tempo, key, loudness, format."""
    record = item.record
    facts = [("length", clock(item.duration_s))]
    rows = {table: collection.rows.get(table, {}).get(item.key, {}) for table, _ in HEADLINE}
    if rows["tempo"].get("bpm") is not None:
        facts.append(("tempo", f"{rows['tempo']['bpm']:.0f} bpm"))
    if rows["tonal"].get("key"):
        facts.append(("key", f"{rows['tonal']['key']} {rows['tonal'].get('scale') or ''}".strip()))
    if rows["loudness"].get("lufs") is not None:
        facts.append(("loudness", f"{number(rows['loudness']['lufs'])} LUFS"))
    genres = [record.get("genre"), record.get("folder_genre"), record.get("folder_subgenre")]
    genre = {str(g).casefold(): str(g) for g in reversed(genres) if g}
    if genre:
        facts.append(("genre", ", ".join(reversed(genre.values()))))
    if record.get("sample_rate"):
        channels = {1: "mono", 2: "stereo"}.get(record["channels"], f"{record['channels']} channels")
        depth = f", {record['bit_depth']} bit" if record.get("bit_depth") else ""
        rate_khz = f"{record['sample_rate'] / 1000:g} kHz"
        facts.append(("format", f"{record['codec']}, {rate_khz}{depth}, {channels}"))
    return facts


def family_of(table: Table, row: Row | None, ledger: Row | None, collection: Collection) -> Family:
    """A one-row table's values, or why there are none."""
    if row is None:
        outcome = "not computed yet" if ledger is None else ledger["outcome"].replace("_", " ")
        reason = ledger["reason"] if ledger else None
        return Family(table, (), f"{outcome}: {reason}" if reason else outcome)
    shown = [column for column in table.columns if column.type is not OBJECT]
    return Family(table, [value_of(table, column, row[column.name], collection) for column in shown])


def value_of(table: Table, column: Column, value: Any, collection: Collection) -> Value:
    """One value, with its place in the collection if it is a number."""
    if value is None:
        return Value(column, "–", is_missing=True)
    if column.length is not None:
        return _series(column, value)
    if is_number(column):
        distribution = collection.distributions.get((table.name, column.name))
        return Value(column, number(value), strip=_strip(distribution, value, collection))
    if column.type is BOOLEAN:
        return Value(column, "yes" if value else "no")
    text = str(value) if column.type is TEXT else plain(value)
    return Value(column, text, is_long=column.type is TEXT and len(text) > LONG_TEXT)


def listing_of(table: Table, rows: Sequence[Row]) -> Listing:
    """The first rows of a table."""
    columns = [c for c in table.columns if c.type is not OBJECT and c.length is None]
    cells = [[plain(row[c.name]) for c in columns] for row in rows[:MOST_LIST_ROWS]]
    return Listing(table, columns, cells, len(rows))


def plain(value: Any) -> str:
    """A value without a unit."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value) if isinstance(value, int | float) else str(value)


def number(value: float) -> str:
    r"""A number of about three digits that mean something.

    >>> [number(x) for x in (-14.02, 0.012345, 127.84, 12345.678, 1.8e-05, 42, -0.0001, 0.0)]
    ['−14.0', '0.0123', '128', '12\u202f346', '1.8e−5', '42', '−0.000100', '0']
    """
    if isinstance(value, int) or abs(value) >= 1000:
        text = f"{round(value):,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    elif value and abs(value) < 1e-4:
        mantissa, _, exponent = f"{value:.2g}".partition("e")
        text = f"{mantissa}e{int(exponent)}"
    else:
        text = f"{value:#.3g}".rstrip(".") if value else "0"
    return text.replace("-", "−")


def _strip(distribution: Distribution | None, value: float, collection: Collection) -> Strip | None:
    if distribution is None or len(distribution.values) < 2:
        return None
    five, lower, middle, upper, most = (100 * distribution.place(q) for q in distribution.quantiles)
    rank = distribution.rank(value)
    percent = None if rank is None else round(100 * rank)
    others = len(distribution.values) - 1
    text = f"higher than {percent} % of the other {others} {collection.kind.plural}"
    z = distribution.robust_z(value)
    return Strip(100 * distribution.place(value), (five, most), (lower, upper), middle, percent, text, z)


def _series(column: Column, values: Sequence[Any]) -> Value:
    if len(values) > MOST_BARS or not values or not isinstance(values[0], int | float):
        return Value(column, f"{len(values)} values" if len(values) != 1 else "1 value")
    highest = max(abs(value) for value in values) or 1.0
    labels = BAR_NAMES.get(column.name) or [str(i) for i in range(len(values))]
    bars = [(label, value / highest, number(value)) for label, value in zip(labels, values, strict=False)]
    return Value(column, "", bars=bars)
