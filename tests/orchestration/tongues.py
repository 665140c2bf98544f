"""Assets that read a column of the catalog, in a module that workers import quickly."""

from __future__ import annotations

from pathlib import Path

from audio_assets.engine import BOOLEAN, INTEGER, Column, Table, item_asset
from audio_assets.engine.declare.collection_asset import Collection, collection_asset
from audio_assets.engine.declare.tables import ResultTable
from tests.engine import toys

LANGUAGES = Table("languages", toys.NOTE, [Column("letters", INTEGER, doc="Letters of the language's name")])
CHAINS = Table("chains", toys.NOTE, [Column("sum", INTEGER, doc="Letters and characters")])
JUDGEMENTS = Table("judgements", toys.NOTE, [Column("has_model", BOOLEAN, doc="Made by a checkpoint")])
COUNTS = ResultTable("counts", [Column("letters", INTEGER, doc="All letters")], "Counts.")


@item_asset(table=LANGUAGES, group="toys", code_version="1", bundle="tongues", reads=("language",))
def languages(note: str, *, record: dict[str, object]) -> dict[str, int]:
    return {"letters": len(str(record["language"] or ""))}


@item_asset(table=CHAINS, group="toys", code_version="1", bundle="tongues")
def chains(note: str, languages: dict[str, int], lengths: dict[str, int]) -> dict[str, int]:
    return {"sum": languages["letters"] + lengths["characters"]}


@item_asset(table=JUDGEMENTS, group="toys", code_version="1", model="mean_length")
def judgements(note: str, *, model: Path) -> dict[str, bool]:
    return {"has_model": (model / "model.safetensors").is_file()}


@collection_asset(
    item=toys.NOTE, upstream=["lengths"], tables=[COUNTS], group="toys", code_version="1", reads=["language"]
)
def counts(notes: Collection) -> dict[str, list[dict[str, object]]]:
    return {"counts": [{"letters": int(notes.rows("lengths")["characters"].sum())}]}
