"""Toy assets of tracks: one that reads a tag and one that takes the sound alone."""

from __future__ import annotations

from audio_assets.audio.signal import Signal
from audio_assets.engine import INTEGER, TEXT, Column, Table, item_asset
from audio_assets.ingest.catalog import TRACK


@item_asset(
    table=Table("shouts", TRACK, [Column("shout", TEXT, doc="Title in capitals")]),
    group="toys",
    code_version="1",
    reads=("title",),
)
def shouts(signal: Signal, *, record: dict) -> dict[str, object]:
    return {"shout": str(record["title"]).upper()}


@item_asset(
    table=Table("counts", TRACK, [Column("samples", INTEGER, doc="Samples")]),
    group="toys",
    code_version="1",
)
def counts(signal: Signal) -> dict[str, object]:
    return {"samples": signal.samples.shape[1]}
