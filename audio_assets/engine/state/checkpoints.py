"""Checkpoints: what trainings leave behind, and the tables that lead back to their data.

A checkpoint is a folder of objects ``<asset>/<checkpoint>/``: ``model.safetensors``, ``config.json``,
``README.md`` (the model card) and figures.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audio_assets.engine.declare.tables import INTEGER, TEXT, TIMESTAMP, Column, Table
from audio_assets.errors import UserError
from audio_assets.resources.lake import Lake, quote, quoted
from audio_assets.resources.objects import ObjectError, Objects

CHECKPOINTS = Table(
    "checkpoints",
    columns=(
        Column(
            "checkpoint", TEXT, doc="Hash of code version, parameters, weights, data, and how often before"
        ),
        Column("asset", TEXT, doc="The training asset"),
        Column("snapshot", INTEGER, doc="Lake snapshot that was read"),
        Column("recipe", TEXT, doc="Hash of code version, parameters, backends and starting weights"),
        Column("code_version", TEXT, doc="The version the asset declares"),
        Column("code_hash", TEXT, doc="Hash of the training's code and of the libraries it used"),
        Column("libraries_json", TEXT, doc="Versions of those libraries"),
        Column("config_json", TEXT, doc="Parameters, the seed among them"),
        Column("seed", INTEGER, doc="Seed of all random numbers"),
        Column("device", TEXT, doc="Device it was trained on"),
        Column("dtype", TEXT, doc="Number type of the computation"),
        Column("backend", TEXT, doc="Backends and starting checkpoint it was trained with"),
        Column("revision", TEXT, doc="Their revisions"),
        Column("metrics_json", TEXT, doc="Final metrics"),
        Column("items", INTEGER, doc="Number of items it learned from or was measured on"),
        Column("licences", TEXT, doc="Licences of the models and data upstream"),
        Column("candidate_because", TEXT, doc="Why it was not adopted by itself; NULL: it was"),
        Column("folder", TEXT, doc="Beginning of the keys of its objects"),
        Column("files_json", TEXT, doc="SHA-256 of each of its objects, by file name"),
        Column("mlflow_run_id", TEXT, doc="MLflow run; empty if the server has not been reached yet"),
        Column("run_id", TEXT, doc="Dagster run"),
        Column("created_at", TIMESTAMP, doc="When it was written"),
    ),
    doc="Trained models, and what each was made from.",
    rows="many",
)

TRAINING_ITEMS = Table(
    "training_items",
    columns=(
        Column("checkpoint", TEXT, doc="See `checkpoints`"),
        Column("item", TEXT, doc="Key of the item"),
        Column("split", TEXT, doc="train, validation or test"),
        Column("content_hash", TEXT, doc="Hash of the item's sound"),
        Column("licence", TEXT, doc="Licence of the item, as its catalog has it"),
        Column("upstream_json", TEXT, doc="Fingerprints of the values that were read, by asset"),
        Column("digest", TEXT, doc="Hash of all that was read of the item"),
    ),
    doc="The items of each checkpoint, with their part of the split.",
    rows="many",
)

TRAINING_SOURCES = Table(
    "training_sources",
    columns=(
        Column("checkpoint", TEXT, doc="See `checkpoints`"),
        Column("item", TEXT, doc="Key of the item; * where it was computed from all items together"),
        Column("asset", TEXT, doc="An asset upstream, however far"),
        Column("fingerprint", TEXT, doc="Fingerprint of its value when it was read"),
        Column("backend", TEXT, doc="What computed the value; NULL for plain code"),
        Column("revision", TEXT, doc="Revision of its weights"),
        Column("licence", TEXT, doc="Licence of its weights"),
    ),
    doc="What computed each value upstream of a checkpoint, as it was when it was read.",
    rows="many",
)

CHECKPOINT_FILES = ("model.safetensors", "config.json")
MODEL_CARD = "README.md"


class CheckpointError(UserError, ValueError):
    """A checkpoint that cannot be used, or a name that fits none; the message says what to do."""


@dataclass(frozen=True)
class Checkpoint:
    """A stored checkpoint."""

    checkpoint: str
    asset: str
    folder: str
    licences: str
    metrics: Mapping[str, float]
    items: int
    recipe: str
    candidate_because: str | None = None

    def local(self, objects: Objects, cache: Path) -> Path:
        """The checkpoint's folder on this machine, for loading.

        Raises:
            CheckpointError: its objects are gone.
        """
        try:
            files = [objects.local_file(f"{self.folder}/{name}", cache) for name in CHECKPOINT_FILES]
        except ObjectError as error:
            raise CheckpointError(
                f"The files of checkpoint {self.checkpoint} of {self.asset} are gone: {error} Adopt another "
                f'(`audio-assets sql "SELECT checkpoint, created_at FROM checkpoints WHERE asset = '
                f"'{self.asset}'\"`, `audio-assets adopt CHECKPOINT`), or train again with "
                f"`audio-assets run {self.asset} --all`."
            ) from error
        return files[0].parent


def read_checkpoint(lake: Lake, name: str) -> Checkpoint | None:
    """The checkpoint of a name, or of a unique beginning of one.

    Raises:
        CheckpointError: the beginning fits several.
    """
    rows = lake.rows(
        f"SELECT {_COLUMNS} FROM checkpoints WHERE starts_with(checkpoint, {quote(name)}) "
        f"ORDER BY checkpoint <> {quote(name)}, checkpoint"
    )
    if len(rows) > 1 and rows[0][0] != name:
        raise CheckpointError(f"{name!r} fits {len(rows)} checkpoints, e.g. {rows[0][0]} and {rows[1][0]}.")
    return _checkpoint(rows[0]) if rows else None


def checkpoints_of(lake: Lake, names: Iterable[str]) -> dict[str, Checkpoint]:
    """Checkpoints by name; those that are not there are left out."""
    rows = lake.rows(
        f"SELECT {_COLUMNS} FROM checkpoints WHERE checkpoint IN (SELECT unnest({quoted(names)}))"
    )
    return {row[0]: _checkpoint(row) for row in rows}


def checkpoints_of_trainings(lake: Lake, trainings: Iterable[str]) -> list[Checkpoint]:
    """All checkpoints of trainings, adopted or not."""
    rows = lake.rows(
        f"SELECT {_COLUMNS} FROM checkpoints WHERE asset IN (SELECT unnest({quoted(trainings)}))"
    )
    return [_checkpoint(row) for row in rows]


_COLUMNS = "checkpoint, asset, folder, licences, metrics_json, items, recipe, candidate_because"


def _checkpoint(row: tuple[Any, ...]) -> Checkpoint:
    name, asset, folder, licences, metrics, items, recipe, because = row
    return Checkpoint(name, asset, folder, licences, json.loads(metrics), items, recipe, because)
