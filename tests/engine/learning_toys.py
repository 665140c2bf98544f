"""Trainings with nothing to learn but a mean, and what is computed with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pydantic import BaseModel
from safetensors.numpy import load_file, save_file

from audio_assets.engine import (
    FLOAT,
    INTEGER,
    TEXT,
    Collection,
    Column,
    NotApplicable,
    Role,
    Table,
    Trained,
    Training,
    collection_asset,
    item_asset,
    training_asset,
)
from tests.engine.toys import NOTE

PARTS_OF_SPLIT = ("train", "validation", "test")


class ScaleConfig(BaseModel):
    scale: float = 1.0
    score: float = 0.5
    act: str = ""


def leave(training: Training, mean: float, metrics: Mapping[str, float]) -> Trained:
    """A checkpoint that holds a mean."""
    folder = training.folder / "model"
    folder.mkdir(exist_ok=True)
    save_file({"mean": np.array([mean], np.float32)}, folder / "model.safetensors")
    (folder / "config.json").write_text("{}")
    split = {item: PARTS_OF_SPLIT[n % 3] for n, item in enumerate(training.items)}
    return Trained(folder, split, {"mean": mean, **metrics})


@training_asset(items=NOTE, upstream=["lengths"], config=ScaleConfig, group="toys", code_version="1")
def scales(training: Training, config: ScaleConfig) -> Trained:
    """The mean length of a note, scaled. A score of less than 0 is none."""
    match config.act.split():
        case ["fail"]:
            raise ArithmeticError("the loss is NaN")
        case ["read", table]:
            training.rows(table)
        case ["look", column]:
            [item.record[column] for item in training.items.values()]
    mean = float(training.rows("lengths")["characters"].mean()) * config.scale
    training.tracker.metrics({"train_loss": 0.5}, 0)
    return leave(training, mean, {"score": config.score} if config.score >= 0 else {})


@training_asset(
    items=NOTE, upstream=["lengths"], config=ScaleConfig, group="toys", code_version="1", starts_from="scales"
)
def finer_scales(training: Training, config: ScaleConfig, *, model: Path) -> Trained:
    """Twice the mean that it starts from."""
    return leave(training, 2 * float(load_file(model / "model.safetensors")["mean"][0]), {})


class Doubling:
    """A backend."""

    name, revision, licence, factor = "doubling", "1", "CC-BY-4.0", 2.0


class Tripling(Doubling):
    """Another."""

    name, factor = "tripling", 3.0


FACTOR = Role("factor", {"embedded": f"{__name__}:Doubling", "other": f"{__name__}:Tripling"})


@training_asset(
    items=NOTE,
    upstream=["lengths"],
    config=ScaleConfig,
    group="toys",
    code_version="1",
    roles=[FACTOR],
    reads=["duration_s"],
)
def weighted_scales(training: Training, config: ScaleConfig, *, factor: Doubling) -> Trained:
    """The sum of durations times what plays a role."""
    total = sum(item.record["duration_s"] for item in training.items.values())
    return leave(training, factor.factor * total, {})


PARTS = Table("parts", NOTE, [Column("part", FLOAT, doc="Length beside the mean")])


@item_asset(table=PARTS, group="toys", code_version="1", bundle="parts", model="scales")
def parts(note: str, lengths: dict[str, int], *, model: Path) -> dict[str, float]:
    if "silent" in note:
        raise NotApplicable("nothing to measure")
    mean = float(load_file(model / "model.safetensors")["mean"][0])
    return {"part": lengths["characters"] / mean}


PERCENTS = Table("percents", NOTE, [Column("percent", INTEGER, doc="The part in hundredths")])


@item_asset(table=PERCENTS, group="toys", code_version="1", bundle="percents")
def percents(note: str, parts: dict[str, float]) -> dict[str, int]:
    return {"percent": round(100 * parts["part"])}


TOTALS = Table(
    "totals",
    None,
    [Column("total", FLOAT, doc="Sum of parts"), Column("backend", TEXT, doc="What played the role")],
)


@collection_asset(
    item=NOTE, upstream=["parts"], tables=[TOTALS], group="toys", code_version="1", roles=[FACTOR]
)
def totals(notes: Collection, *, factor: Doubling) -> dict[str, list[dict[str, object]]]:
    total = float(notes.rows("parts")["part"].sum())
    return {"totals": [{"total": factor.factor * total, "backend": factor.name}]}


@training_asset(items=NOTE, upstream=["parts"], config=ScaleConfig, group="toys", code_version="1")
def mean_parts(training: Training, config: ScaleConfig) -> Trained:
    """Learns from what another's checkpoint computed."""
    return leave(training, float(training.rows("parts")["part"].mean()), {})
