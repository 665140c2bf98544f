"""The annotations of PodcastFillers (Zhu et al., Interspeech 2022): one CSV for all episodes.

Of its columns, these count: `podcast_filename` (the episode), `event_start_inepisode` and
`event_end_inepisode` (seconds), `label_full_vocab` (the label), `confidence` (of the annotators,
may be empty) and `episode_split_subset` (train, validation or test).
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from audio_assets.audio.decode import readable
from audio_assets.ingest.annotations.events import Event
from audio_assets.ingest.text import SidecarError

COLLECTION = "podcastfillers"

_COLUMNS = (
    "podcast_filename",
    "event_start_inepisode",
    "event_end_inepisode",
    "label_full_vocab",
    "confidence",
    "episode_split_subset",
)


@dataclass(frozen=True)
class Collection:
    """Events by the name of their recording, and why lines were refused."""

    events: dict[str, list[Event]]
    refused: tuple[str, ...]


def read_podcastfillers(path: str | os.PathLike[str]) -> Collection:
    """All events of a `PodcastFillers.csv`, each recording's by start; a bad line costs only itself.

    Raises:
        SidecarError: the file cannot be read, is no CSV in UTF-8, or lacks a column.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _parse(path, file)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SidecarError(f"{readable(path)}: found no CSV in UTF-8 ({error}); wanted one") from error


def _parse(path: Path, lines: Iterable[str]) -> Collection:
    rows = csv.DictReader(lines, strict=True)
    missing = [column for column in _COLUMNS if column not in (rows.fieldnames or ())]
    if missing:
        raise SidecarError(
            f"{readable(path)}: found no column {', '.join(missing)}; wanted the "
            "PodcastFillers.csv of the data set's metadata folder"
        )
    events: dict[str, list[Event]] = {}
    refused: list[str] = []
    for line, row in _numbered(rows):
        event = _event(row)
        if isinstance(event, str):
            refused.append(f"{readable(path.name)}, line {line}: {event}")
        else:
            events.setdefault(row["podcast_filename"], []).append(event)
    for named in events.values():
        named.sort(key=lambda event: (event.start_s, event.end_s))
    return Collection(events, tuple(refused))


def _numbered(rows: csv.DictReader[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows with the line each ends on; a field that is not there is empty."""
    for row in rows:
        yield rows.line_num, {name: row.get(name) or "" for name in _COLUMNS}


def _event(row: dict[str, str]) -> Event | str:
    """The event of a row, or what is wrong with it."""
    start_s, end_s = _number(row["event_start_inepisode"]), _number(row["event_end_inepisode"])
    confidence = _number(row["confidence"]) if row["confidence"].strip() else None
    if not row["podcast_filename"].strip():
        return "found no podcast_filename; wanted the episode's"
    if not 0 <= start_s <= end_s < math.inf:
        times = f"{row['event_start_inepisode']!r} to {row['event_end_inepisode']!r}"
        return f"found an event from {times}; wanted seconds with 0 <= start <= end"
    if confidence is not None and not math.isfinite(confidence):
        return f"found the confidence {row['confidence']!r}; wanted a number or nothing"
    split = row["episode_split_subset"].strip() or None
    return Event(start_s, end_s, row["label_full_vocab"].strip(), confidence, COLLECTION, split)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
