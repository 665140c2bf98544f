"""`annotations`: events of an episode, from label tracks beside it and from imported collections."""

from dataclasses import asdict
from typing import Any

from audio_assets.assets.catalog import EPISODE
from audio_assets.audio.signal import Signal
from audio_assets.engine import FLOAT, TEXT, Column, NotApplicable, Table, item_asset
from audio_assets.ingest.annotations.events import events_from_json, fit_events, read_label_track

ANNOTATIONS = Table(
    "annotations",
    EPISODE,
    [
        Column("start_s", FLOAT, unit="s", low=0, nullable=False, doc="When the event begins"),
        Column("end_s", FLOAT, unit="s", low=0, nullable=False, doc="When it ends"),
        Column("label", TEXT, nullable=False, doc="What it is, as it was given"),
        Column("confidence", FLOAT, doc="How sure the annotators are, where they say so"),
        Column("source", TEXT, nullable=False, doc="Label track or collection it comes from"),
        Column("split", TEXT, doc="Part of the collection that the episode belongs to"),
        Column("note", TEXT, doc="What had to be changed to fit the event to the episode"),
    ],
    doc="Events that people heard in an episode; may overlap.",
    rows="many",
)


@item_asset(
    table=ANNOTATIONS,
    group="podcasts",
    code_version="1",
    reads=("duration_s", "label_uris", "sidecars_digest", "notes", "imported_events_json"),
)
def annotations(episode: Signal, *, record: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of all label tracks beside the episode, and those imported for it."""
    events = [event for uri in record["label_uris"] or () for event in read_label_track(uri)]
    events += events_from_json(record["imported_events_json"] or "[]")
    if not events:
        faults = "; ".join(record["notes"] or ())
        raise NotApplicable("no annotations" + (f" ({faults})" if faults else ""))
    return [asdict(event) for event in fit_events(events, record["duration_s"])]
