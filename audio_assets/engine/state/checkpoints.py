"""Checkpoints: what trainings leave behind, and the tables that lead back to their data.

A checkpoint is a folder of objects ``<asset>/<checkpoint>/``: ``model.safetensors``, ``config.json``,
``README.md`` (the model card) and figures.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from audio_assets.engine.declare.tables import INTEGER, TEXT, TIMESTAMP, Column
from audio_assets.resources.lake import Lake, quoted
from audio_assets.resources.objects import Objects

CHECKPOINT_COLUMNS = (
    Column("checkpoint", TEXT, doc="Fingerprint of code version, configuration, seed and data"),
    Column("asset", TEXT, doc="The training asset"),
    Column("snapshot", INTEGER, doc="Lake snapshot that was read"),
    Column("code_version", TEXT, doc="The version the asset declares"),
    Column("code_hash", TEXT, doc="Hash of the training's code and of the libraries it used"),
    Column("libraries_json", TEXT, doc="Versions of those libraries"),
    Column("config_json", TEXT, doc="Configuration"),
    Column("seed", INTEGER, doc="Seed of all random numbers"),
    Column("device", TEXT, doc="Device it was trained on"),
    Column("dtype", TEXT, doc="Number type of the computation"),
    Column("metrics_json", TEXT, doc="Final metrics"),
    Column("licences", TEXT, doc="Licences of the models and data upstream"),
    Column("folder", TEXT, doc="Beginning of the keys of its objects"),
    Column("mlflow_run_id", TEXT, doc="MLflow run; empty if the server has not been reached yet"),
    Column("run_id", TEXT, doc="Dagster run"),
    Column("created_at", TIMESTAMP, doc="When it was written"),
)

TRAINING_ITEM_COLUMNS = (
    Column("checkpoint", TEXT, doc="See `checkpoints`"),
    Column("item", TEXT, doc="Key of the item"),
    Column("split", TEXT, doc="train, validation or test"),
    Column("content_hash", TEXT, doc="Hash of the item's bytes"),
    Column("licence", TEXT, doc="Licence of the item, as its catalog has it"),
    Column("upstream_json", TEXT, doc="Fingerprints of the values that were read, by asset"),
)

TRAINING_SOURCE_COLUMNS = (
    Column("checkpoint", TEXT, doc="See `checkpoints`"),
    Column("item", TEXT, doc="Key of the item; * where it was computed from all items together"),
    Column("asset", TEXT, doc="An asset upstream, however far"),
    Column("fingerprint", TEXT, doc="Fingerprint of its value when it was read"),
    Column("backend", TEXT, doc="What computed the value; NULL for plain code"),
    Column("revision", TEXT, doc="Revision of its weights"),
    Column("licence", TEXT, doc="Licence of its weights"),
)

CHECKPOINT_FILES = ("model.safetensors", "config.json")
MODEL_CARD = "README.md"
TRAINING_TABLES = {
    "checkpoints": CHECKPOINT_COLUMNS,
    "training_items": TRAINING_ITEM_COLUMNS,
    "training_sources": TRAINING_SOURCE_COLUMNS,
}


@dataclass(frozen=True)
class Checkpoint:
    """A stored checkpoint."""

    checkpoint: str
    asset: str
    folder: str
    licences: str
    metrics: Mapping[str, float]

    def local(self, objects: Objects, cache: Path) -> Path:
        """The checkpoint's folder on this machine, for loading."""
        files = [objects.local_file(f"{self.folder}/{name}", cache) for name in CHECKPOINT_FILES]
        return files[0].parent


def latest_checkpoint(lake: Lake, asset: str) -> Checkpoint | None:
    """The newest checkpoint of a training asset."""
    rows = lake.rows(
        "SELECT checkpoint, asset, folder, licences, metrics_json FROM checkpoints "
        f"WHERE [asset] = {quoted([asset])} ORDER BY created_at DESC LIMIT 1",
    )
    if not rows:
        return None
    checkpoint, name, folder, licences, metrics = rows[0]
    return Checkpoint(checkpoint, name, folder, licences, json.loads(metrics))
