"""Assets that read a column of the catalog, one of all items, a training, and one that needs its model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import BaseModel
from safetensors.numpy import save_file

from audio_assets.engine import (
    BOOLEAN,
    FLOAT,
    INTEGER,
    TEXT,
    Collection,
    Column,
    Table,
    Trained,
    Training,
    collection_asset,
    item_asset,
    training_asset,
)
from audio_assets.engine.declare.asset import Asset
from audio_assets.engine.platform import Platform
from audio_assets.engine.state.catalog import catalog_tables, write_items
from tests.engine import toys
from tests.engine.conftest import CATALOG, Bench, make_bench

COLUMNS = (*CATALOG, Column("language", TEXT, doc="Language"))
"""The catalog of notes with one column more."""

LANGUAGES = Table("languages", toys.NOTE, [Column("letters", INTEGER, doc="Letters of the language's name")])
CHAINS = Table("chains", toys.NOTE, [Column("sum", INTEGER, doc="Letters and characters")])
JUDGEMENTS = Table("judgements", toys.NOTE, [Column("has_model", BOOLEAN, doc="Made by a checkpoint")])
COUNTS = Table("counts", columns=[Column("letters", INTEGER, doc="All letters")], doc="Counts.")
ERRORS = Table("mean_length_evaluation", columns=[Column("error", FLOAT, doc="Error")], doc="Errors.")


@item_asset(table=LANGUAGES, group="toys", code_version="1", bundle="tongues", reads=("language",))
def languages(note: str, *, record: dict[str, object]) -> dict[str, int]:
    return {"letters": len(str(record["language"] or ""))}


@item_asset(table=CHAINS, group="toys", code_version="1", bundle="tongues")
def chains(note: str, languages: dict[str, int], lengths: dict[str, int]) -> dict[str, int]:
    return {"sum": languages["letters"] + lengths["characters"]}


@item_asset(table=JUDGEMENTS, group="toys", code_version="1", bundle="judges", model="mean_length")
def judgements(note: str, *, model: Path) -> dict[str, bool]:
    return {"has_model": (model / "model.safetensors").is_file()}


@collection_asset(
    item=toys.NOTE, upstream=["lengths"], tables=[COUNTS], group="toys", code_version="1", reads=["language"]
)
def counts(notes: Collection) -> dict[str, list[dict[str, object]]]:
    return {"counts": [{"letters": int(notes.rows("lengths")["characters"].sum())}]}


class MeanConfig(BaseModel):
    scale: float = 1.0


@training_asset(
    items=toys.NOTE,
    upstream=["lengths"],
    config=MeanConfig,
    group="toys",
    code_version="1",
    evaluation=[ERRORS],
)
def mean_length(training: Training, config: MeanConfig) -> Trained:
    """The mean length of a note."""
    mean = float(training.rows("lengths")["characters"].mean()) * config.scale
    folder = training.folder / "model"
    folder.mkdir(exist_ok=True)
    save_file({"mean": np.array([mean], np.float32)}, folder / "model.safetensors")
    (folder / "config.json").write_text("{}")
    split = dict.fromkeys(training.items, "train")
    return Trained(folder, split, {"mean": mean}, {"mean_length_evaluation": [{"error": 0.5}]})


def make_library(folder: Path, assets: Iterable[Asset], **settings: object) -> Bench:
    """A bench of these assets whose notes have a language."""
    bench = make_bench(folder, assets, **settings)
    bench.platform = replace(bench.platform, tables=catalog_tables(toys.NOTE.plural, COLUMNS))
    bench.platform.prepare()
    return bench


def retag(platform: Platform, *keys: str, **values: object) -> None:
    """Give notes (all, if none is named) other values of these columns, as ingest does."""
    rows = [{**item.record, **values} for item in platform.items(toys.NOTE, keys or None).values()]
    platform.lake.write(lambda c: write_items(c, toys.NOTE.plural, COLUMNS, rows))
