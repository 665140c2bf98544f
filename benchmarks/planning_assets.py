"""Twelve assets in three layers that compute next to nothing: a graph to plan."""

from __future__ import annotations

from audio_assets.engine import INTEGER, Column, ItemKind, Table
from benchmarks.engine_overhead_assets import open_note

NOTE = ItemKind("note", "notes", open_note)


def _table(name: str) -> Table:
    return Table(name, NOTE, [Column("value", INTEGER, doc="A number")])
