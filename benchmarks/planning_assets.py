"""Twelve assets in three layers that compute next to nothing: a graph to plan, loaded through AUDIO_ASSETS_MODULES."""

from __future__ import annotations

from typing import Any

from audio_assets.assets.catalog import TRACK
from audio_assets.audio.signal import Signal
from audio_assets.engine import INTEGER, Column, Table, item_asset

Row = dict[str, Any]
GROUP = "planning"


def _table(name: str) -> Table:
    return Table(name, TRACK, [Column("value", INTEGER, doc="A number")])


@item_asset(table=_table("p00"), group=GROUP, bundle="planning_0", code_version="1")
def p00(track: Signal) -> Row:
    return {"value": 1}


@item_asset(table=_table("p01"), group=GROUP, bundle="planning_0", code_version="1")
def p01(track: Signal) -> Row:
    return {"value": 1}


@item_asset(table=_table("p02"), group=GROUP, bundle="planning_0", code_version="1")
def p02(track: Signal) -> Row:
    return {"value": 1}


@item_asset(table=_table("p03"), group=GROUP, bundle="planning_0", code_version="1", reads=["title"])
def p03(track: Signal, *, record: Row) -> Row:
    return {"value": 1}


@item_asset(table=_table("p04"), group=GROUP, bundle="planning_1", code_version="1")
def p04(track: Signal, p00: Row) -> Row:
    return {"value": 1}


@item_asset(table=_table("p05"), group=GROUP, bundle="planning_1", code_version="1")
def p05(track: Signal, p01: Row) -> Row:
    return {"value": 1}


@item_asset(table=_table("p06"), group=GROUP, bundle="planning_1", code_version="1")
def p06(track: Signal, p01: Row) -> Row:
    return {"value": 1}


@item_asset(table=_table("p07"), group=GROUP, bundle="planning_1", code_version="1")
def p07(track: Signal, p02: Row) -> Row:
    return {"value": 1}


@item_asset(table=_table("p08"), group=GROUP, bundle="planning_2", code_version="1")
def p08(track: Signal, p04: Row, p05: Row) -> Row:
    return {"value": 1}


@item_asset(table=_table("p09"), group=GROUP, bundle="planning_2", code_version="1")
def p09(track: Signal, p03: Row) -> Row:
    return {"value": 1}


@item_asset(table=_table("p10"), group=GROUP, bundle="planning_2", code_version="1")
def p10(track: Signal, p06: Row, p00: Row) -> Row:
    return {"value": 1}


@item_asset(table=_table("p11"), group=GROUP, bundle="planning_2", code_version="1")
def p11(track: Signal, p08: Row) -> Row:
    return {"value": 1}
