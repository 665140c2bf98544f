"""Label tracks: events `(start_s, end_s, label)` beside a recording, as people keep them.

- Audacity: `start<TAB>end<TAB>label` per line; lines that begin with a backslash (frequency ranges)
  are passed over. A point label has end = start.
- CSV with a header; JSON as a list of objects. Their columns are `start_s`, `end_s`, `label`;
  `start` and `end` do as well, and `confidence` is read where there is one.

- RTTM (NIST Rich Transcription evaluation plan, 2009): each ``SPEAKER`` line, with onset and duration
  in its fields 4 and 5 and the name in its field 8, is an event ``speaker:NAME``.

Times are seconds from the start of the recording; their decimal sign may be a comma.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audio_assets.audio.decode import readable
from audio_assets.ingest.text import SidecarError, read_text


@dataclass(frozen=True)
class Label:
    """An event from `start_s` to `end_s`, 0 ≤ start ≤ end; `confidence` None where not given."""

    start_s: float
    end_s: float
    label: str
    confidence: float | None = None


def read_labels(path: Path) -> tuple[Label, ...]:
    """The events of a label track, by start.

    Raises:
        SidecarError: the file cannot be read, or an event is not (start, end, label).
    """
    text = read_text(path)
    suffix = path.suffix.lower()
    rows = {".csv": _csv_rows, ".json": _json_rows, ".rttm": _rttm_rows}.get(suffix, _audacity_rows)
    labels = [_label(path, number, row) for number, row in rows(path, text)]
    return tuple(sorted(labels, key=lambda label: (label.start_s, label.end_s)))


def _audacity_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.startswith("\\"):
            yield (
                number,
                dict(zip(("start_s", "end_s", "label"), line.split("\t", 2), strict=False)),
            )


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        yield from enumerate(csv.DictReader(io.StringIO(text, newline=""), strict=True), start=1)
    except csv.Error as error:
        raise SidecarError(
            f"{readable(path.name)}: found no valid CSV ({error}); wanted one event a line"
        ) from error


def _rttm_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if fields and fields[0] == "SPEAKER":
            onset_s, duration_s, name = [*fields[3:5], *fields[7:8], *[""] * 3][:3]
            end_s = _number(onset_s) + _number(duration_s)
            yield number, {"start_s": onset_s, "end_s": end_s, "label": f"speaker:{name}" if name else None}


def _json_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        events = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SidecarError(
            f"{readable(path.name)}: found no valid JSON ({error}); wanted a list of events"
        ) from error
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        raise SidecarError(f"{readable(path.name)}: found no list of objects; wanted one object an event")
    yield from enumerate(events, start=1)


def _label(path: Path, number: int, row: dict[str, Any]) -> Label:
    text = row.get("label")
    start_s = _number(row.get("start_s", row.get("start")))
    end_s = _number(row.get("end_s", row.get("end")))
    given = row.get("confidence")
    confidence = None if given in (None, "") else _number(given)
    numbers = 0 <= start_s <= end_s < math.inf and math.isfinite(confidence or 0.0)
    if not isinstance(text, str) or not _is_unicode(text) or not numbers:
        raise SidecarError(
            f"{readable(path.name)}: found event {number} to be {readable(str(row)[:200])}; wanted start_s, "
            "end_s and label with 0 <= start_s <= end_s"
        )
    return Label(start_s, end_s, text.strip(), confidence)


def _is_unicode(text: str) -> bool:
    """Whether there is no half of a surrogate pair in it, which JSON can escape and no table can hold."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _number(value: Any) -> float:
    try:
        return float(value.replace(",", ".") if isinstance(value, str) else value)
    except (TypeError, ValueError, OverflowError):  # an integer may be larger than any float
        return math.nan
