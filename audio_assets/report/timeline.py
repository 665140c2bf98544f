"""What lies on an item's time line: beats, and a lane for every table with times.

A table of many rows with ``start_s`` and ``end_s`` is a lane of spans (chords, sections, crops, speaker
turns, laughs), one with ``time_s`` a lane of ticks (drum hits). So a new table with times is drawn without
a word here. Spans that overlap are put into a lane for each label.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from audio_assets.engine.declare.tables import TEXT, Column, Table

MOST_SPANS = 1500
MOST_LABELS = 8
LABELS = ("chord", "label", "section", "speaker", "user_speaker", "text", "name")
"""Columns that say what a span is, best first; else the first text, else the row's number."""

PITCH_CLASSES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
SIGNS = {"#": 1, "b": -1}

NICE_S = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
RULER_MARKS = 8


@dataclass(frozen=True)
class Span:
    """A stretch with a label; place and width are shares of the item's length, hue 0..360 or None."""

    start_s: float
    end_s: float
    label: str
    left: float
    width: float
    hue: int | None


@dataclass(frozen=True)
class Lane:
    """A named row of the time line: spans, or the SVG path of ticks."""

    name: str
    doc: str
    count: int
    spans: Sequence[Span] = ()
    ticks: str = ""

    @property
    def is_cut(self) -> bool:
        """Whether only the first spans are shown."""
        return bool(self.spans) and self.count > len(self.spans)


def lanes_of(table: Table, rows: Sequence[Mapping[str, Any]], duration_s: float) -> list[Lane]:
    """The lanes of a table; none if it has no times."""
    columns = {column.name: column for column in table.columns}
    if not rows or duration_s <= 0:
        return []
    if {"start_s", "end_s"} <= columns.keys():
        return list(_span_lanes(table, _events(table, rows, columns), duration_s))
    if "time_s" in columns and table.name != "beats" and columns["time_s"].length is None:
        return list(_tick_lanes(table, rows))
    return []


def beat_paths(rows: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """SVG paths of beats (short marks) and downbeats (full height) in seconds by 100."""
    beats = "".join(f"M{row['time_s']:.3f} 92V100" for row in rows if not row["is_downbeat"])
    downbeats = "".join(f"M{row['time_s']:.3f} 0V100" for row in rows if row["is_downbeat"])
    return beats, downbeats


@dataclass(frozen=True)
class Mark:
    """A round time on the ruler; minor ones are for when it is enlarged."""

    text: str
    left: float
    is_minor: bool


def ruler(duration_s: float) -> list[Mark]:
    """Round times along an item, about `RULER_MARKS` of them and some between.

    >>> [mark.text for mark in ruler(30.0) if not mark.is_minor]
    ['0:00', '0:05', '0:10', '0:15', '0:20', '0:25', '0:30']
    """
    if duration_s <= 0:
        return []
    major_s = next((step for step in NICE_S if duration_s / step <= RULER_MARKS), NICE_S[-1])
    fitting = (step for step in NICE_S if major_s % step == 0 and duration_s / step <= 4 * RULER_MARKS)
    minor_s = min(next(fitting, major_s), major_s)
    times_s = (index * minor_s for index in range(int(duration_s / minor_s + 1e-9) + 1))
    return [Mark(clock(time_s), time_s / duration_s, time_s % major_s != 0) for time_s in times_s]


def clock(seconds: float) -> str:
    """A time as people read it.

    >>> clock(7), clock(62.9), clock(3723), clock(2.5)
    ('0:07', '1:02', '1:02:03', '0:02.5')
    """
    whole = int(seconds)
    minutes, rest = divmod(whole, 60)
    half = ".5" if seconds - whole == 0.5 and seconds < 60 else ""
    if minutes < 60:
        return f"{minutes}:{rest:02d}{half}"
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def hue_of(label: str) -> int | None:
    """A colour for a label: chords by their root around the circle of fifths, others by their text.

    >>> hue_of("C:maj"), hue_of("G:min"), hue_of("N")
    (0, 30, None)
    """
    root, _, quality = label.partition(":")
    if label == "N" or not label or label.isdecimal():
        return None
    if root[:1] in PITCH_CLASSES and (quality or len(root) <= 2) and root[1:] in ("", *SIGNS):
        pitch_class = PITCH_CLASSES[root[0]] + SIGNS.get(root[1:], 0)
        return pitch_class * 7 % 12 * 30
    return zlib.crc32(label.encode()) % 24 * 15


Event = tuple[float, float, str]
"""Start, end, label."""


def _events(table: Table, rows: Sequence[Mapping[str, Any]], columns: Mapping[str, Column]) -> list[Event]:
    events: list[Event] = []
    label = _label_column(table)
    for number, row in enumerate(rows):
        text = str(row[label]) if label and row[label] is not None else str(row.get("crop_index", number))
        if columns["start_s"].length is None:
            events.append((row["start_s"], row["end_s"], text))
        else:
            events += [(start, end, text) for start, end in zip(row["start_s"], row["end_s"], strict=False)]
    return sorted(events)


def _label_column(table: Table) -> str | None:
    texts = [column.name for column in table.columns if column.type is TEXT and column.length is None]
    if any(column.name == "crop_index" for column in table.columns):
        return None
    return next((name for name in LABELS if name in texts), texts[0] if texts else None)


def _span_lanes(table: Table, events: list[Event], duration_s: float) -> Iterator[Lane]:
    labels = list(dict.fromkeys(label for _, _, label in events))
    overlap = any(one[1] > other[0] + 1e-3 for one, other in pairwise(events))
    if not overlap or len(labels) > MOST_LABELS or len(labels) < 2:
        yield _span_lane(table.name, table, events, duration_s)
        return
    for label in labels:
        own = [event for event in events if event[2] == label]
        yield _span_lane(f"{table.name}: {label}", table, own, duration_s)


def _span_lane(name: str, table: Table, events: list[Event], duration_s: float) -> Lane:
    spans = [
        Span(
            start_s,
            end_s,
            label,
            left=min(max(start_s / duration_s, 0.0), 1.0),
            width=max(min(end_s, duration_s) - start_s, 0.0) / duration_s,
            hue=hue_of(label),
        )
        for start_s, end_s, label in events[:MOST_SPANS]
    ]
    return Lane(name, table.doc, len(events), spans)


def _tick_lanes(table: Table, rows: Sequence[Mapping[str, Any]]) -> Iterator[Lane]:
    label = _label_column(table)
    by_label: dict[str, list[float]] = {}
    for row in rows:
        by_label.setdefault(str(row[label]) if label else "", []).append(row["time_s"])
    if len(by_label) > MOST_LABELS:
        by_label = {"": [row["time_s"] for row in rows]}
    for text, times_s in by_label.items():
        name = f"{table.name}: {text}" if text else table.name
        path = "".join(f"M{time_s:.3f} 0V100" for time_s in times_s)
        yield Lane(name, table.doc, len(times_s), ticks=path)
