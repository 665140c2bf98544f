"""Toy collections, in a module that a worker loads quickly."""

from __future__ import annotations

import os
import signal
import sys

from audio_assets.engine import (
    FLOAT,
    INTEGER,
    OBJECT,
    TEXT,
    Blob,
    Collection,
    Column,
    NotApplicable,
    Table,
    collection_asset,
)
from tests.engine import toys

RANKS = Table(
    "ranks", None, [Column("item", TEXT, doc="Key"), Column("rank", INTEGER, doc="1 is longest")], "Ranks."
)
RANK_SUMMARY = Table(
    "rank_summary", None, [Column("mean", FLOAT, doc="Mean"), Column("figure", OBJECT, doc="A picture")]
)


@collection_asset(
    item=toys.NOTE, upstream=["lengths"], tables=[RANKS, RANK_SUMMARY], group="toys", code_version="1"
)
def ranks(
    notes: Collection, *, fail: bool = False, skip: bool = False, die: bool = False
) -> dict[str, list[dict[str, object]]]:
    if die:
        print("out of luck", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGSEGV)
    if fail:
        raise ArithmeticError("the notes are uncountable")
    if skip:
        raise NotApplicable("nobody asked")
    lengths = notes.rows("lengths").sort("characters", descending=True)
    rows = [{"item": item, "rank": n} for n, item in enumerate(lengths["item"], 1)]
    summary = {"mean": lengths["characters"].mean(), "figure": Blob(b"a picture", "png")}
    return {"ranks": rows, "rank_summary": [summary]}


TOPS = Table("tops", None, [Column("item", TEXT, doc="Key")], "The first.")


@collection_asset(item=toys.NOTE, upstream=["ranks"], tables=[TOPS], group="toys", code_version="1")
def tops(notes: Collection) -> dict[str, list[dict[str, object]]]:
    rows = notes.rows("ranks")
    return {"tops": [{"item": item} for item in rows.filter(rows["rank"] == 1)["item"]]}
