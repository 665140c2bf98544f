"""Adopted checkpoints, as Dagster sees them: the data version of a training is that of its adopted checkpoint.

What hangs on a training was made by the adopted checkpoint. So a candidate changes nothing for Dagster, and a
checkpoint that is adopted by hand becomes the version, with what was said of it when it was trained.
"""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from audio_assets.engine.declare.training_asset import TrainingAsset
from audio_assets.engine.platform import Platform
from audio_assets.orchestration.dagster_private import DATA_VERSION
from audio_assets.orchestration.inputs import POINTER_TAG, VERSION_TAG

PROVENANCE = (VERSION_TAG.format(""), POINTER_TAG.format(""), "dagster/code_version")
LOOKED_AT = 1000


def adopted_version(platform: Platform, training: TrainingAsset) -> str | None:
    """The adopted checkpoint of a training, or None."""
    adopted = platform.adopted([training.name]).get(training.name)
    return adopted.checkpoint.checkpoint if adopted else None


def tags_of_version(instance: dg.DagsterInstance, asset: str, version: str) -> dict[str, str]:
    """What Dagster was told that a version of an asset was made from; empty if it never was."""
    for record in instance.fetch_materializations(dg.AssetKey(asset), limit=LOOKED_AT).records:
        materialization = record.asset_materialization
        tags = (materialization and materialization.tags) or {}
        if tags.get(DATA_VERSION) == version:
            return {name: value for name, value in tags.items() if name.startswith(PROVENANCE)}
    return {}


def untold_adoptions(platform: Platform, instance: dg.DagsterInstance) -> Iterator[dg.AssetMaterialization]:
    """Events of the trainings, and their tables, whose last version Dagster knows is not the adopted checkpoint."""
    for training in platform.graph.trainings:
        version = adopted_version(platform, training)
        told = instance.get_latest_materialization_event(dg.AssetKey(training.name))
        if version is None or told is None or _version(told) == version:
            continue
        for name in (training.name, *(table.name for table in training.tables)):
            tags = {
                **tags_of_version(instance, name, version),
                DATA_VERSION: version,
                "dagster/data_version_is_user_provided": "true",
            }
            yield dg.AssetMaterialization(name, metadata={"adopted": version}, tags=tags)


def tell_adoptions(platform: Platform, instance: dg.DagsterInstance) -> None:
    """Report to Dagster what was adopted since it was told of a checkpoint last."""
    for event in list(untold_adoptions(platform, instance)):
        instance.report_runless_asset_event(event)


def _version(entry: dg.EventLogEntry) -> str | None:
    materialization = entry.asset_materialization
    return ((materialization and materialization.tags) or {}).get(DATA_VERSION)
