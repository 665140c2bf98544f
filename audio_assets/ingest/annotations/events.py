"""Events of an episode, from wherever they come, in one shape.

Times are seconds from the start of the episode. Labels are kept as they were given.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

from audio_assets.ingest.labels import read_labels
from audio_assets.ingest.uris import from_uri


@dataclass(frozen=True)
class Event:
    """An event from `start_s` to `end_s`, 0 <= start <= end.

    `source` is the file or the collection that says so, `split` the part of the collection that the
    episode belongs to. `note` says what had to be changed. None: not given.
    """

    start_s: float
    end_s: float
    label: str
    confidence: float | None
    source: str
    split: str | None = None
    note: str | None = None


def read_label_track(uri: str) -> list[Event]:
    """The events of a label track beside an episode; their source is the file's name.

    Raises:
        SidecarError: the file cannot be read, or an event in it is no event.
    """
    path = from_uri(uri)
    return [
        Event(label.start_s, label.end_s, label.label, label.confidence, path.name)
        for label in read_labels(path)
    ]


def fit_events(events: Iterable[Event], duration_s: float) -> list[Event]:
    """The events in order of time, cut off at the end of the episode, with a note where that was done.

    An event that lies past the end altogether keeps a place there without length, so that it can be
    seen that the label track and the episode do not belong together.
    """
    fitted = [_cut_off(event, duration_s) if event.end_s > duration_s else event for event in events]
    return sorted(fitted, key=lambda event: (event.start_s, event.end_s))


def _cut_off(event: Event, duration_s: float) -> Event:
    was = f"was {event.start_s:.3f} to {event.end_s:.3f} s"
    return replace(
        event,
        start_s=min(event.start_s, duration_s),
        end_s=duration_s,
        note=f"{was}; the episode ends at {duration_s:.3f} s",
    )


def events_to_json(events: Iterable[Event]) -> str:
    """Events as JSON text; the same events give the same text."""
    return json.dumps([asdict(event) for event in events], ensure_ascii=False, sort_keys=True)


def events_from_json(text: str) -> list[Event]:
    """The inverse of `events_to_json`."""
    return [Event(**values) for values in json.loads(text)]
